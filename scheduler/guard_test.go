package scheduler

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/power"
)

// The decision loop outlives every panic of a listener, and so does each morning. The listener beside
// it has every event all the same.
func TestPanicOfAListenerEndsThatCallAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var runs, ended int
		reported := map[string]int{}
		panicking := event.Func(func(e event.Event) { panic(fmt.Sprintf("at %T", e)) })
		counting := event.Func(func(e event.Event) {
			mu.Lock()
			defer mu.Unlock()
			switch e := e.(type) {
			case event.RunFinished:
				ended++
			case event.InternalError:
				reported[e.Err.Error()[strings.LastIndex(e.Err.Error(), "."):]]++
			}
		})
		loop, err := New(Config{
			Schedules: []Schedule{mustSchedule(t, "web", "* * * * *"), mustSchedule(t, "off", "* * * * *", paused)},
			Prepare: ready(func(context.Context, Firing) RunEnd {
				mu.Lock()
				defer mu.Unlock()
				runs++
				return RunEnd{Result: power.ResultOK}
			}),
			Store: forgetful{},
			Emit:  event.Stream{panicking, counting}.Emit,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute+time.Second)
		defer cancel()
		if err := loop.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if runs != 10 || ended != 10 {
			t.Errorf("%d runs, and the other listener saw %d end; want 10 of each", runs, ended)
		}
		for _, kind := range []string{".RunFinished", ".Skipped", ".NextRun", ".LastRun"} {
			if reported[kind] == 0 {
				t.Errorf("the panic at %s was not reported: %v", kind, reported)
			}
		}
	})
}
