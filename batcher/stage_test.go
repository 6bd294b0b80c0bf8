package batcher

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// stageCase is one instance and the rules for it. Its requests are answered at begun.
type stageCase struct {
	instance
	ru    rules
	begun time.Time
}

func newStageCase() *stageCase {
	return &stageCase{
		ru:    rules{action: power.ActionStop, attempts: 3, timeout: 100 * time.Second, lag: 10 * time.Second, doubtFor: 5 * time.Second},
		begun: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC),
	}
}

// describe decides about a describe that leaves at a time after begun; an empty state: it is absent.
func (c *stageCase) describe(after time.Duration, state apiclient.State) string {
	at := c.begun.Add(after)
	n := c.ru.see(&c.instance, state, state != "", at, at)
	return map[next]string{nextFinal: "final", nextSend: "send", nextPoll: "poll", nextDescribe: "describe"}[n]
}

// The states as a stop reads them.
const (
	stateReady  = apiclient.StateRunning
	stateOnWay  = apiclient.StateStopping
	stateBack   = apiclient.StateBooting
	stateBusy   = apiclient.StateImaging
	stateDone   = apiclient.StateStopped
	stateGone   = apiclient.StateRecycled
	stateAbsent = apiclient.State("")
)

// stageRows are the ways to each stage, with what was known before where that matters.
var stageRows = map[string]func(*stageCase){
	"idle":                            func(*stageCase) {},
	"idle, fell back":                 func(c *stageCase) { c.accept(c.begun); c.describe(0, stateOnWay); c.describe(1, stateReady) },
	"idle, lost":                      func(c *stageCase) { c.doubt(c.begun, c.begun.Add(-time.Minute)); c.describe(0, stateReady) },
	"refused":                         func(c *stageCase) { c.refuse(c.ru.action) },
	"doubted":                         func(c *stageCase) { c.doubt(c.begun, c.begun) },
	"doubted, by an earlier process":  func(c *stageCase) { c.inheritDoubt(c.begun) },
	"accepted":                        func(c *stageCase) { c.accept(c.begun) },
	"accepted, of an earlier process": func(c *stageCase) { c.inherit(2, c.begun) },
	"on way":                          func(c *stageCase) { c.accept(c.begun); c.describe(0, stateOnWay) },
	"on way, lost":                    func(c *stageCase) { c.doubt(c.begun, c.begun); c.describe(0, stateOnWay) },
	"on way, lost before": func(c *stageCase) {
		c.doubt(c.begun, c.begun.Add(-time.Minute))
		c.describe(0, stateReady)
		c.describe(0, stateOnWay)
	},
	"on way, of an earlier process": func(c *stageCase) { c.inheritDoubt(c.begun); c.describe(0, stateOnWay) },
	"by other":                      func(c *stageCase) { c.describe(0, stateOnWay) },
	"raised":                        func(c *stageCase) { c.accept(c.begun); c.raise() },
	"raised on way":                 func(c *stageCase) { c.accept(c.begun); c.describe(0, stateOnWay); c.raise() },
	"raised on way, of another":     func(c *stageCase) { c.describe(0, stateOnWay); c.raise() },
}

