package apiclient

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"
)

// piecewise is a page that cannot be read in one pass.
type piecewise pageResponse[InstanceStatus]

// A page that is read in one pass is what it is when it is read piece by piece.
func TestAPageReadInOnePassIsThatReadPieceByPiece(t *testing.T) {
	for body, quick := range map[string]bool{
		`{"requestId":"T\n1","response":{"totalCount":2,"dataSet":[{"instanceId":"i-1","instanceStatus":"RUNNING"},{"instanceId":"i-2"}]}}`: true,
		`{"requestId":"T1","response":{"requestId":"T2","dataSet":[null]}}`:                                                                 true,
		`{"requestId":"T1","code":"","message":"","response":{"TOTALCOUNT":1,"dataset":[{}]}}`:                                              true,
		`{"requestId":"T1","response":{"totalCount":0,"dataSet":[]}}`:                                                                       false,
		`{"requestId":"T1","response":{"totalCount":0,"dataSet":null}}`:                                                                     false,
		`{"requestId":"T1","code":"AUTHFAILURE","response":{"totalCount":1,"dataSet":[{"instanceId":"i-1"}]}}`:                              false,
		`{"requestId":"T1","message":7,"response":{"totalCount":1,"dataSet":[{"instanceId":"i-1"}]}}`:                                       false,
		`{"requestId":"T1","response":{"totalCount":1,"dataSet":[{"instanceId":7}]}}`:                                                       false,
		`{"requestId":"T1","response":[]}`:                                                                                                  false,
		`{"requestId":"T1","response":{"totalCount":1,"dataSet":[{"instanceId":"i-1"}]}`:                                                    false,
	} {
		var fast pageResponse[InstanceStatus]
		var slow piecewise
		if _, ok := new(pageResponse[InstanceStatus]).readQuickly([]byte(body)); ok != quick {
			t.Errorf("%s: read in one pass: %v", body, ok)
		}
		r := reply{status: http.StatusOK, header: http.Header{}, body: []byte(body)}
		id, err := r.decode(ActionDescribeInstancesStatus, false, time.Now(), &fast)
		wantID, want := r.decode(ActionDescribeInstancesStatus, false, time.Now(), &slow)
		if id != wantID || (err == nil) != (want == nil) || !reflect.DeepEqual(fast, pageResponse[InstanceStatus](slow)) {
			t.Errorf("%s: %q %v %+v, want %q %v %+v", body, id, err, fast, wantID, want, slow)
		}
	}
}

// BenchmarkPage reads a full page of 1,000 instances.
//
//	go test ./apiclient -run '^$' -bench Page
func BenchmarkPage(b *testing.B) {
	body := []byte(`{"requestId":"T1","response":{"totalCount":1000,"dataSet":[`)
	for i := range 1000 {
		body = fmt.Appendf(body, `{"instanceId":"i-%06d","instanceStatus":"RUNNING"},`, i)
	}
	body = append(body[:len(body)-1], "]}}"...)
	r := reply{status: http.StatusOK, header: http.Header{}, body: body}
	for name, out := range map[string]any{
		"quickly": &pageResponse[InstanceStatus]{}, "piecewise": &piecewise{},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.decode(ActionDescribeInstancesStatus, false, time.Now(), out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
