package zecsim

import (
	"iter"
	"slices"
	"time"

	"zecpower/apiclient"
)

// RequestRecord is what became of one request.
type RequestRecord struct {
	N         int // from 1, in the order of arrival
	At        time.Time
	Took      time.Duration // until the simulator was done with it
	Action    string        // as sent, known or not
	RequestID string
	IDs       int // instance ids in it, as far as it could be read
	// Malformed says that the request broke the documented form: among others more than 100,
	// repeated or empty ids, or none where some are needed. Such a request counts although a fault
	// keeps it from being judged.
	Malformed bool
	// Fault is what it met; empty where nothing.
	Fault FaultKind
	// Applied says that the simulator did what was asked, whatever the client was answered; for
	// starts and stops that is Accepted instances.
	Applied   bool
	Accepted  int
	Throttled bool
	// Status and Code are what was sent; 0 where the connection broke first.
	Status int
	Code   apiclient.Code
	// Abandoned says that the client left before the reply was out.
	Abandoned bool
	// Note says what the reply keeps to itself, such as what was wrong with a signature.
	Note string
}

// Truth sums up what happened so far. Requests, ByAction, Faults, Throttled and the accepted starts
// and stops count a request as soon as it is judged; the others once it is over, which can be a
// moment after its client has the reply.
type Truth struct {
	At time.Time
	// Requests that arrived, whatever became of them.
	Requests int
	ByAction map[string]int // unknown actions are counted as ""
	ByStatus map[int]int    // by the HTTP status sent; 0 where none was
	Faults   map[FaultKind]int
	// Throttled requests were over the limit; AuthFailures were not let in; Malformed and Abandoned
	// are as in RequestRecord.
	Throttled, AuthFailures, Malformed, Abandoned int
	// AcceptedStarts and AcceptedStops count instances.
	AcceptedStarts, AcceptedStops int
	// MaxPerSecond is the most requests that arrived within less than one second of each other.
	MaxPerSecond int
	// PeakConcurrency is the most requests that were under way at once for longer than an instant:
	// in bubble time a request that ends and the next that begins at the same moment do not count
	// as two. A request whose client gave up ends when its connection does.
	PeakConcurrency int
	// Instances counts those that exist; ByState counts their true states.
	Instances int
	ByState   map[apiclient.State]int
}

// InstanceTruth is what really happened to one instance.
type InstanceTruth struct {
	ID string
	// State is the true state now, StateMissing where it does not exist; Shown is the one in
	// describes, which may lag behind.
	State, Shown apiclient.State
	// AcceptedStarts and AcceptedStops took effect. StartRequests named it and were judged,
	// accepted or not: they passed limits and account-wide refusals. NeedlessStarts of them came
	// while it was STARTING or BOOTING.
	AcceptedStarts, AcceptedStops, StartRequests, NeedlessStarts int
	// OtherStarts and OtherStops count the acts of other actors that took effect, LastOther is when
	// the newest of them did; zero where none did.
	OtherStarts, OtherStops int
	LastOther               time.Time
	// Joins and Leaves are when the API first and last knows it; Leaves is zero where it stays.
	Joins, Leaves time.Time
	// FirstRunning and LastRunning are when it first and last reached RUNNING, also after a stop
	// that failed; zero where it never did.
	FirstRunning, LastRunning time.Time
	// Startable says that it can reach RUNNING, given where it began, with StartsNeeded accepted
	// starts (0: it was there, or gets there by itself), the first of them between StartableFrom
	// and StartableUntil (zero: no end). Stops are not reckoned with, nor are acts of other actors,
	// faults, limits and account-wide refusals: all of them can make it take longer, and other
	// actors can make it take fewer starts.
	Startable                     bool
	StartsNeeded                  int
	StartableFrom, StartableUntil time.Time
}

// Truth returns the sums. Its maps are the caller's.
func (s *Simulator) Truth() Truth {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.tick()
	s.counts.levelHeld(now)
	t := s.counts.truth()
	t.At = s.origin.Add(now)
	t.Instances, t.ByState = s.fleet.existing(now), s.fleet.countStates(now)
	return t
}

