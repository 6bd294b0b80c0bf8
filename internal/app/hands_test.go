package app

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// quietWorld is a world of three healthy instances that are RUNNING, as the group web, in which nothing
// happens by itself.
func quietWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.sizes, w.clouds, w.acts, w.armed, w.slow, w.hands = []int{3}, w.clouds[:1], nil, nil, nil, nil
		w.plan.accounts = w.plan.accounts[:1]
		w.plan.groups = []groupPlan{{name: "web", ids: []string{instanceID(0, 0), instanceID(0, 1), instanceID(0, 2)}}}
		w.plan.schedules = []schedulePlan{{name: "night", minutes: []int{59}, action: power.ActionStop, groups: []string{"web"}, overlap: "skip", deadline: time.Hour}}
		c := w.clouds[0]
		c.faults, c.machines = nil, map[string]*machine{}
		for _, id := range w.plan.groups[0].ids {
			c.machines[id] = &machine{fell: map[power.Action]int{}, history: []moment{{time.Now(), apiclient.StateRunning}}}
		}
		c.serve()
		defer c.close()
		pass(time.Until(w.base))
		w.boot(false)
		defer w.stop()
		synctest.Wait()
		test(w)
	})
}

// pass lets time go by, and what happens in it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// order asks the process that is alive, and waits until it is claimed.
func (w *world) order(o Order) (*handRun, error) {
	of, err := w.process.daemon.hands.order(o, alice)
	if err != nil {
		return nil, err
	}
	<-of.claimed
	return of, of.refused
}

// A forced stop whose request is lost with its process cuts the power in the next one, too.
func TestAForcedStopIsResumedAsOne(t *testing.T) {
	quietWorld(t, func(w *world) {
		c := w.clouds[0]
		c.faults = []fault{{kind: faultLost, from: time.Now(), to: time.Now().Add(5 * time.Second), share: 1}}
		o := Order{RunID: NewRunID(time.Now()), Action: power.ActionStop, Groups: []string{"web"}, Force: true}
		if _, err := w.order(o); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		w.kill()
		pass(10 * time.Second)
		w.boot(false)
		pass(5 * time.Minute)
		k := w.records.runs[o.RunID]
		if !k.Ended() || len(w.history.began[o.RunID]) != 2 || k.report.Groups[0].Done != 3 {
			t.Errorf("%+v", k.Record)
		}
		for id, m := range c.machines {
			if len(m.accepted) != 1 || !m.accepted[0].forced {
				t.Errorf("%s: %+v", id, m.accepted)
			}
		}
	})
}

// An order that is repeated to the next process makes no second run, also while the store cannot be
// read: what is new is made all the same.
func TestAnOrderOfAnEarlierProcessIsNotMadeAgain(t *testing.T) {
	quietWorld(t, func(w *world) {
		old := Order{RunID: NewRunID(time.Now()), Action: power.ActionStart, Groups: []string{"web"}}
		if _, err := w.order(old); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		w.kill()
		pass(time.Second)
		w.slow = []storeFault{{from: time.Now(), to: time.Now().Add(time.Minute), lost: 1}}
		w.boot(false)
		pass(recallPatience + time.Second)
		if _, err := w.order(old); err == nil || errors.Is(err, errMade) {
			t.Errorf("while the store cannot be read: %v", err)
		}
		fresh := old
		fresh.RunID = NewRunID(time.Now())
		if _, err := w.order(fresh); err != nil {
			t.Errorf("a new order while the store cannot be read: %v", err)
		}
		pass(2 * time.Minute)
		if _, err := w.order(old); !errors.Is(err, errMade) {
			t.Errorf("once it can: %v", err)
		}
		if n := len(w.history.began[old.RunID]); n != 1 {
			t.Errorf("it began %d times", n)
		}
	})
}

// One that the store has, and the process does not know of, is refused and stays as it is.
func TestAClaimThatIsHeldIsNoRun(t *testing.T) {
	quietWorld(t, func(w *world) {
		o := Order{RunID: NewRunID(time.Now()), Action: power.ActionStop, Groups: []string{"web"}}
		cfg := w.process.daemon.current.Load()
		if err := o.check(cfg); err != nil {
			t.Fatal(err)
		}
		w.records.open(record(o.run(cfg, alice, time.Now())))
		if _, err := w.order(o); !errors.Is(err, errMade) {
			t.Errorf("%v", err)
		}
		pass(time.Minute)
		_, cancelled := w.process.daemon.hands.cancel(o.RunID)
		if w.records.runs[o.RunID].Ended() || len(w.history.began) > 0 || cancelled {
			t.Errorf("%+v, %v", w.records.runs[o.RunID].Record, w.history.began)
		}
	})
}

// Too many at once are refused, and ended ones are forgotten when they are too many.
func TestRunsByHandAreBounded(t *testing.T) {
	quietWorld(t, func(w *world) {
		w.clouds[0].faults = []fault{{kind: faultBlocked, from: time.Now(), to: time.Now().Add(time.Hour), share: 1}}
		refused, made := 0, 0
		id := func() string { made++; return fmt.Sprintf("manual/2000-01-01T07:00:00Z-%06x", made) }
		for range maxTogether + 20 {
			if _, err := w.order(Order{RunID: id(), Action: power.ActionStop, Groups: []string{"web"}, Deadline: time.Minute}); err != nil {
				refused++
			}
		}
		pass(2 * time.Minute)
		h := w.process.daemon.hands
		if refused != 20 || len(h.inProgress()) != 0 || len(h.runs) != maxTogether {
			t.Errorf("%d refused, %d in progress, %d known", refused, len(h.inProgress()), len(h.runs))
		}
		for range 20 {
			if _, err := w.order(Order{RunID: id(), Action: power.ActionStart, Groups: []string{"web"}, Deadline: time.Minute}); err != nil {
				t.Fatal(err)
			}
		}
		pass(2 * time.Minute)
		if len(h.runs) != maxTogether {
			t.Errorf("%d known", len(h.runs))
		}
	})
}

// What can be followed no more is not made again either, whatever the store says.
func TestAnOrderIsNotMadeAgainLater(t *testing.T) {
	quietWorld(t, func(w *world) {
		o := Order{RunID: NewRunID(time.Now()), Action: power.ActionStart, Groups: []string{"web"}, Deadline: time.Minute}
		first, err := w.order(o)
		if err != nil {
			t.Fatal(err)
		}
		pass(endedKept)
		if again, err := w.order(o); err != nil || again != first {
			t.Errorf("it cannot be followed: %v", err)
		}
		pass(time.Minute)
		other := o
		other.RunID = NewRunID(time.Now())
		if _, err := w.order(other); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		w.slow = []storeFault{{from: time.Now(), to: time.Now().Add(time.Minute), lost: 1}}
		if _, err := w.order(o); !errors.Is(err, errMade) {
			t.Errorf("%v", err)
		}
	})
}
