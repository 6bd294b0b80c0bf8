package apiclient

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// describeOne asks a server that answers with one response object.
func describeOne(t *testing.T, response string) (InstancePage, error) {
	t.Helper()
	c, _ := serve(t, answer(200, nil, `{"requestId":"T1","response":`+response+`}`))
	return c.DescribeInstances(t.Context(), InstanceQuery{})
}

func TestInstancesAreReadAsTheAPIWritesThem(t *testing.T) {
	page, err := describeOne(t, `{"requestId":"T1","totalCount":1203,"dataSet":[
		{"instanceId":"i-1","instanceName":"web-1","zoneId":"asia-east-1a","status":"RUNNING","instanceType":"z2a.cpu.1","cpu":1,
		 "resourceGroupId":"rg-prod","resourceGroupName":"prod","tags":{"tags":[{"key":"env","value":"prod"},{"key":"role","value":"web"}]},"nics":[{}]},
		{"instanceId":"i-2","instanceName":"gpu","status":"NEW_STATE","instanceType":null,"tags":null,"enableAgent":null},
		{"instanceId":"i-3","tags":{"tags":null}}]}`)
	want := InstancePage{RequestID: "T1", TotalCount: 1203, Instances: []Instance{
		{InstanceID: "i-1", Name: "web-1", ZoneID: "asia-east-1a", State: StateRunning, InstanceType: "z2a.cpu.1", ResourceGroupID: "rg-prod", Tags: Tags{{"env", "prod"}, {"role", "web"}}},
		{InstanceID: "i-2", Name: "gpu", State: "NEW_STATE"},
		{InstanceID: "i-3"},
	}}
	if err != nil || !reflect.DeepEqual(page, want) {
		t.Errorf("got %+v, %v, want %+v", page, err, want)
	}
	if page, err := describeOne(t, `{"totalCount":0,"dataSet":null}`); err != nil || page.TotalCount != 0 || len(page.Instances) != 0 {
		t.Errorf("an empty page gives %+v, %v", page, err)
	}
}

func TestEveryFilterIsSentByItsName(t *testing.T) {
	var body map[string]any
	var action string
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		body, action = nil, r.Header.Get(HeaderAction)
		_ = json.Unmarshal(raw, &body)
		answer(200, nil, `{"requestId":"T1","response":{"totalCount":0,"dataSet":null}}`)(w, r)
	})
	ask := func(q InstanceQuery, want string) {
		t.Helper()
		if _, err := c.DescribeInstances(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(body); got != want || action != "DescribeInstances" {
			t.Errorf("%s with the body %s, want %s", action, got, want)
		}
	}
	ask(InstanceQuery{}, "map[pageNum:1 pageSize:1000]")
	ask(InstanceQuery{
		InstanceIDs: []string{"i-1"}, ZoneID: "z", ImageID: "img", State: StateRunning, Name: "web", IPv4Address: "192.0.2.1", ResourceGroupID: "rg",
		TagKeys: []string{"env"}, Tags: []Tag{{"role", "web"}}, PageSize: 7, PageNum: 3,
	}, "map[imageId:img instanceIds:[i-1] ipv4Address:192.0.2.1 name:web pageNum:3 pageSize:7 resourceGroupId:rg status:RUNNING tagKeys:[env] tags:[map[key:role value:web]] zoneId:z]")
}

func TestTagFiltersKeepToTheVersionThatHasThem(t *testing.T) {
	asked := 0
	_, server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		answer(200, nil, `{"requestId":"T1","response":{"totalCount":0,"dataSet":null}}`)(w, r)
	})
	for version, ok := range map[string]bool{"": true, "2025-09-01": true, "2024-04-01": false} {
		c := clientOf(t, Config{Endpoint: server.URL, APIVersion: version})
		for _, q := range []InstanceQuery{{Tags: []Tag{{"env", "prod"}}}, {TagKeys: []string{"env"}}} {
			asked = 0
			_, err := c.DescribeInstances(t.Context(), q)
			if ok != (err == nil) || ok != (asked == 1) {
				t.Errorf("version %q, %+v: %v, asked %d times", version, q, err, asked)
			}
			if e, is := err.(*Error); !ok && (!is || e.Class != ClassRequest || !strings.Contains(e.Error(), "set api_version to 2025-09-01")) {
				t.Errorf("version %q: %v", version, err)
			}
		}
		if _, err := c.DescribeInstances(t.Context(), InstanceQuery{Name: "web"}); err != nil {
			t.Errorf("version %q refuses another filter: %v", version, err)
		}
	}
}

func TestRowsThatNameNoInstanceSpoilThePage(t *testing.T) {
	for name, row := range map[string]string{
		"null":                   `null`,
		"no id":                  `{"instanceName":"web-1"}`,
		"an empty id":            `{"instanceId":""}`,
		"an id of two lines":     `{"instanceId":"i-1\ni-2"}`,
		"an id with a control":   `{"instanceId":"i-1\u001b[31m"}`,
		"an id that turns round": `{"instanceId":"i-1\u202e"}`,
		"an id of a page":        `{"instanceId":"` + strings.Repeat("i", 301) + `"}`,
		"an id that is a number": `{"instanceId":1}`,
		"a row that is a list":   `[]`,
		"tags that are text":     `{"instanceId":"i-1","tags":"env=prod"}`,
		"a tag that is a number": `{"instanceId":"i-1","tags":{"tags":[7]}}`,
		"a state that is none":   `{"instanceId":"i-1","status":{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			page, err := describeOne(t, `{"totalCount":2,"dataSet":[{"instanceId":"i-0"},`+row+`]}`)
			if err == nil || len(page.Instances) != 0 {
				t.Fatalf("got %+v, %v", page, err)
			}
			if e := failureOf(t, err); e.Class != ClassTransient || e.MaybeApplied {
				t.Errorf("class %s, maybe applied %v", e.Class, e.MaybeApplied)
			}
			checkText(t, err.Error())
		})
	}
	if page, err := describeOne(t, `{"totalCount":-1,"dataSet":[]}`); err == nil {
		t.Errorf("a count below zero gives %+v", page)
	}
}

func TestTextsOfAnInstanceAreFitForALogAndPassForNoOther(t *testing.T) {
	for text, want := range map[string]string{
		`web-1`:                        "web-1",
		`生产　网页`:                        "生产　网页",
		`a\u0000b`:                     "a\uFFFDb",
		`a\nb`:                         "a\uFFFDb",
		`a\u202eb`:                     "a\uFFFDb",
		strings.Repeat("x", 513):       strings.Repeat("x", 512) + "\uFFFD",
		strings.Repeat("x", 511) + `ü`: strings.Repeat("x", 511) + "\uFFFD\uFFFD",
	} {
		body := strings.ReplaceAll(`{"totalCount":1,"dataSet":[{"instanceId":"i-1","instanceName":"@","zoneId":"@","resourceGroupId":"@","instanceType":"@","tags":{"tags":[{"key":"@","value":"@"}]}}]}`, "@", text)
		page, err := describeOne(t, body)
		if err != nil {
			t.Fatal(err)
		}
		want := Instance{InstanceID: "i-1", Name: want, ZoneID: want, ResourceGroupID: want, InstanceType: want, Tags: Tags{{want, want}}}
		if got := page.Instances[0]; !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %+q, want %+q", text, got, want)
		}
	}
}