// Instance returns the truth about one id; false where the fleet has no such position. An instance
// that is missing from the API may well be in the fleet.
func (s *Simulator) Instance(id string) (InstanceTruth, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	position, ok := s.fleet.find(id)
	if !ok {
		return InstanceTruth{}, false
	}
	return s.instanceTruth(position, s.tick()), true
}

// Instances yields the truth about every instance in the order of the fleet, each as it is when it
// is yielded.
func (s *Simulator) Instances() iter.Seq[InstanceTruth] {
	return func(yield func(InstanceTruth) bool) {
		for i := range s.fleet.instances {
			s.mu.Lock()
			t := s.instanceTruth(i, s.tick())
			s.mu.Unlock()
			if !yield(t) {
				return
			}
		}
	}
}

// Described yields every instance that exists, as an unfiltered DescribeInstances of the newest
// version shows it when it is yielded, in the order of the fleet. It costs no request, so that a
// test can hold what a client found against all that there was to find. Tags are sorted by key.
func (s *Simulator) Described() iter.Seq[apiclient.Instance] {
	return func(yield func(apiclient.Instance) bool) {
		for i := range s.fleet.instances {
			s.mu.Lock()
			in := s.described(i, s.tick())
			s.mu.Unlock()
			if in.State != StateMissing && !yield(in) {
				return
			}
		}
	}
}

func (s *Simulator) described(position int, now time.Duration) apiclient.Instance {
	item := s.item(position, now)
	in := apiclient.Instance{
		InstanceID: item.InstanceID, Name: item.InstanceName, ZoneID: item.ZoneID, State: item.Status,
		InstanceType: item.InstanceType, ResourceGroupID: item.ResourceGroupID,
	}
	if item.Tags != nil {
		for _, tag := range item.Tags.Tags {
			in.Tags = append(in.Tags, apiclient.Tag(tag))
		}
	}
	return in
}

// Requests returns a record of each request that is over, in the order of their ends; none unless
// Options.KeepRequests is set.
func (s *Simulator) Requests() []RequestRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.counts.kept)
}

// Allowed is how many requests the server-side rates let in between two times, bursts left out;
// +Inf where there is no limit.
func (s *Simulator) Allowed(from, to time.Time) float64 {
	return allowed(from.Sub(s.origin), to.Sub(s.origin), s.bucket)
}

// AllowedAction is Allowed for the requests of one action: at any moment the lower of the account's
// rate and the action's counts, as though the account sent no other action.
func (s *Simulator) AllowedAction(action string, from, to time.Time) float64 {
	return allowed(from.Sub(s.origin), to.Sub(s.origin), s.bucket, s.actionBuckets[action])
}

// Started is when the simulator's time began: windows and limit changes count from there.
func (s *Simulator) Started() time.Time { return s.origin }

func (s *Simulator) instanceTruth(position int, now time.Duration) InstanceTruth {
	in := &s.fleet.instances[position]
	state, can := in.state(now), in.kind.startable()
	t := InstanceTruth{
		ID: s.fleet.id(position), State: state, Shown: in.shown(now),
		AcceptedStarts: int(in.starts), AcceptedStops: int(in.stops),
		StartRequests: int(in.startRequests), NeedlessStarts: int(in.needlessStarts),
		Joins: s.wallTime(in.kind.joins), Leaves: s.wallTime(in.kind.leaves),
		FirstRunning: s.wallTime(in.firstRunning), LastRunning: s.wallTime(in.lastRunning),
		Startable: can.possible, StartsNeeded: can.starts,
		StartableFrom: s.origin.Add(can.from), StartableUntil: s.wallTime(can.until),
	}
	if a := in.actors(); a != nil {
		t.OtherStarts, t.OtherStops, t.LastOther = int(a.starts), int(a.stops), s.wallTime(a.last)
	}
	return t
}

// wallTime is the zero time for never and forever.
func (s *Simulator) wallTime(at time.Duration) time.Time {
	if at == never || at == forever {
		return time.Time{}
	}
	return s.origin.Add(at)
}
