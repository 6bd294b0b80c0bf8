package apiclient

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// Whatever comes back, a reply is either read or an error with a class, and
// nothing of it can break a line of a log.
//
//	go test ./apiclient -run '^$' -fuzz FuzzDecodeReply -fuzztime 2m
func FuzzDecodeReply(f *testing.F) {
	for _, body := range []string{
		`{"requestId":"T1","response":{"instanceIds":["i-1"]}}`,
		`{"requestId":"T1","response":{"totalCount":1,"dataSet":[{"instanceId":"i-1","instanceStatus":"RUNNING"}]}}`,
		`{"requestId":"T1","response":{"totalCount":2,"dataSet":[{"instanceId":"i-1","instanceName":"a\u0000b","tags":{"tags":[{"key":"\n"}]}},null]}}`,
		`{"requestId":"T1","response":{"totalCount":-1,"dataSet":[{"instanceId":"i-1","tags":[{"key":"k","value":"v"}],"instanceType":null}]}}`,
		`{"requestId":"T1","code":"REQUEST_LIMIT_EXCEEDED","message":"slow\ndown"}`,
		`{"requestId":"T1","code":"RESOURCE_INSUFFICIENT_PRODUCT_SOLD_OUT"}`, `{"requestId":"T1","response":{"totalCount":0,"dataSet":null}}`,
		`<!DOCTYPE html><html><title>Just a moment...</title>`, `{"message":"Forbidden"}`, "%PDF-1.4", "HTTP/1.1 200 OK\r\n\r\n{}",
		`<html>`, ``, `null`, `{}`, `[]`, `{"response":{}}`, `{"code":7}`, "\xff\xfe", `{"response":{"totalCount":1e99}}`,
	} {
		for _, status := range []int{200, 202, 302, 400, 401, 403, 407, 413, 429, 451, 500, 530} {
			f.Add(status, []byte(body), "3", "Mon, 23 Nov 2026 07:45:00 GMT", "challenge", "text/html", true)
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, retryAfter, date, mitigated, contentType string, mutating bool) {
		r := reply{status: status, body: body, header: http.Header{"Retry-After": {retryAfter}, "Date": {date}, "Cf-Mitigated": {mitigated}, "Content-Type": {contentType}}}
		var power powerResponse
		id, err := r.decode(ActionStartInstances, mutating, time.Now(), &power)
		checkText(t, id)
		if err != nil {
			checkError(t, err.(*Error), mutating, status)
		}
		var page pageResponse[InstanceStatus]
		if _, err := r.decode(ActionDescribeInstancesStatus, false, time.Now(), &page); err != nil {
			checkError(t, err.(*Error), false, status)
		}
		checkInstances(t, r)
	})
}

// checkInstances reads a reply to DescribeInstances: its rows are fit for a log and name an instance,
// or it is refused.
func checkInstances(t *testing.T, r reply) {
	t.Helper()
	var page pageResponse[Instance]
	if _, err := r.decode(ActionDescribeInstances, false, time.Now(), &page); err != nil {
		checkError(t, err.(*Error), false, r.status)
		return
	}
	for _, row := range page.DataSet.items {
		if !row.clean() {
			continue
		}
		if row.InstanceID == "" {
			t.Error("a row without an id was taken")
		}
		checkText(t, row.InstanceID)
		checkText(t, string(row.State))
		texts := []string{row.Name, row.ZoneID, row.InstanceType, row.ResourceGroupID}
		for _, tag := range row.Tags {
			texts = append(texts, tag.Key, tag.Value)
		}
		for _, s := range texts {
			// 512 bytes, each of which may have become a U+FFFD of three, and one more for the cut
			if len(s) > 3*maxText+3 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				t.Errorf("not fit for a log: %q", s)
			}
		}
	}
}

func checkError(t *testing.T, e *Error, mutating bool, status int) {
	t.Helper()
	switch {
	case !slices.Contains(Classes(), e.Class):
		t.Errorf("class %q", e.Class)
	case e.HTTPStatus != status:
		t.Errorf("status %d, want %d", e.HTTPStatus, status)
	case e.MaybeApplied && !mutating, e.Class == ClassAmbiguous && !e.MaybeApplied, e.MaybeApplied && e.Class != ClassAmbiguous && e.Class != ClassTransient:
		t.Errorf("class %s, maybe applied %v, mutating %v", e.Class, e.MaybeApplied, mutating)
	case status == http.StatusOK && mutating && e.Class == ClassTransient && !e.MaybeApplied && e.Code == "":
		t.Error("a 200 that says nothing counts as not applied")
	case !e.FromAPI() && (e.Class == ClassInstance || e.Class == ClassUnknown || e.Class == ClassCredentials):
		t.Errorf("class %s without the envelope", e.Class)
	case status/100 == 4 && !e.FromAPI() && e.MaybeApplied:
		t.Error("a station kept the request back, and it counts as maybe applied")
	case e.RetryAfter < 0 || e.RetryAfter > maxRetryAfter:
		t.Errorf("retry after %s", e.RetryAfter)
	}
	checkText(t, e.Error())
}

func checkText(t *testing.T, s string) {
	t.Helper()
	if len(s) > 4*maxMessage || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("not fit for a log: %q", s)
	}
}
