package run

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"zecpower/batcher"
	"zecpower/internal/event"
	"zecpower/internal/power"
)

// heldAccount notes each run that is submitted, and then waits until it is let go.
type heldAccount struct {
	note func(string)
	hold chan struct{}
}

func (a heldAccount) Submit(_ context.Context, r batcher.Run) Submitted {
	a.note("submitted")
	<-a.hold
	return submitted{func(r batcher.Run) power.Report { return power.Report{RunID: r.RunID} }, r}
}

// Of runs that begin together one at a time is submitted, and all are before the first is reported.
func TestRunsThatBeginTogetherAreSubmittedBeforeAnyIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		note := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, what)
		}
		account := heldAccount{note, make(chan struct{})}
		m := New(Config{
			Account: func(string) (Account, error) { return account, nil },
			Turns:   NewTurns(),

			Emit: func(e event.Event) {
				if _, ok := e.(event.RunStarted); ok {
					note("started")
				}
			},
		})
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				m.Prepare(t.Context(), Run{ID: fmt.Sprint("wake/", i), Names: []string{"web"}, Members: fleet{"web": {"i-1"}}.members}).Make(t.Context())
			})
		}
		synctest.Wait()
		if len(order) != 1 {
			t.Errorf("at the same time: %v", order)
		}
		close(account.hold)
		all.Wait()
		if want := []string{"submitted", "submitted", "submitted", "started", "started", "started"}; !slices.Equal(order, want) {
			t.Errorf("%v", order)
		}
	})
}

// A bug in one run keeps no other from its turn.
func TestAPanicGivesItsTurnBack(t *testing.T) {
	turns := NewTurns()
	func() {
		defer func() { _ = recover() }()
		turns.take(func() { panic("injected") })
	}()
	if len(turns) != 0 {
		t.Error("the turn is still taken")
	}
}
