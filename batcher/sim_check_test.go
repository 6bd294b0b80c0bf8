package batcher_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/power"
	"zecpower/internal/zecsim"
)

// checker holds a finished world against what must be true of every run.
type checker struct {
	w        *world
	problems []string
}

func (c *checker) complain(format string, args ...any) {
	if len(c.problems) < 3 {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

// check is the one list of invariants.
func (w *world) check() []string {
	c := &checker{w: w}
	c.shape()
	c.observers()
	c.metrics()
	c.requests()
	c.budget()
	c.promptness()
	c.instances()
	return c.problems
}

// shape: every id exactly once a group, in order, and sums that hold.
func (c *checker) shape() {
	if len(c.w.report.Groups) != len(c.w.s.groups) {
		c.complain("%d groups in the report, %d in the run", len(c.w.report.Groups), len(c.w.s.groups))
		return
	}
	for g, group := range c.w.s.groups {
		want := distinct(group)
		r := c.w.report.Groups[g]
		if r.Total != len(want) || len(r.Results) != len(want) || r.Done+r.Already+r.Failed != r.Total {
			c.complain("group %s: %d ids; total %d, results %d, sum %d+%d+%d", r.Group, len(want), r.Total, len(r.Results), r.Done, r.Already, r.Failed)
			continue
		}
		counts := map[power.Outcome]int{}
		for k, result := range r.Results {
			if result.InstanceID != want[k] {
				c.complain("group %s: id %d is %s, want %s", r.Group, k, result.InstanceID, want[k])
			}
			if !slices.Contains(power.Outcomes(c.w.s.action), result.Outcome) || (result.Outcome == power.OutcomeFailed) != slices.Contains(power.Reasons(), result.Reason) {
				c.complain("%s: outcome %q, reason %q", result.InstanceID, result.Outcome, result.Reason)
			}
			counts[result.Outcome]++
		}
		outcomes := power.Outcomes(c.w.s.action)
		if counts[outcomes[0]] != r.Done || counts[outcomes[1]] != r.Already || counts[outcomes[2]] != r.Failed {
			c.complain("group %s: counts %d, %d, %d; outcomes %v", r.Group, r.Done, r.Already, r.Failed, counts)
		}
	}
}

func distinct(g batcher.Group) []string {
	var ids []string
	if g.Err != nil {
		return nil
	}
	known := map[string]bool{}
	for _, id := range g.IDs {
		if id = strings.TrimSpace(id); id != "" && !known[id] {
			known[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

// observers: what metrics and journal were notified adds up to the report.
func (c *checker) observers() {
	for _, r := range c.w.report.Groups {
		notified := map[string]power.InstanceResult{}
		for _, result := range c.w.final[r.Group] {
			if _, twice := notified[result.InstanceID]; twice {
				c.complain("%s: final twice", result.InstanceID)
			}
			notified[result.InstanceID] = result
		}
		for _, result := range r.Results {
			if notified[result.InstanceID] != result {
				c.complain("%s: reported %+v, observed %+v", result.InstanceID, result, notified[result.InstanceID])
			}
		}
		if len(notified) != r.Total {
			c.complain("group %s: %d final, %d in total", r.Group, len(notified), r.Total)
		}
	}
	if len(c.w.s.kills) == 0 && c.w.batches != c.w.starts {
		c.complain("%d batches observed, %d sent", c.w.batches, c.w.starts)
	}
	if c.w.rejected > len(c.w.boots) || c.w.rejected > 0 && !c.w.s.refusesKeys() { // once a process
		c.complain("%d times notified of rejected credentials, which were good", c.w.rejected)
	}
	// A run that ends while the refusal is probed has heard of no final one.
	if c.has(power.ReasonAuth) && c.w.rejected == 0 && !c.w.s.tight && c.w.report.FinishedAt.Before(c.w.began.Add(c.w.s.deadline)) {
		c.complain("auth in the report, and no word of rejected credentials")
	}
}

func (c *checker) has(reason power.Reason) bool {
	for _, g := range c.w.report.Groups {
		for _, r := range g.Results {
			if r.Reason == reason {
				return true
			}
		}
	}
	return false
}

// requests: well-formed, few enough at once, none after the end.
func (c *checker) requests() {
	truth := c.w.sim.Truth()
	if truth.Malformed > 0 {
		c.complain("%d requests with more than 100, repeated or no ids", truth.Malformed)
	}
	if c.w.misfits > 0 {
		c.complain("%d requests of no ids, or of more than %d", c.w.misfits, c.w.s.size)
	}
	if least := c.w.s.leastStarts(); c.w.s.clean() && c.w.starts != least {
		c.complain("%d starts for a clean fleet, want %d", c.w.starts, least)
	}
	if c.w.peak > c.w.s.inFlight {
		c.complain("%d requests in flight, at most %d allowed", c.w.peak, c.w.s.inFlight)
	}
	if c.w.inFlight != 0 || c.w.afterEnd != 0 {
		c.complain("%d requests in flight after the report, %d sent after it", c.w.inFlight, c.w.afterEnd)
	}
	if len(c.w.s.kills) == 0 && truth.Requests != c.w.asked {
		c.complain("%d requests arrived, the client counted %d", truth.Requests, c.w.asked)
	}
}

// budget: replayed through an exact bucket, so it holds for every window of
// every length: burst + rate × time. A new process begins with a full one.
func (c *checker) budget() {
	records := c.w.sim.Requests()
	slices.SortFunc(records, func(a, b zecsim.RequestRecord) int { return a.N - b.N })
	life, tokens, last := 0, float64(c.w.s.burst), c.w.began
	for _, r := range records {
		for life+1 < len(c.w.boots) && !r.At.Before(c.w.boots[life+1]) {
			life++
			tokens, last = float64(c.w.s.burst), c.w.boots[life]
		}
		tokens = math.Min(float64(c.w.s.burst), tokens+c.w.s.rate*r.At.Sub(last).Seconds()) - 1
		last = r.At
		if tokens < -1e-3 {
			c.complain("budget exceeded: request %d at %s came %.3f requests early", r.N, r.At.Sub(c.w.began), -tokens)
			return
		}
	}
}

// promptness: deadline and cancel end the run within the longest request.
func (c *checker) promptness() {
	limit := c.w.began.Add(c.w.s.deadline)
	if at := c.w.began.Add(c.w.s.cancelAt); c.w.s.cancelAt > 0 && at.Before(limit) {
		limit = at
	}
	if begun := c.w.boots[len(c.w.boots)-1]; begun.After(limit) {
		limit = begun
	}
	if late := c.w.report.FinishedAt.Sub(limit); late > c.w.s.timeout+time.Second {
		c.complain("finished %s after it had to", late)
	}
}

// instances: each outcome is what really happened.
func (c *checker) instances() {
	done := map[string]bool{}
	for _, g := range c.w.report.Groups {
		for _, r := range g.Results {
			if done[r.InstanceID] {
				continue
			}
			done[r.InstanceID] = true
			truth, known := c.w.sim.Instance(r.InstanceID)
			if !known {
				truth = zecsim.InstanceTruth{ID: r.InstanceID, State: zecsim.StateMissing}
			}
			if problem := c.instance(r, truth); problem != "" {
				c.complain("%s: %s\n\treported %+v\n\ttruth %+v\n\tlost %d, unseen %d", r.InstanceID, problem, r, truth, c.w.lost[r.InstanceID], c.w.unseen[r.InstanceID])
			}
		}
	}
}

func (c *checker) instance(r power.InstanceResult, truth zecsim.InstanceTruth) string {
	accepted := truth.AcceptedStarts + truth.AcceptedStops
	most := c.w.s.attempts + c.w.unseen[r.InstanceID]
	if len(c.w.s.spec(r.InstanceID).Others) > 0 {
		most += c.w.lost[r.InstanceID] // another actor may have switched it back before a describe
	}
	if accepted > most {
		return fmt.Sprintf("accepted %d times, at most %d allowed", accepted, most)
	}
	if accepted > 0 && truth.NeedlessStarts > 0 && !c.w.s.begunByOthers(r.InstanceID) {
		return fmt.Sprintf("sent %d times while on its way", truth.NeedlessStarts)
	}
	if r.Outcome == power.OutcomeFailed {
		return c.failure(r, truth)
	}
	return c.success(r, truth)
}

func (c *checker) success(r power.InstanceResult, truth zecsim.InstanceTruth) string {
	switch r.Outcome {
	case power.OutcomeStarted, power.OutcomeAlreadyRunning:
		if truth.FirstRunning.IsZero() || truth.FirstRunning.After(r.ReachedAt) {
			return "was never RUNNING when it was reported so"
		}
	default:
		if truth.State != apiclient.StateStopped && truth.StartableUntil.IsZero() && truth.OtherStarts == 0 {
			return "is not STOPPED"
		}
	}
	mine := truth.AcceptedStarts+truth.AcceptedStops > 0
	if len(c.w.s.kills) == 0 && r.Attempts < truth.AcceptedStarts+truth.AcceptedStops {
		return "counts fewer attempts than were accepted"
	}
	if said := r.Outcome == power.OutcomeStarted || r.Outcome == power.OutcomeStopped; said && !mine && c.w.lost[r.InstanceID] == 0 && len(c.w.s.kills) == 0 {
		return "was not started by this run, and is said to have been"
	}
	if said := r.Outcome == power.OutcomeStarted || r.Outcome == power.OutcomeStopped; mine && !said && len(c.w.s.kills) == 0 {
		return "was started by this run, and called already there"
	}
	return ""
}

// failure: the reason fits the truth, and nothing that could start is failed
// without an excuse.
func (c *checker) failure(r power.InstanceResult, truth zecsim.InstanceTruth) string {
	gone := slices.Contains(goneStates(), truth.State)
	cut := c.w.s.tight || !c.w.report.FinishedAt.Before(c.w.began.Add(c.w.s.deadline))
	switch r.Reason {
	case power.ReasonNotFound:
		if truth.State != zecsim.StateMissing {
			return "exists"
		}
	case power.ReasonRecycled:
		if !gone {
			return "is not recycled"
		}
	case power.ReasonAuth:
		if !c.w.s.refusesKeys() {
			return "credentials were good"
		}
		return ""
	case power.ReasonCancelled:
		if c.w.s.cancelAt == 0 {
			return "no one else cancelled"
		}
		return ""
	case power.ReasonInvalidRequest:
		return "no request was invalid"
	case power.ReasonBootFailed:
		if c.mistaken(r.InstanceID) {
			return ""
		}
		if truth.AcceptedStarts+truth.AcceptedStops == 0 {
			return "boot_failed without an accepted start"
		}
		if truth.AcceptedStarts+truth.AcceptedStops+c.w.lost[r.InstanceID] < c.w.s.attempts && r.Attempts < c.w.s.attempts && !cut {
			return "boot_failed with attempts left"
		}
	case power.ReasonReversed:
		if truth.AcceptedStarts+truth.AcceptedStops+c.w.lost[r.InstanceID] == 0 {
			return "reversed without an accepted request"
		}
		if truth.OtherStarts+truth.OtherStops == 0 && !c.w.s.spec(r.InstanceID).BootFailsStopping {
			return "no other actor switched it"
		}
	case power.ReasonStopFailed:
		if truth.AcceptedStops+c.w.lost[r.InstanceID] < c.w.s.attempts && r.Attempts < c.w.s.attempts && !cut {
			return "stop_failed with attempts left"
		}
	case power.ReasonStopTimeout:
		spec := c.w.s.spec(r.InstanceID)
		if truth.AcceptedStops == 0 && !c.w.s.begunByOthers(r.InstanceID) {
			return "never began to stop"
		}
		if !cut && !spec.StopHangs && !(spec.SoftStopHangs && !c.w.s.force) {
			return "would have stopped"
		}
	case power.ReasonBlocked:
		if !cut || !c.w.s.blocks() {
			return "nothing was in the way"
		}
	case power.ReasonInternalError:
		return "nothing panicked"
	case power.ReasonThrottled:
		if !cut || !c.w.s.hasLimit && !c.w.s.tight {
			return "throttled, but there was time"
		}
	case power.ReasonAPIError:
		if !cut {
			return "given up before the deadline"
		}
		if len(c.w.s.sim.Faults) == 0 {
			return "the API never failed"
		}
	case power.ReasonWrongState:
		if !cut {
			return "given up before the deadline"
		}
		if slices.Contains([]string{"", string(apiclient.StateStopped), string(apiclient.StateRunning)}, r.State) {
			return "is in no wrong state"
		}
	case power.ReasonRejected:
		spec := c.w.s.spec(r.InstanceID)
		if !cut && !spec.Refuses && !(spec.RefusesStops && c.w.s.action == power.ActionStop) && len(c.w.s.sim.Refusals) == 0 && !(strings.HasPrefix(r.Code, "AUTHFAILURE") && c.w.s.refusesKeys()) {
			return "no one else refused it"
		}
	case power.ReasonBootTimeout:
		if truth.AcceptedStarts+truth.AcceptedStops == 0 && !c.w.s.begunByOthers(r.InstanceID) {
			return "never began to boot"
		}
		if !cut && c.w.s.spec(r.InstanceID).Boot != zecsim.BootHangs {
			return "would have booted"
		}
	}
	return c.excuse(r, truth)
}

// mistaken: a boot that another actor else began and that failed passes for ours
// where a start of ours may have been applied for all that the run knows.
func (c *checker) mistaken(id string) bool {
	return c.w.s.begunByOthers(id) && (c.w.lost[id] > 0 || len(c.w.s.kills) > 0)
}

// excuse: why an instance that could have started is not RUNNING.
func (c *checker) excuse(r power.InstanceResult, truth zecsim.InstanceTruth) string {
	if c.w.s.action != power.ActionStart || !truth.Startable || c.w.s.tight {
		return ""
	}
	id := r.InstanceID
	switch {
	case (r.Reason == power.ReasonRejected || r.Reason == power.ReasonBootFailed) && len(c.w.s.sim.Refusals) > 0:
		// The account's refusal met it while fewer than three waited.
	case r.Reason == power.ReasonRejected && strings.HasPrefix(r.Code, "AUTHFAILURE") && c.w.s.refusesKeys():
		// Refused alone, while other requests passed, as often as attempts allow.
	case truth.OtherStops > 0 || truth.OtherStarts > 0:
		// Another actor switched it.
	case c.w.s.spec(id).BootFailsStopping:
	case r.Reason == power.ReasonBlocked && c.w.s.blocksNowAndThen():
		// Each such reply pauses the account: an hour was not enough.
	case r.Reason == power.ReasonBootFailed && c.w.s.refusesKeys() && r.Attempts >= c.w.s.attempts:
		// The same between its boots.
	case c.w.s.credBreak && r.Reason == power.ReasonAPIError:
		// Accepted, and every describe was refused from then on.
	case truth.StartsNeeded > c.w.s.attempts:
	case truth.StartsNeeded > 1 && truth.AcceptedStarts+c.w.lost[id] >= c.w.s.attempts:
		// It fell back, and starts of unknown fate used the rest up.
	case truth.StartableFrom.After(c.w.began) && r.Reason == power.ReasonRejected:
		// It refused for a while, longer than its attempts lasted.
	case !truth.StartableUntil.IsZero():
		// It went away during the run.
	default:
		return "could have started"
	}
	return ""
}
