package apiclient

import (
	"net/http"
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
		`{"requestId":"T1","code":"REQUEST_LIMIT_EXCEEDED","message":"slow\ndown"}`,
		`<html>`, ``, `null`, `{}`, `[]`, `{"response":{}}`, `{"code":7}`, "\xff\xfe", `{"response":{"totalCount":1e99}}`,
	} {
		for _, status := range []int{200, 202, 302, 400, 403, 429, 500} {
			f.Add(status, []byte(body), "3", "Mon, 23 Nov 2026 07:45:00 GMT", true)
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, retryAfter, date string, mutating bool) {
		r := reply{status: status, body: body, header: http.Header{"Retry-After": {retryAfter}, "Date": {date}}}
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
	})
}

func checkError(t *testing.T, e *Error, mutating bool, status int) {
	t.Helper()
	known := map[Class]bool{ClassThrottled: true, ClassTransient: true, ClassAmbiguous: true, ClassInstance: true, ClassCredentials: true, ClassRequest: true}
	switch {
	case !known[e.Class]:
		t.Errorf("class %q", e.Class)
	case e.HTTPStatus != status:
		t.Errorf("status %d, want %d", e.HTTPStatus, status)
	case e.MaybeApplied && !mutating, e.Class == ClassAmbiguous && !e.MaybeApplied:
		t.Errorf("class %s, maybe applied %v, mutating %v", e.Class, e.MaybeApplied, mutating)
	case status == http.StatusOK && mutating && e.Class == ClassTransient && !e.MaybeApplied && e.Code == "":
		t.Error("a 200 that says nothing counts as not applied")
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
