package zecsim

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
)

// caller is a client of its own: it signs as the reference says, with none of apiclient's code, so
// that the two are held against one another.
type caller struct {
	t       *testing.T
	http    *http.Client
	base    string // scheme and host
	id, key string
	token   string
	timeout time.Duration // of one request; 0 is 30 s
	tweak   func(*http.Request)
}

// answer is a reply as it came.
type answer struct {
	status int
	header http.Header
	raw    []byte
	err    error // no reply, or a broken one

	RequestID string `json:"requestId"`
	Code      string `json:"code"`
	Message   string `json:"message"`
	Response  struct {
		RequestID   string   `json:"requestId"`
		InstanceIDs []string `json:"instanceIds"`
		TotalCount  int      `json:"totalCount"`
		DataSet     []struct {
			InstanceID     string    `json:"instanceId"`
			InstanceStatus string    `json:"instanceStatus"`
			Status         string    `json:"status"`
			InstanceName   string    `json:"instanceName"`
			InstanceType   string    `json:"instanceType"`
			Tags           *wireTags `json:"tags"`
		} `json:"dataSet"`
	} `json:"response"`
}

// inBubble runs f against a simulator over in-memory connections and bubble time.
func inBubble(t *testing.T, o Options, f func(t *testing.T, s *Simulator, c *caller)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		dial, shut := s.Pipe()
		tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
		defer shut()
		defer tr.CloseIdleConnections()
		f(t, s, &caller{t: t, http: &http.Client{
			Transport:     tr,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}, base: "http://sim.test", id: "demo", key: "demo"})
	})
}

func (c *caller) request(ctx context.Context, action, body string) *http.Request {
	c.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/api/v2/zec", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-ZC-Action", action)
	req.Header.Set("X-ZC-Version", "2025-09-01")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	} else {
		c.sign(req, body, time.Now())
	}
	if c.tweak != nil {
		c.tweak(req)
	}
	return req
}

// sign signs content type, host and any further headers, step by step as the reference describes
// it.
func (c *caller) sign(req *http.Request, body string, at time.Time, more ...string) {
	timestamp := fmt.Sprint(at.Unix())
	req.Header.Set("X-ZC-Timestamp", timestamp)
	req.Header.Set("X-ZC-Signature-Method", "ZC2-HMAC-SHA256")
	names := append([]string{"content-type", "host"}, more...)
	sort.Strings(names)
	canonical := ""
	for _, name := range names {
		value := req.Header.Get(name)
		if name == "host" {
			value = req.URL.Host
		}
		canonical += name + ":" + strings.ToLower(strings.TrimSpace(value)) + "\n"
	}
	sum := func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	request := strings.Join([]string{"POST", "/", "", canonical, strings.Join(names, ";"), sum(body)}, "\n")
	mac := hmac.New(sha256.New, []byte(c.key))
	io.WriteString(mac, strings.Join([]string{"ZC2-HMAC-SHA256", timestamp, sum(request)}, "\n"))
	req.Header.Set("Authorization", fmt.Sprintf("ZC2-HMAC-SHA256 Credential=%s, SignedHeaders=%s, Signature=%x",
		c.id, strings.Join(names, ";"), mac.Sum(nil)))
}

// call sends one request and reads the reply to its end.
func (c *caller) call(action, body string) answer {
	c.t.Helper()
	timeout := c.timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return c.do(c.request(ctx, action, body))
}

func (c *caller) do(req *http.Request) answer {
	res, err := c.http.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header}
	a.raw, a.err = io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if a.err == nil && len(a.raw) == 1<<20 {
		a.err = errors.New("too much")
	}
	if a.err == nil {
		a.err = json.Unmarshal(a.raw, &a)
	}
	return a
}

func (c *caller) start(ids ...string) answer {
	c.t.Helper()
	return c.call("StartInstances", idsBody(ids, ""))
}

func (c *caller) stop(more string, ids ...string) answer {
	c.t.Helper()
	return c.call("StopInstances", idsBody(ids, more))
}

// state asks for one instance's state, "" where it does not exist.
func (c *caller) state(id string) string {
	c.t.Helper()
	a := c.call("DescribeInstancesStatus", idsBody([]string{id}, `,"pageSize":100`))
	if a.err != nil || a.status != 200 {
		c.t.Fatalf("describing %s: HTTP %d %s %v", id, a.status, a.Code, a.err)
	}
	if len(a.Response.DataSet) == 0 {
		return ""
	}
	return a.Response.DataSet[0].InstanceStatus
}

func idsBody(ids []string, more string) string {
	list, _ := json.Marshal(ids)
	return `{"instanceIds":` + string(list) + more + `}`
}

// want fails unless a reply has this status and code.
func (a answer) want(t *testing.T, status int, code apiclient.Code) {
	t.Helper()
	if a.err != nil || a.status != status || a.Code != string(code) {
		t.Fatalf("got HTTP %d %q, error %v, body %.200q; want HTTP %d %q", a.status, a.Code, a.err, a.raw, status, code)
	}
}

func spec(specs ...InstanceSpec) Options { return Options{Fleet: specs} }
