package event

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/internal/power"
)

// stuck takes nothing until it is released.
type stuck struct {
	released chan struct{}
	events   []Event
}

func (s *stuck) Receive(e Event) {
	<-s.released
	s.events = append(s.events, e)
}

// While its listener is stuck, a queue makes no emitter wait and stays bounded: it merges and drops
// progress, then drops outcomes and counts them. The ends of runs all come, in order.
func TestAStuckListenerCostsWhatMattersLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stuck{released: make(chan struct{})}
		q := NewQueue(s)
		begun, results := time.Now(), make([]power.InstanceResult, 100)
		const runs, batches = 50, 10
		for i := range runs {
			run := Run{ID: fmt.Sprint("wake/", i)}
			for k := range batches {
				q.Receive(Progressed{Run: run, Progress: Progress{Final: k}})
				q.Receive(Final{Run: run, Results: results})
			}
			q.Receive(RunFinished{Run: run})
		}
		if time.Since(begun) != 0 {
			t.Errorf("the emitter waited %s", time.Since(begun))
		}
		if q.size > queueLimit+100+runs {
			t.Errorf("%d wait, at most %d may", q.size, queueLimit)
		}
		close(s.released)
		q.Close()
		ends, kept, dropped := 0, 0, 0
		progress := map[string]Progress{}
		for _, e := range s.events {
			switch e := e.(type) {
			case RunFinished:
				if e.Run.ID != fmt.Sprint("wake/", ends) {
					t.Fatalf("the end of %s came as number %d", e.Run.ID, ends)
				}
				ends++
			case Final:
				kept += len(e.Results)
			case Dropped:
				dropped += e.Results
			case Progressed:
				if e.Run.ID != "wake/0" && progress[e.Run.ID] != (Progress{}) {
					t.Errorf("%s: progress came twice", e.Run.ID)
				}
				progress[e.Run.ID] = e.Progress
			}
		}
		if ends != runs || dropped == 0 || kept+dropped != runs*batches*100 {
			t.Errorf("%d ends, %d results kept and %d dropped of %d", ends, kept, dropped, runs*batches*100)
		}
		if len(progress) == runs || progress["wake/1"] != (Progress{Final: batches - 1}) {
			t.Errorf("progress of %d runs, of the second %+v; want the newest, and none of the last runs", len(progress), progress["wake/1"])
		}
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stuck{released: make(chan struct{})}
		q, begun := NewQueue(s), time.Now()
		q.Receive(ClockStepped{})
		q.Close()
		if took := time.Since(begun); took != queueClose {
			t.Errorf("Close took %s", took)
		}
		close(s.released)
		q.Close()
		if len(s.events) != 1 {
			t.Errorf("%d events came", len(s.events))
		}
		q.Close() // nothing waits
	})
}