// stageEvents are what can happen to an instance. of says what follows: the decision, the stage
// after it, and what is counted.
var stageEvents = []struct {
	name string
	of   func(*stageCase) string
}{
	{"accepted", idleAlone(func(c *stageCase) { c.accept(c.begun.Add(20 * time.Second)) })},
	{"accepted, raised meanwhile", idleAlone(func(c *stageCase) { c.accept(c.begun.Add(20 * time.Second)); c.raise() })},
	{"refused, for itself", idleAlone(func(c *stageCase) { c.refuse(c.ru.action) })},
	{"reply lost", idleAlone(func(c *stageCase) { c.doubt(c.begun.Add(20*time.Second), c.begun.Add(21*time.Second)) })},
	{"a forced stop joins", func(c *stageCase) string { return c.changes(func() string { c.raise(); return "" }) }},
	{"taken over", func(c *stageCase) string { return c.changes(func() string { return c.takenOver() }) }},
	{"too early ready", seen(3*time.Second, stateReady)},
	{"ready", seen(20*time.Second, stateReady)},
	{"on way", seen(20*time.Second, stateOnWay)},
	{"on way, too long", seen(100*time.Second, stateOnWay)},
	{"back, early", seen(3*time.Second, stateBack)},
	{"back", seen(20*time.Second, stateBack)},
	{"busy", seen(20*time.Second, stateBusy)},
	{"busy, too long", seen(100*time.Second, stateBusy)},
	{"done", seen(20*time.Second, stateDone)},
	{"gone", seen(20*time.Second, stateGone)},
	{"absent", seen(20*time.Second, stateAbsent)},
	{"absent twice", func(c *stageCase) string {
		c.describe(20*time.Second, stateBusy)
		c.describe(21*time.Second, stateAbsent)
		return seen(22*time.Second, stateAbsent)(c)
	}},
}

func seen(after time.Duration, state apiclient.State) func(*stageCase) string {
	return func(c *stageCase) string { return c.changes(func() string { return c.describe(after, state) }) }
}

// idleAlone is an event that an instance of another stage does not meet.
func idleAlone(event func(*stageCase)) func(*stageCase) string {
	return func(c *stageCase) string {
		if c.stage != stageIdle {
			return "" // it has no cell
		}
		return c.changes(func() string { event(c); return "" })
	}
}

// takenOver hands the instance to a start, and says until when what the stop did may be unseen.
func (c *stageCase) takenOver() string {
	was := c.instance
	ru := c.ru
	ru.action = power.ActionStart
	c.takeOver(ru, c.ru.action)
	if c.applied != appliedNever || c.attempts != 0 || c.state != was.state || c.seenAt != was.seenAt {
		return fmt.Sprintf("begins with %+v", c.instance)
	}
	if c.prior == nil {
		return "at once"
	}
	return fmt.Sprint("stale for ", c.prior.shows.Sub(c.begun))
}

// changes words what f decides and changes.
func (c *stageCase) changes(f func() string) string {
	was := c.instance
	words := []string{f()}
	if words[0] == "" {
		words = nil
	}
	if words = append(words, stageNames[c.stage]); c.final != nil {
		words = []string{cmp.Or(string(c.final.reason), string(c.final.outcome))}
	}
	for name, n := range map[string]int32{
		"fallen": c.fallen - was.fallen, "rejected": c.rejected - was.rejected, "lost": c.unknown - was.unknown,
	} {
		if n > 0 {
			words = append(words, fmt.Sprintf("%s %+d", name, n))
		}
	}
	return strings.Join(words, ", ")
}

var stageNames = [stages]string{"idle", "refused", "doubted", "accepted", "on way", "by other", "raised", "raised on way"}

