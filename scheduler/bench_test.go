package scheduler

import (
	"context"
	"fmt"
	"testing"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/store"
)

func unheard(event.Event) {}

type forgetful struct{ store.Store }

func (forgetful) Load(context.Context, time.Time) (store.State, error) { return store.State{}, nil }
func (forgetful) Claim(context.Context, store.Round) ([]string, error) { return nil, nil }
func (forgetful) Finish(context.Context, store.Run, store.End) error   { return nil }

// handClock is moved by hand, wall and monotonic part together.
type handClock struct{ reading Reading }

func (c *handClock) Read() Reading { return c.reading }

func (c *handClock) move(d time.Duration) {
	c.reading.Wall = c.reading.Wall.Add(d)
	c.reading.Monotonic += d
}

func benchLoop(b *testing.B, spec string) (*Loop, *handClock) {
	b.Helper()
	schedules := make([]Schedule, 10_000)
	for i := range schedules {
		schedules[i] = mustSchedule(b, fmt.Sprint("s-", i), spec)
	}
	clock := &handClock{Reading{Wall: at("05 00:00")}}
	loop, err := New(Config{
		Schedules: schedules, Store: forgetful{}, Emit: unheard, Clock: clock,
		Prepare: ready(func(context.Context, Firing) RunEnd { return RunEnd{Result: power.ResultOK} }),
	})
	if err != nil {
		b.Fatal(err)
	}
	loop.runs = b.Context()
	loop.round()
	return loop, clock
}

// BenchmarkRoundAllDue is a round in which 10,000 schedules fire at once, up to
// the moment that all their runs have been started and have ended.
func BenchmarkRoundAllDue(b *testing.B) {
	loop, clock := benchLoop(b, "45 7 * * MON-FRI")
	for b.Loop() {
		next, _ := loop.queue.first()
		clock.move(next.Sub(clock.reading.Wall))
		loop.previous = clock.reading
		loop.round()
		for loop.active > 0 {
			loop.finished(<-loop.ends)
		}
	}
}

// BenchmarkRoundIdle is a heartbeat at which none of 10,000 schedules is due.
func BenchmarkRoundIdle(b *testing.B) {
	loop, clock := benchLoop(b, "45 7 1 1 *")
	for b.Loop() {
		clock.move(time.Microsecond)
		loop.round()
	}
}
