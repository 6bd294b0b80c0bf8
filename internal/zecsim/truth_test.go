package zecsim

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"zecpower/apiclient"
)

func TestTruthCountsWhatArrived(t *testing.T) {
	o := Options{Instances: 30, Overrides: map[int]InstanceSpec{1: {State: StateMissing}, 2: {State: "RECYCLE"}}, Boot: boot3s}
	var ended []RequestRecord
	o.OnRequest = func(r RequestRecord) { ended = append(ended, r) }
	inBubble(t, o, func(t *testing.T, s *Simulator, c *caller) {
		c.start("i-000000").want(t, 200, "")
		c.start("i-000001").want(t, 404, apiclient.CodeInstanceNotFound)
		c.call("MakeCoffee", "{}").want(t, 400, codeInvalidAction)
		c.call("DescribeInstances", "{}").want(t, 200, "")
		time.Sleep(3 * time.Second)
		got := s.Truth()
		if got.Requests != 4 || got.ByAction["StartInstances"] != 2 || got.ByAction[""] != 1 || got.ByStatus[200] != 2 || got.Malformed != 1 {
			t.Errorf("truth is %+v", got)
		}
		if fmt.Sprint(got.ByState) != "map[RECYCLE:1 RUNNING:1 STOPPED:27]" || got.Instances != 29 || got.AcceptedStarts != 1 {
			t.Errorf("truth is %+v", got)
		}
		if len(ended) != 4 || ended[0].Action != "StartInstances" || ended[0].Accepted != 1 || !ended[0].Applied || ended[1].Applied || ended[3].N != 4 {
			t.Errorf("records are %+v", ended)
		}
		if len(s.Requests()) != 0 {
			t.Error("requests are kept though the options do not say so")
		}
		if _, ok := s.Instance("i-000030"); ok {
			t.Error("there is truth about an instance outside the fleet")
		}
		if in, ok := s.Instance("i-000001"); !ok || in.State != StateMissing || in.Startable {
			t.Errorf("the missing one is %+v", in)
		}
	})
}

func TestMostRequestsInAnySecond(t *testing.T) {
	for name, tc := range map[string]struct {
		pauses []time.Duration // before each request
		want   int
	}{
		"a second apart":            {[]time.Duration{0, time.Second, time.Second}, 1},
		"just less than a second":   {[]time.Duration{0, 999 * time.Millisecond, 999 * time.Millisecond}, 2},
		"a burst over two seconds":  {[]time.Duration{600 * time.Millisecond, 300 * time.Millisecond, 300 * time.Millisecond, 300 * time.Millisecond}, 4},
		"a burst and a long pause":  {[]time.Duration{0, 0, 0, time.Minute}, 3},
		"five a second, evenly":     {[]time.Duration{0, 200e6, 200e6, 200e6, 200e6, 200e6, 200e6}, 5},
		"nothing but one, for once": {[]time.Duration{0}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Instances: 1}, func(t *testing.T, s *Simulator, c *caller) {
				for _, pause := range tc.pauses {
					time.Sleep(pause)
					c.call("DescribeInstances", "{}")
				}
				if got := s.Truth().MaxPerSecond; got != tc.want {
					t.Errorf("%d, want %d", got, tc.want)
				}
			})
		})
	}
}

func TestPeakConcurrency(t *testing.T) {
	inBubble(t, Options{Instances: 1, Latency: Latency{Fixed: time.Second}}, func(t *testing.T, s *Simulator, c *caller) {
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				time.Sleep(time.Duration(i/6) * time.Minute)
				c.call("DescribeInstances", "{}")
			})
		}
		wg.Wait()
		if got := s.Truth().PeakConcurrency; got != 6 {
			t.Errorf("peak concurrency is %d, want 6", got)
		}
	})
}

func TestLostRequestsThatBreakTheRulesAreCountedToo(t *testing.T) {
	inBubble(t, withFault(Fault{Kind: FaultLostBefore}), func(t *testing.T, s *Simulator, c *caller) {
		c.start("i-000000", "i-000000")
		if got := s.Truth(); got.Malformed != 1 || s.Requests()[0].IDs != 2 {
			t.Errorf("truth is %+v", got)
		}
	})
}

func TestLargeFleetCostsLittle(t *testing.T) {
	const n = 200_000
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	inBubble(t, Options{Instances: n, Boot: boot3s}, func(t *testing.T, s *Simulator, c *caller) {
		if grown := (heap() - before) >> 20; grown > 40 {
			t.Errorf("%d instances take %d MiB", n, grown)
		}
		ids := make([]string, 100)
		for first := 0; first < n; first += 100 * 100 {
			for i := range ids {
				ids[i] = InstanceID(first + i)
			}
			c.start(ids...).want(t, 200, "")
		}
		time.Sleep(time.Minute)
		if got := s.Truth().ByState["RUNNING"]; got != n/100 {
			t.Errorf("%d are running, want %d", got, n/100)
		}
		runtime.KeepAlive(s)
	})
}

func TestClockThatGoesBackDoesNotUndoAnything(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, err := New(Options{Instances: 1, Boot: boot3s, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	s.fleet.instances[0].start(s.tick(), 0)
	now = now.Add(time.Hour)
	first, _ := s.Instance("i-000000")
	now = now.Add(-2 * time.Hour)
	again, _ := s.Instance("i-000000")
	if first.State != "RUNNING" || again.State != "RUNNING" {
		t.Errorf("first %s, after the step back %s", first.State, again.State)
	}
}

func BenchmarkDescribeOf100(b *testing.B) {
	o := Options{Instances: 200_000, Boot: boot3s}
	s, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = InstanceID(i)
	}
	body := []byte(idsBody(ids, `,"pageSize":100`))
	for b.Loop() {
		x := &exchange{}
		x.record.Action = apiclient.ActionDescribeInstancesStatus
		x.readIDs(body)
		s.decideFate(x, body)
		if a := s.judge(x, body); a.status != 200 {
			b.Fatal(a)
		}
	}
}