// stageCells is the transition table: what follows, by stage and event. Events that a stage has no
// cell for cannot happen to it.
var stageCells = map[string]map[string]string{
	"idle": {
		"accepted": "accepted", "accepted, raised meanwhile": "raised", "refused, for itself": "refused", "reply lost": "doubted",
		"a forced stop joins": "idle", "taken over": "at once, idle", "too early ready": "send, idle", "ready": "send, idle",
		"on way": "poll, by other", "on way, too long": "poll, by other", "back, early": "poll, idle", "back": "poll, idle", "busy": "poll, idle",
		"busy, too long": "poll, idle", "done": "already_stopped", "gone": "recycled", "absent": "not_found", "absent twice": "not_found",
	},
	"idle, fell back": {
		"accepted": "accepted", "accepted, raised meanwhile": "raised", "refused, for itself": "refused", "reply lost": "doubted",
		"a forced stop joins": "idle", "taken over": "at once, idle", "too early ready": "send, idle", "ready": "send, idle",
		"on way": "poll, on way", "on way, too long": "poll, on way", "back, early": "poll, idle", "back": "poll, idle", "busy": "poll, idle",
		"busy, too long": "poll, idle", "done": "stopped", "gone": "recycled", "absent": "poll, idle", "absent twice": "not_found",
	},
	"idle, lost": {
		"accepted": "accepted", "accepted, raised meanwhile": "raised", "refused, for itself": "refused", "reply lost": "doubted",
		"a forced stop joins": "idle", "taken over": "at once, idle", "too early ready": "send, idle", "ready": "send, idle",
		"on way": "poll, on way", "on way, too long": "poll, on way", "back, early": "poll, idle", "back": "poll, idle", "busy": "poll, idle",
		"busy, too long": "poll, idle", "done": "stopped", "gone": "recycled", "absent": "poll, idle", "absent twice": "not_found",
	},
	"refused": {
		"a forced stop joins": "refused", "taken over": "at once, idle", "too early ready": "send, idle, rejected +1",
		"ready": "send, idle, rejected +1", "on way": "poll, by other", "on way, too long": "poll, by other", "back, early": "poll, idle",
		"back": "poll, idle", "busy": "poll, idle", "busy, too long": "poll, idle", "done": "already_stopped", "gone": "recycled",
		"absent": "not_found", "absent twice": "not_found",
	},
	"doubted": {
		"a forced stop joins": "doubted", "taken over": "stale for 5s, idle", "too early ready": "describe, doubted",
		"ready": "send, idle, lost +1", "on way": "poll, on way", "on way, too long": "stop_timeout", "back, early": "poll, doubted",
		"back": "poll, doubted", "busy": "poll, doubted", "busy, too long": "poll, doubted", "done": "stopped", "gone": "recycled",
		"absent": "poll, doubted", "absent twice": "not_found",
	},
	"doubted, by an earlier process": {
		"a forced stop joins": "doubted", "taken over": "stale for 5s, idle", "too early ready": "describe, doubted", "ready": "send, idle",
		"on way": "poll, on way", "on way, too long": "poll, on way", "back, early": "poll, doubted", "back": "poll, doubted",
		"busy": "poll, doubted", "busy, too long": "poll, doubted", "done": "already_stopped", "gone": "recycled", "absent": "not_found",
		"absent twice": "not_found",
	},
	"accepted": {
		"a forced stop joins": "raised", "taken over": "stale for 10s, idle", "too early ready": "poll, accepted", "ready": "send, idle, fallen +1",
		"on way": "poll, on way", "on way, too long": "stop_timeout", "back, early": "poll, accepted", "back": "reversed", "busy": "poll, accepted",
		"busy, too long": "stop_timeout", "done": "stopped", "gone": "recycled", "absent": "poll, accepted", "absent twice": "not_found",
	},
	"accepted, of an earlier process": {
		"a forced stop joins": "raised", "taken over": "stale for 10s, idle", "too early ready": "poll, accepted", "ready": "send, idle, fallen +1",
		"on way": "poll, on way", "on way, too long": "stop_timeout", "back, early": "poll, accepted", "back": "reversed", "busy": "poll, accepted",
		"busy, too long": "stop_timeout", "done": "stopped", "gone": "recycled", "absent": "poll, accepted", "absent twice": "not_found",
	},
	"on way": {
		"a forced stop joins": "raised on way", "taken over": "stale for 10s, idle", "too early ready": "send, idle, fallen +1",
		"ready": "send, idle, fallen +1", "on way": "poll, on way", "on way, too long": "stop_timeout", "back, early": "poll, on way",
		"back": "reversed", "busy": "poll, on way", "busy, too long": "stop_timeout", "done": "stopped", "gone": "recycled",
		"absent": "poll, on way", "absent twice": "not_found",
	},
	"on way, lost": {
		"a forced stop joins": "raised on way", "taken over": "stale for 10s, idle", "too early ready": "send, idle, fallen +1",
		"ready": "send, idle, fallen +1", "on way": "poll, on way", "on way, too long": "stop_timeout", "back, early": "poll, on way",
		"back": "reversed", "busy": "poll, on way", "busy, too long": "stop_timeout", "done": "stopped", "gone": "recycled",
		"absent": "poll, on way", "absent twice": "not_found",
	},
	"on way, lost before": {
		"a forced stop joins": "raised on way", "taken over": "stale for 10s, idle", "too early ready": "send, idle, fallen +1",
		"ready": "send, idle, fallen +1", "on way": "poll, on way", "on way, too long": "stop_timeout", "back, early": "poll, on way",
		"back": "poll, on way", "busy": "poll, on way", "busy, too long": "stop_timeout", "done": "stopped", "gone": "recycled",
		"absent": "poll, on way", "absent twice": "not_found",
	},
	"on way, of an earlier process": {
		"a forced stop joins": "raised on way", "taken over": "stale for 10s, idle", "too early ready": "send, idle, fallen +1",
		"ready": "send, idle, fallen +1", "on way": "poll, on way", "on way, too long": "stop_timeout", "back, early": "poll, on way",
		"back": "poll, on way", "busy": "poll, on way", "busy, too long": "stop_timeout", "done": "already_stopped", "gone": "recycled",
		"absent": "poll, on way", "absent twice": "not_found",
	},
	"by other": {
		"a forced stop joins": "raised on way", "taken over": "stale for 10s, idle", "too early ready": "send, idle", "ready": "send, idle",
		"on way": "poll, by other", "on way, too long": "stop_timeout", "back, early": "poll, by other", "back": "poll, by other",
		"busy": "poll, by other", "busy, too long": "stop_timeout", "done": "already_stopped", "gone": "recycled", "absent": "poll, by other",
		"absent twice": "not_found",
	},
	"raised": {
		"a forced stop joins": "raised", "taken over": "stale for 10s, idle", "too early ready": "poll, raised", "ready": "send, idle",
		"on way": "poll, raised on way", "on way, too long": "stop_timeout", "back, early": "poll, raised", "back": "reversed",
		"busy": "poll, raised", "busy, too long": "stop_timeout", "done": "stopped", "gone": "recycled", "absent": "poll, raised",
		"absent twice": "not_found",
	},
	"raised on way": {
		"a forced stop joins": "raised on way", "taken over": "stale for 10s, idle", "too early ready": "send, idle", "ready": "send, idle",
		"on way": "poll, raised on way", "on way, too long": "stop_timeout", "back, early": "poll, raised on way", "back": "reversed",
		"busy": "poll, raised on way", "busy, too long": "stop_timeout", "done": "stopped", "gone": "recycled", "absent": "poll, raised on way",
		"absent twice": "not_found",
	},
	"raised on way, of another": {
		"a forced stop joins": "raised on way", "taken over": "stale for 10s, idle", "too early ready": "send, idle", "ready": "send, idle",
		"on way": "poll, raised on way", "on way, too long": "stop_timeout", "back, early": "poll, raised on way", "back": "poll, raised on way",
		"busy": "poll, raised on way", "busy, too long": "stop_timeout", "done": "already_stopped", "gone": "recycled",
		"absent": "poll, raised on way", "absent twice": "not_found",
	},
}

