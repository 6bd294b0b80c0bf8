package members

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"

	"zecpower/apiclient"
)

var measureSpace = flag.Bool("members.memory", false, "measure the memory of listing 100,000 instances, not 2,000")

// writePages answers DescribeInstances for an account of n, row by row, so that it keeps nothing.
func writePages(n int, requests *atomic.Int64) http.HandlerFunc {
	const row = `{"instanceId":"i-%06[1]d","instanceName":"web-%[1]d","zoneId":"asia-east-1a","instanceType":"z2a.cpu.1","cpu":1,"memory":2,"imageId":"img","status":"STOPPED",` +
		`"publicIpAddresses":[],"privateIpAddresses":["10.0.0.1"],"createTime":"2026-01-01T00:00:00Z","resourceGroupId":"rg-prod","resourceGroupName":"prod","systemDisk":{"diskId":"d-%06[1]d","diskSize":20},` +
		`"nics":[{"nicId":"nic-%06[1]d","name":"nic","status":"USED","privateIpList":["10.0.0.1"]}],"tags":{"tags":[{"key":"env","value":"prod"},{"key":"role","value":"web"},` +
		`{"key":"team","value":"team-%[2]d"},{"key":"host","value":"host-%[1]d"},{"key":"cost-centre","value":"cc-4711"}]}}`
	return func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		var q struct{ PageNum, PageSize int }
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			panic(err)
		}
		out := bufio.NewWriter(w)
		fmt.Fprintf(out, `{"requestId":"T1","response":{"totalCount":%d,"dataSet":[`, n)
		from := min((q.PageNum-1)*q.PageSize, n)
		for i := from; i < min(from+q.PageSize, n); i++ {
			if i > from {
				out.WriteByte(',')
			}
			fmt.Fprintf(out, row, i, i%1000)
		}
		out.WriteString("]}}")
		out.Flush()
	}
}

// peakOf is the most that the heap grew by while f ran, garbage included.
func peakOf(f func()) uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() uint64 { metrics.Read(sample); return sample[0].Value.Uint64() }
	runtime.GC()
	before := heap()
	var stop atomic.Bool
	peak := make(chan uint64)
	go func() {
		most := uint64(0)
		for !stop.Load() {
			most = max(most, heap())
			time.Sleep(time.Millisecond)
		}
		peak <- most
	}()
	f()
	stop.Store(true)
	return <-peak - before
}

// A thousand teams share an account: its pages are read once, and kept once.
//
//	go test ./internal/members -run Memory -members.memory -v
func TestMemoryOfManyMembersIsThatOfTheirRows(t *testing.T) {
	n := 2000
	if *measureSpace {
		n = 100_000
	}
	var requests atomic.Int64
	server := httptest.NewServer(writePages(n, &requests))
	defer server.Close()
	c := client(t, nil, server.URL)
	defer c.Close()
	l, err := NewLister(c.DescribeInstances, 8)
	if err != nil {
		t.Fatal(err)
	}
	var groups []*Group
	for i := range 1000 {
		groups = append(groups, group(t, Rules{Selector: Selector{Tags: map[string][]string{"env": {"prod"}, "team": {fmt.Sprint("team-", i)}}}}))
	}
	began, found := time.Now(), 0
	peak := peakOf(func() {
		for i, listing := range l.List(t.Context(), groups) {
			if listing.Err != nil {
				t.Error(listing.Err)
			}
			found += len(groups[i].Members(listing))
		}
	})
	t.Logf("%d members of 1,000 groups with %d requests in %s, peak %d MB", found, requests.Load(), time.Since(began).Round(time.Millisecond), peak>>20)
	if found != n || int(requests.Load()) != n/apiclient.MaxPageSize || peak > 100<<20 {
		t.Errorf("%d members with %d requests and %d MB", found, requests.Load(), peak>>20)
	}
}
