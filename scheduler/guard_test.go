package scheduler

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

// panicking is an observer each of whose calls panics.
type panicking struct{}

func (panicking) RunStarted(Firing)                         { panic("RunStarted") }
func (panicking) RunFinished(Firing, RunEnd, time.Duration) { panic("RunFinished") }
func (panicking) RunSuspended(Firing)                       { panic("RunSuspended") }
func (panicking) RunMissed(Missed)                          { panic("RunMissed") }
func (panicking) RunSkipped(Skipped)                        { panic("RunSkipped") }
func (panicking) ClockStepped(time.Duration)                { panic("ClockStepped") }
func (panicking) NextRun(string, time.Time)                 { panic("NextRun") }
func (panicking) LastRun(string, store.LastRun)             { panic("LastRun") }
func (panicking) StoreFailed(string, error)                 { panic("StoreFailed") }

// The decision loop outlives every call of an observer that panics, and so does each morning. The
// observer beside it is notified all the same.
func TestPanicOfAnObserverEndsThatCallAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var runs, missed int
		reported := map[string]int{}
		loop, err := New(Config{
			Schedules: []Schedule{mustSchedule(t, "web", "* * * * *"), mustSchedule(t, "off", "* * * * *", paused)},
			Prepare: ready(func(context.Context, Firing) RunEnd {
				mu.Lock()
				defer mu.Unlock()
				runs++
				return RunEnd{Result: power.ResultOK}
			}),
			Store:    forgetful{},
			Observer: Observers{panicking{}, countingStarts{&mu, &missed}},
			OnPanic: func(p *PanicError) {
				mu.Lock()
				defer mu.Unlock()
				reported[p.Value.(string)]++
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute+time.Second)
		defer cancel()
		if err := loop.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if runs != 10 || missed != 10 {
			t.Errorf("%d runs, and the other observer saw %d; want 10 of each", runs, missed)
		}
		for _, call := range []string{"RunStarted", "RunFinished", "RunSkipped", "NextRun", "LastRun"} {
			if reported[call] == 0 {
				t.Errorf("the panic of %s was not reported: %v", call, reported)
			}
		}
	})
}

// countingStarts counts the runs that start.
type countingStarts struct {
	mu *sync.Mutex
	n  *int
}

func (c countingStarts) RunStarted(Firing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.n++
}
func (countingStarts) RunFinished(Firing, RunEnd, time.Duration) {}
func (countingStarts) RunSuspended(Firing)                       {}
func (countingStarts) RunMissed(Missed)                          {}
func (countingStarts) RunSkipped(Skipped)                        {}
func (countingStarts) ClockStepped(time.Duration)                {}
func (countingStarts) NextRun(string, time.Time)                 {}
func (countingStarts) LastRun(string, store.LastRun)             {}
func (countingStarts) StoreFailed(string, error)                 {}