func TestStageTable(t *testing.T) {
	reached := map[stage]bool{}
	for row, bring := range stageRows {
		for _, e := range stageEvents {
			c := newStageCase()
			bring(c)
			reached[c.stage] = true
			if got, want := e.of(c), stageCells[row][e.name]; got != want {
				t.Errorf("%s, then %s: %q, want %q", row, e.name, got, want)
			}
		}
	}
	if len(reached) != int(stages) || len(stageCells) != len(stageRows) {
		t.Errorf("%d of %d stages reached by %d rows, cells for %d", len(reached), stages, len(stageRows), len(stageCells))
	}
}

// Ready, and the last attempt is used up: what was sent for it before decides how it ends.
func TestStageReadyOnceTheAttemptsAreUsedUp(t *testing.T) {
	for name, tc := range map[string]struct {
		bring func(*stageCase)
		want  string
	}{
		"nothing was sent":           {func(*stageCase) {}, "send, idle"},
		"fallen":                     {stageRows["accepted"], "stop_failed, fallen +1"},
		"by other":                   {stageRows["by other"], "send, idle"},
		"raised":                     {stageRows["raised"], "send, idle"},
		"lost":                       {stageRows["doubted"], "send, idle, lost +1"},
		"refused before a describe":  {stageRows["refused"], "send, idle, rejected +1"},
		"refused, seen ready before": {func(c *stageCase) { c.describe(0, stateReady); c.refuse(c.ru.action) }, "rejected, rejected +1"},
		"fallen, then refused":       {func(c *stageCase) { stageRows["idle, fell back"](c); c.refuse(c.ru.action) }, "rejected, rejected +1"},
		"fallen, then lost":          {func(c *stageCase) { stageRows["idle, fell back"](c); c.doubt(c.begun, c.begun) }, "stop_failed, lost +1"},
	} {
		c := newStageCase()
		c.ru.attempts = 1
		tc.bring(c)
		c.final = nil // the first fall was not the last attempt
		if got := seen(20*time.Second, stateReady)(c); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// A start took the instance over from a stop that was accepted: until the stop must show, RUNNING
// may be what was before it. Once it shows, or should have, the state counts.
func TestStaleDescribeDecidesNothing(t *testing.T) {
	takenOver := func() *stageCase {
		c := newStageCase()
		c.accept(c.begun)
		c.ru.action = power.ActionStart
		c.takeOver(c.ru, power.ActionStop)
		return c
	}
	for name, tc := range map[string]struct {
		describes func(c *stageCase) string
		want      string
	}{
		"early":           {seen(9*time.Second, apiclient.StateRunning), "poll, idle"},
		"due":             {seen(10*time.Second, apiclient.StateRunning), "already_running"},
		"seen on its way": {seen(9*time.Second, apiclient.StateStopping), "poll, idle"},
		"seen at its end": {seen(9*time.Second, apiclient.StateStopped), "send, idle"},
		"seen, and back": {func(c *stageCase) string {
			c.describe(1, apiclient.StateStopping)
			return seen(2, apiclient.StateRunning)(c)
		}, "already_running"},
		"says nothing of it": {func(c *stageCase) string {
			c.describe(1, apiclient.StateImaging)
			return seen(2, apiclient.StateRunning)(c)
		}, "poll, idle"},
	} {
		if got := tc.describes(takenOver()); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// What outlasts a stage.
func TestStageKeepsWhatIsKnown(t *testing.T) {
	c := newStageCase()
	c.describe(0, stateReady)
	c.refuse(c.ru.action)
	c.describe(0, stateBusy)
	c.refuse(c.ru.action)
	if !c.refusedReady {
		t.Error("a refusal while busy hides that it was refused while ready")
	}
	c.doubt(c.begun, c.begun.Add(-time.Minute))
	c.describe(0, stateReady)
	if c.accept(c.begun); c.losses != 0 || c.unknown != 1 || c.applied != appliedSurely {
		t.Errorf("after a loss it was accepted: %d losses, %d lost in all, evidence %d", c.losses, c.unknown, c.applied)
	}
	c.describe(time.Minute, stateReady)
	if c.doubt(c.begun, c.begun); c.applied != appliedSurely {
		t.Error("a lost reply hides that the one before was accepted")
	}
}

// Only what reaches the wanted state by itself is described when it is expected there.
func TestStageArrives(t *testing.T) {
	var arrive []string
	for s := range stages {
		if s.arrives() {
			arrive = append(arrive, stageNames[s])
		}
	}
	if got := strings.Join(arrive, ", "); got != "accepted, on way, by other" {
		t.Errorf("arrive by themselves: %s", got)
	}
}
