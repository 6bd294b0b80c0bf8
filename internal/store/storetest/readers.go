package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
	"zecpower/internal/store"
)

func testHistoryBounds(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, _ := open(t, newPlace)
	r := runOf("wake", morning)
	claim(t, s, r)
	results := make([]power.InstanceResult, 300)
	for i := range results {
		results[i] = failed(fmt.Sprintf("i-%03d", i))
	}
	must(t, s.Finish(bg, r, endOf(r, results...)))
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if _, err := s.History(ctx, store.Query{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that has left: %v", err)
	}
	if _, err := s.History(bg, store.Query{Limit: store.MaxLimit + 1}); err == nil {
		t.Error("a limit that is too large was taken")
	}
	g := history(t, s, store.Query{})[0].Results[0]
	if len(g.Failures) != store.DefaultMaxFailures || g.Omitted != len(results)-store.DefaultMaxFailures {
		t.Errorf("%d failures listed, %d omitted", len(g.Failures), g.Omitted)
	}
	if entries := history(t, s, store.Query{Schedule: "unheard-of"}); entries == nil || len(entries) != 0 {
		t.Errorf("nothing is %#v", entries)
	}
}

// write makes the store grow by some 100 KB.
func write(s store.Store, r store.Run, request int) error {
	return accept(bg, s, r.ID, fmt.Sprint(request), fleetIDs(5000)...)
}

// testReaders reads the history all the time, beside writes.
func testReaders(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, _ := open(t, newPlace)
	var results []power.InstanceResult
	for i, id := range fleetIDs(2000) {
		if i%3 == 0 {
			results = append(results, failed(id))
			continue
		}
		results = append(results, powertest.Started(id))
	}
	for i := range 60 {
		r := runOf("wake", morning.Add(time.Duration(i)*time.Hour))
		claim(t, s, r)
		must(t, s.Finish(bg, r, endOf(r, results...)))
	}
	ctx, stop := context.WithCancel(bg)
	ended := make(chan error)
	for _, q := range []store.Query{{Limit: store.MaxLimit}, {Instance: results[77].InstanceID}} {
		go func() {
			for ctx.Err() == nil {
				if _, err := s.History(ctx, q); err != nil && !errors.Is(err, context.Canceled) {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
	}
	r := runOf("wake", morning.Add(-time.Hour))
	claim(t, s, r)
	for i := range 40 {
		if err := write(s, r, i); err != nil {
			t.Errorf("write %d: %v", i, err)
		}
	}
	stop()
	must(t, errors.Join(<-ended, <-ended))
}

// testLongReader makes writes while one read goes on.
func testLongReader(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, p := open(t, newPlace)
	if p.HoldRead == nil {
		return // a server's readers hold nothing that a write needs
	}
	r := runOf("wake", morning)
	claim(t, s, r)
	p.HoldRead(t, s, func() {
		for i := range 40 {
			if err := write(s, r, i); err != nil {
				t.Fatalf("write %d beside a reader: %v", i, err)
			}
		}
	})
	if done, err := s.Progress(bg, r.ID); err != nil || done.Requests["web"] != 40 {
		t.Errorf("%d requests, %v", done.Requests["web"], err)
	}
}
