package members

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
)

func shared(t *testing.T, a *account) *Shared {
	t.Helper()
	l, err := NewLister(a.describe, 4)
	if err != nil {
		t.Fatal(err)
	}
	return NewShared(l)
}

func TestRunsThatComeTogetherShareTheAccountsPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{took: 50 * time.Millisecond}
		var groups []*Group
		for i := range 1000 {
			name := fmt.Sprintf("t%04d", i)
			a.rows = append(a.rows, team(name, 20)...)
			groups = append(groups, ofTeam(t, name))
		}
		s := shared(t, a)
		var runs sync.WaitGroup
		for i, g := range groups {
			runs.Go(func() {
				time.Sleep(time.Duration(i/10) * time.Millisecond) // ten in a millisecond
				if got := s.List(t.Context(), []*Group{g})[0].members(t, g); len(got) != 20 {
					t.Errorf("group %d has %d members", i, len(got))
				}
			})
		}
		runs.Wait()
		if len(a.asked) > 20 {
			t.Errorf("%d requests, and the account has 20 pages", len(a.asked))
		}
	})
}

func TestARunThatComesAloneWaitsForNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{rows: team("a", 20), took: 50 * time.Millisecond}
		g, begun := ofTeam(t, "a"), time.Now()
		shared(t, a).List(t.Context(), []*Group{g})
		if took := time.Since(begun); took > 75*time.Millisecond {
			t.Errorf("it took %v for a request of 50 ms", took)
		}
	})
}

func TestWhatComesWhileListsAreReadGoesTogetherNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{rows: slices.Concat(team("a", 20), team("b", 20)), took: 3 * time.Second}
		s := shared(t, a)
		var runs sync.WaitGroup
		for i := range 9 {
			runs.Go(func() {
				time.Sleep(time.Duration(i) * 300 * time.Millisecond)
				g := ofTeam(t, "b")
				if got := s.List(t.Context(), []*Group{g})[0].members(t, g); len(got) != 20 {
					t.Errorf("run %d sees %d members", i, len(got))
				}
			})
		}
		runs.Wait()
		if len(a.asked) != 2 {
			t.Errorf("%d requests, want one for the first and one for all others", len(a.asked))
		}
	})
}

func TestARunThatEndsLeavesTheListsToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{rows: team("a", 20), took: time.Minute}
		s, g := shared(t, a), ofTeam(t, "a")
		stopped := errors.New("stopped")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, stopped)
		defer cancel()
		var other Listing
		var runs sync.WaitGroup
		runs.Go(func() { other = s.List(t.Context(), []*Group{g})[0] })
		begun := time.Now()
		if err := s.List(ctx, []*Group{g})[0].Err; !errors.Is(err, stopped) || time.Since(begun) != time.Second {
			t.Errorf("it ended with %v after %v", err, time.Since(begun))
		}
		runs.Wait()
		if got := other.members(t, g); len(got) != 20 {
			t.Errorf("the other sees %d members", len(got))
		}
	})
}

func TestListsThatNoRunWaitsForAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended time.Time
		s, err := NewLister(func(ctx context.Context, _ apiclient.InstanceQuery) (apiclient.InstancePage, error) {
			<-ctx.Done()
			ended = time.Now()
			return apiclient.InstancePage{}, ctx.Err()
		}, 1)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		NewShared(s).List(ctx, []*Group{ofTeam(t, "a")})
		synctest.Wait()
		if ended.Sub(begun) != time.Second {
			t.Errorf("its request ended after %v", ended.Sub(begun))
		}
	})
}

// A list of a moment ago is not read again, one of more than a second ago is; nothing is kept longer.
func TestWhatComesWithinASecondUsesTheSameList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{rows: slices.Concat(team("a", 20), team("b", 20)), took: 50 * time.Millisecond}
		l, err := NewLister(a.describe, 4)
		if err != nil {
			t.Fatal(err)
		}
		s := NewShared(l)
		both, one := []*Group{ofTeam(t, "a"), ofTeam(t, "b")}, []*Group{ofTeam(t, "b")}
		s.List(t.Context(), both) // the account's page
		time.Sleep(800 * time.Millisecond)
		if got := s.List(t.Context(), one)[0].members(t, one[0]); len(got) != 20 || len(a.asked) != 1 {
			t.Errorf("%d members after %d requests, want 20 after 1", len(got), len(a.asked))
		}
		time.Sleep(300 * time.Millisecond)
		if s.List(t.Context(), one); len(a.asked) != 2 {
			t.Errorf("%d requests, want one more for what is older than a second", len(a.asked))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(s.recent.lists) != 0 || s.busy {
			t.Errorf("%d lists are kept, busy: %v", len(s.recent.lists), s.busy)
		}
	})
}
