package batcher_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/power"
	"zecpower/internal/zecsim"
)

// scenario is one whole run against one simulated account, drawn from a seed.
type scenario struct {
	seed     uint64
	sim      zecsim.Options
	specs    []zecsim.InstanceSpec // by position, as in sim.Fleet
	groups   []batcher.Group
	action   power.Action
	force    bool
	deadline time.Duration
	// tight deadlines may cut startable instances off; others may not.
	tight     bool
	cancelAt  time.Duration // 0: never
	kills     []time.Duration
	pause     time.Duration // between a kill and the next start of the process
	credBreak bool          // credentials stop working at some time

	size, attempts           int
	poll, bootTimeout        time.Duration
	backoff                  batcher.Backoff
	rate                     float64
	burst, inFlight          int
	timeout, journalTakes    time.Duration
	faulty, outage, hasLimit bool
}

func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }

// between draws a duration, to the millisecond.
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return (from + time.Duration(r.Int64N(int64(to-from)+1))).Round(time.Millisecond)
}

func draw[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

func newScenario(seed uint64) *scenario {
	r := rand.New(rand.NewPCG(seed, 0x5eed))
	s := &scenario{seed: seed, action: power.ActionStart, deadline: time.Hour}
	s.drawPolicy(r)
	s.drawFleet(r)
	s.drawGroups(r)
	s.drawFaults(r)
	s.drawInterruptions(r)
	s.drawOthers(r)
	return s
}

func (s *scenario) drawPolicy(r *rand.Rand) {
	s.size = draw(r, 100, 100, 100, 1+r.IntN(100), 7)
	s.attempts = draw(r, 3, 3, 3, 1, 2, 5)
	s.poll = between(r, time.Second, 6*time.Second)
	s.bootTimeout = between(r, 3*time.Minute, 10*time.Minute)
	s.backoff = batcher.Backoff{Initial: between(r, 50*time.Millisecond, time.Second), Max: between(r, 5*time.Second, 30*time.Second)}
	s.rate = draw(r, 10, 10, 1, 2.5, 50, 200)
	s.burst = draw(r, 10, 1, 1+r.IntN(20))
	s.inFlight = draw(r, 8, 1, 2, 1+r.IntN(30))
	s.timeout = between(r, 5*time.Second, 30*time.Second)
	s.sim.Seed = r.Uint64()
	s.sim.BadIDs = draw(r, zecsim.BadIDsReject, zecsim.BadIDsFailedList)
	s.sim.Latency = zecsim.Latency{Fixed: between(r, 0, 300*time.Millisecond), Jitter: between(r, 0, 300*time.Millisecond)}
	s.sim.Boot = zecsim.Boot{
		Time: between(r, draw(r, time.Second, 2*s.poll), 40*time.Second), Jitter: between(r, 0, 10*time.Second),
		State: draw(r, apiclient.StateStarting, apiclient.StateBooting),
	}
	s.sim.Stop = zecsim.Stop{Forced: between(r, 0, 5*time.Second), Soft: between(r, 0, 30*time.Second)}
	if chance(r, 0.4) {
		s.sim.StatusLag = between(r, 0, s.poll*9/10)
	}
	if chance(r, 0.1) {
		s.action, s.force = power.ActionStop, chance(r, 0.5)
	}
	s.sim.NullPages = chance(r, 0.5)
	if chance(r, 0.2) {
		s.sim.NotFoundCode = apiclient.CodeResourceNotFound
	}
	s.sim.KeepRequests = true
}

func (s *scenario) drawFleet(r *rand.Rand) {
	n := 1 + r.IntN(draw(r, 10, 150, 150, 150, 400, 1500))
	if s.rate < 10 || s.inFlight < 3 {
		n = min(n, 150) // a slow account would need longer than the deadline
	}
	odd := draw(r, 0, 0.01, 0.05, 0.3, 0.9)
	s.specs = make([]zecsim.InstanceSpec, n)
	for i := range s.specs {
		if chance(r, odd) {
			s.specs[i] = s.oddInstance(r)
		} else if s.action == power.ActionStop {
			s.specs[i].State = apiclient.StateRunning
		}
	}
	s.sim.Fleet = s.specs
}

// drawOthers adds instances to the account that no group names, so that pages list them.
func (s *scenario) drawOthers(r *rand.Rand) {
	if chance(r, 0.3) {
		s.sim.Fleet = append(slices.Clone(s.specs), make([]zecsim.InstanceSpec, r.IntN(3000))...)
	}
}

func (s *scenario) oddInstance(r *rand.Rand) zecsim.InstanceSpec {
	passing := between(r, time.Second, 2*time.Minute)
	switch r.IntN(20) {
	case 0:
		return zecsim.InstanceSpec{State: zecsim.StateMissing}
	case 1:
		return zecsim.InstanceSpec{State: draw(r, goneStates()...)}
	case 2:
		return zecsim.InstanceSpec{State: apiclient.StateRunning}
	case 3:
		return zecsim.InstanceSpec{State: draw(r, apiclient.StateStarting, apiclient.StateBooting), StateFor: passing, StateThen: draw(r, apiclient.StateRunning, apiclient.StateStopped)}
	case 4:
		return zecsim.InstanceSpec{State: apiclient.StateStopping, StateFor: passing}
	case 5:
		return zecsim.InstanceSpec{State: draw[apiclient.State](r, apiclient.StateDeploying, apiclient.StateImaging, apiclient.StatePending, "DEFRAGMENTING"), StateFor: passing}
	case 6:
		return zecsim.InstanceSpec{State: draw[apiclient.State](r, apiclient.StateResizing, "ENCHANTED")}
	case 7:
		return zecsim.InstanceSpec{Boot: zecsim.BootFails}
	case 8:
		return zecsim.InstanceSpec{Boot: zecsim.BootHangs}
	case 9, 10:
		return zecsim.InstanceSpec{BootFailures: 1 + r.IntN(3)}
	case 11:
		return zecsim.InstanceSpec{Refuses: true}
	case 12:
		return zecsim.InstanceSpec{Refuses: true, RefusesFor: passing}
	case 13, 14: // with a code that is not documented
		spec := zecsim.InstanceSpec{Refuses: true, RefusesStops: true, RefusalCode: draw[apiclient.Code](r, soldOut, "OPERATION_DENIED_INSTANCE_LOCKED"), RefusalStatus: draw(r, 0, 400)}
		if chance(r, 0.3) {
			spec.RefusesFor = passing
		}
		if s.action == power.ActionStop {
			spec.State = apiclient.StateRunning
		}
		return spec
	case 15, 16:
		return s.contested(r)
	case 17:
		if s.action == power.ActionStop {
			return draw(r,
				zecsim.InstanceSpec{State: apiclient.StateRunning, StopFailures: 1 + r.IntN(6)},
				zecsim.InstanceSpec{State: apiclient.StateRunning, StopHangs: true},
				zecsim.InstanceSpec{State: apiclient.StateRunning, SoftStopHangs: true})
		}
		return zecsim.InstanceSpec{Boot: zecsim.BootFails, BootFailsStopping: true}
	default:
		return zecsim.InstanceSpec{State: apiclient.StateStopped, StateFor: passing, StateThen: draw(r, zecsim.StateMissing, apiclient.StateRecycle, apiclient.StateImaging)}
	}
}

// goneStates are those that no start leads out of.
func goneStates() []apiclient.State {
	return []apiclient.State{
		apiclient.StateRecycle, apiclient.StateRecycling, apiclient.StateRecycled, apiclient.StateReleasing,
		apiclient.StateCreateFailed, apiclient.StateReinstallFailed,
	}
}

// contested is an instance that another actor switches, too.
func (s *scenario) contested(r *rand.Rand) zecsim.InstanceSpec {
	act, back := zecsim.OtherStop, zecsim.OtherStart
	spec := zecsim.InstanceSpec{}
	if s.action == power.ActionStop {
		act, back = back, act
		spec.State = apiclient.StateRunning
	}
	other := zecsim.OtherAct{After: between(r, time.Second, time.Minute), Action: draw(r, act, back)}
	if chance(r, 0.7) {
		wait := between(r, time.Second, 40*time.Second)
		other = zecsim.OtherAct{AfterStart: wait, Action: act}
		if s.action == power.ActionStop {
			other = zecsim.OtherAct{AfterStop: wait, Action: act}
		}
	}
	spec.Others = []zecsim.OtherAct{other}
	return spec
}

// begunByOthers: the instance is on its way when the run begins. Until the
// first describe no one else can know that, so it may be sent in vain.
func (s *scenario) begunByOthers(id string) bool {
	state := s.spec(id).State
	if len(s.spec(id).Others) > 0 {
		return true
	}
	if s.action == power.ActionStop {
		return state == apiclient.StateStopping
	}
	return state == apiclient.StateStarting || state == apiclient.StateBooting
}

// spec is that of an instance; one that is not in the fleet is missing.
func (s *scenario) spec(id string) zecsim.InstanceSpec {
	for i, spec := range s.specs {
		if zecsim.InstanceID(i) == id {
			return spec
		}
	}
	return zecsim.InstanceSpec{State: zecsim.StateMissing}
}

// clean: nothing is wrong with the fleet, and nothing comes in between.
func (s *scenario) clean() bool {
	if s.faulty || s.outage || s.hasLimit || len(s.sim.Refusals) > 0 || s.tight || s.credBreak || s.cancelAt > 0 || len(s.kills) > 0 {
		return false
	}
	for _, g := range s.groups {
		for _, id := range distinct(g) {
			if state := s.spec(id).State; s.spec(id).Boot != zecsim.BootWorks || s.spec(id).BootFailures > 0 || s.spec(id).Refuses || len(s.spec(id).Others) > 0 ||
				state != "" && state != apiclient.StateRunning || (state == "") != (s.action == power.ActionStart) || s.spec(id).StateFor > 0 {
				return false
			}
		}
	}
	return true
}

// leastStarts is how many requests name each id of the run once: chunks are filled across groups.
func (s *scenario) leastStarts() int {
	known := map[string]bool{}
	for _, g := range s.groups {
		for _, id := range distinct(g) {
			known[id] = true
		}
	}
	return (len(known) + s.size - 1) / s.size
}

func (s *scenario) drawGroups(r *rand.Rand) {
	n := 1 + r.IntN(3)
	for g := range n {
		s.groups = append(s.groups, batcher.Group{Name: fmt.Sprintf("group-%d", g)})
	}
	for _, i := range r.Perm(len(s.specs)) {
		g := &s.groups[r.IntN(n)]
		g.IDs = append(g.IDs, zecsim.InstanceID(i))
		if chance(r, 0.02) {
			g.IDs = append(g.IDs, " "+zecsim.InstanceID(i)+"\t")
		}
		if chance(r, 0.02) {
			other := &s.groups[r.IntN(n)]
			other.IDs = append(other.IDs, zecsim.InstanceID(i))
		}
		if chance(r, 0.005) {
			g.IDs = append(g.IDs, fmt.Sprintf("i-nowhere%d", i), "")
		}
	}
	if chance(r, 0.05) {
		s.groups = append(s.groups, batcher.Group{Name: "broken", Err: errors.New("broken.txt: permission denied")})
	}
}

func (s *scenario) drawFaults(r *rand.Rand) {
	if chance(r, 0.5) {
		s.faulty = true
		for range 1 + r.IntN(3) {
			s.sim.Faults = append(s.sim.Faults, s.mildFault(r))
		}
	}
	if chance(r, 0.3) {
		s.outage = true
		from := between(r, 0, time.Minute)
		f := zecsim.Fault{
			Kind:        draw(r, zecsim.FaultLostBefore, zecsim.FaultError5xx, zecsim.FaultHTML, zecsim.FaultHTML200, zecsim.FaultAppliedLost, zecsim.FaultSlow, zecsim.FaultTruncated, zecsim.FaultChallenge, zecsim.FaultLegal451),
			Probability: draw(r, 1, 1, 0.8),
			Windows:     []zecsim.Window{{From: from, To: from + between(r, 5*time.Second, 8*time.Minute)}},
		}
		if f.Kind == zecsim.FaultHTML {
			f.Status = draw(r, 0, 400, 401, 403, 404, 407, 413)
		}
		if chance(r, 0.4) {
			f.Actions = []string{draw(r, apiclient.ActionStartInstances, apiclient.ActionDescribeInstancesStatus)}
		}
		s.sim.Faults = append([]zecsim.Fault{f}, s.sim.Faults...)
	}
	if chance(r, 0.15) {
		from := between(r, 0, 30*time.Second)
		s.sim.Refusals = []zecsim.Refusal{{
			Code: draw(r, soldOut, "ACCOUNT_ARREARS"), Status: draw(r, 0, 402),
			Windows: []zecsim.Window{{From: from, To: from + between(r, time.Second, 4*time.Minute)}},
		}}
	}
	if chance(r, 0.1) {
		s.hasLimit = true
		s.sim.ActionLimits = map[string]*zecsim.Limit{
			draw(r, apiclient.ActionStartInstances, apiclient.ActionDescribeInstancesStatus): {Rate: max(1, s.rate*(0.1+r.Float64()))},
		}
	}
	if chance(r, 0.4) {
		s.hasLimit = true
		l := &zecsim.Limit{
			Rate: max(1, s.rate*(0.1+r.Float64())), Statuses: draw(r, nil, []int{429}, []int{400, 403, 429}),
			RetryAfter: draw(r, zecsim.RetryAfterNone, zecsim.RetryAfterSeconds, zecsim.RetryAfterDate),
		}
		l.Burst = 1 + r.Float64()*l.Rate
		for at := time.Duration(0); chance(r, 0.6); {
			at += between(r, 5*time.Second, time.Minute)
			l.Changes = append(l.Changes, zecsim.LimitChange{After: at, Rate: 1 + 30*r.Float64()})
		}
		s.sim.Limit = l
	}
}

func (s *scenario) mildFault(r *rand.Rand) zecsim.Fault {
	f := zecsim.Fault{Kind: draw(r, zecsim.FaultKinds()...), Probability: 0.02 + 0.2*r.Float64()}
	switch f.Kind {
	case zecsim.FaultHTML:
		f.Status = draw(r, 0, 400, 401, 403, 404, 407, 413)
	case zecsim.FaultEndless, zecsim.FaultHuge: // each costs the reader megabytes
		f.Probability = 0.01
	}
	return f
}

func (s *scenario) drawInterruptions(r *rand.Rand) {
	if chance(r, 0.15) || s.hasLimit && chance(r, 0.2) {
		s.tight, s.deadline = true, between(r, 0, 90*time.Second)
	}
	if chance(r, 0.1) {
		s.cancelAt = between(r, 0, 90*time.Second)
	}
	if chance(r, 0.2) {
		for range 1 + r.IntN(3) {
			s.kills = append(s.kills, between(r, 0, 40*time.Second))
		}
		s.pause = between(r, 0, 5*time.Second)
	}
	if chance(r, 0.15) {
		s.journalTakes = between(r, 0, 150*time.Millisecond)
	}
	if chance(r, 0.07) {
		s.credBreak = true
		from := between(r, 0, time.Minute)
		s.sim.Faults = append([]zecsim.Fault{{Kind: zecsim.FaultAuthFailure, Probability: 1, Windows: []zecsim.Window{{From: from}}}}, s.sim.Faults...)
	}
}

// refusesKeys: some reply refused the credentials.
func (s *scenario) refusesKeys() bool {
	return slices.ContainsFunc(s.sim.Faults, func(f zecsim.Fault) bool { return f.Kind == zecsim.FaultAuthFailure })
}

// blocks: something in front of the API refuses requests.
func (s *scenario) blocks() bool {
	return slices.ContainsFunc(s.sim.Faults, func(f zecsim.Fault) bool {
		return f.Kind == zecsim.FaultChallenge || f.Kind == zecsim.FaultLegal451 || f.Kind == zecsim.FaultHTML && f.Status/100 == 4
	})
}

// blocksNowAndThen: some replies, all through the run, say that this host is blocked.
func (s *scenario) blocksNowAndThen() bool {
	return slices.ContainsFunc(s.sim.Faults, func(f zecsim.Fault) bool {
		return (f.Kind == zecsim.FaultChallenge || f.Kind == zecsim.FaultLegal451) && len(f.Windows) == 0
	})
}
