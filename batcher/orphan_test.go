package batcher

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// slowSome is an account whose starts of some ids take long.
type slowSome struct {
	*fakeAPI
	takes func(ids []string) time.Duration
}

func (s slowSome) StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error) {
	time.Sleep(s.takes(ids))
	return s.fakeAPI.StartInstances(ctx, ids)
}

// A run ends while its instances wait in a request that they share with another run's. The request
// leaves without them. While it is in flight a later run asks for them: they are sent for that one, and
// no work is left of the first.
func TestInstancesThatLeftARequestUnsentAreSentForALaterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI([]string{"a-1", "a-2", "a-3", "a-4", "b-1", "b-2"})
		api.states["b-1"] = apiclient.StateRunning
		api.onStart = func(_ int, ids []string) ([]string, error, bool) {
			if slices.Contains(ids, "b-1") {
				return nil, refusal(apiclient.ClassInstance, 403, apiclient.CodeInstanceNotStopped), true
			}
			return nil, nil, false
		}
		cfg := testConfig(slowSome{api, func(ids []string) time.Duration {
			switch {
			case slices.Contains(ids, "a-3"): // keeps the first run from its end
				return time.Second
			case slices.Equal(ids, []string{"b-2"}): // what is left of the shared request
				return 5 * time.Second
			}
			return 0
		}}, 10)
		cfg.Size = 4
		a := newAccountOf(t, cfg)
		run := func(id string, ids ...string) Run {
			return Run{RunID: id, Action: power.ActionStart, Deadline: time.Now().Add(30 * time.Minute), Groups: []Group{{Name: "web", IDs: ids}}}
		}
		round := Gather(2)
		first, other := run("first", "a-1", "a-2", "a-3", "a-4"), run("other", "b-1", "b-2")
		first.Gathering, other.Gathering = round, round
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan power.Report, 2)
		go func() { ended <- a.Run(ctx, first) }()
		go func() { ended <- a.Run(t.Context(), other) }()
		time.Sleep(75 * time.Millisecond) // the shared request was refused, and is described
		cancel()
		time.Sleep(2 * time.Second)
		begun := time.Now()
		later := a.Run(t.Context(), run("later", "a-1", "a-2"))
		if got := listing(later); later.Groups[0].Done != 2 {
			t.Errorf("%s", got)
		}
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		<-ended
		<-ended
		checkIdle(t, a)
	})
}
