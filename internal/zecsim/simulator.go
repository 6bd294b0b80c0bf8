package zecsim

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"zecpower/apiclient"
)

// maxBody bounds a request's body; 100 ids need a few kilobytes.
const maxBody = 1 << 20

// maxRemembered bounds how many different requests are counted for the seed's sake; past it the
// counts begin anew.
const maxRemembered = 1 << 20

// Simulator is one simulated account. It is safe for concurrent use.
type Simulator struct {
	opts   Options
	keys   keyring
	origin time.Time // when New was called; times inside are since then

	mu sync.Mutex // guards what follows; never held while waiting
	// now never goes back, even where Options.Now does.
	now    time.Duration
	fleet  *fleet
	seen   map[uint64]uint64
	counts counts
	// faultsMet counts the requests that met each of Options.Faults.
	faultsMet []int
	// The account's limit and those of actions; nil and missing where there is none.
	bucket        *bucket
	actionBuckets map[string]*bucket
}

// New checks the options and returns a simulator whose time begins now.
func New(o Options) (*Simulator, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if len(o.Credentials) == 0 {
		o.Credentials = []apiclient.Credentials{{AccessKeyID: "demo", AccessKeySecret: apiclient.NewSecret("demo")}}
	}
	f, err := newFleet(&o)
	if err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	o.Fleet, o.Overrides = nil, nil // the fleet holds all of it
	return &Simulator{
		opts: o, keys: newKeyring(o.Credentials), origin: o.Now(),
		fleet: f, seen: map[uint64]uint64{}, counts: newCounts(), faultsMet: make([]int, len(o.Faults)),
		bucket: newBucket(o.Limit), actionBuckets: newBuckets(o.ActionLimits),
	}, nil
}

// tick returns the time since the beginning. Call it with mu held.
func (s *Simulator) tick() time.Duration {
	s.now = max(s.now, s.opts.Now().Sub(s.origin))
	return s.now
}

// serverTime is the simulated server's wall clock.
func (s *Simulator) serverTime() time.Time { return s.opts.Now().Add(s.opts.ClockOffset) }

// exchange is one request on its way through the simulator.
type exchange struct {
	record    RequestRecord
	version   string        // of the API, as sent
	at        time.Duration // arrival
	rng       *rand.Rand    // this request's own
	fault     *Fault        // nil where it meets none
	requestID string
	ids       []string // of the body, as far as it could be read
	order     uint64   // decides which instances move on the pages of this request
}

// ServeHTTP answers one request. Where the connection has to break it panics with
// http.ErrAbortHandler, as net/http expects.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.arrive(r)
	defer s.leave(x)
	body, refusal := readBody(w, r)
	x.readIDs(body)
	s.decideFate(x, body)
	answer := s.answer(x, r, body, refusal)
	x.deliver(s, w, r, answer)
}

// arrive records a request before anything is known of it but its headers.
func (s *Simulator) arrive(r *http.Request) *exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := &exchange{at: s.tick(), version: r.Header.Get(apiclient.HeaderVersion)}
	x.record = RequestRecord{At: s.origin.Add(x.at), Action: r.Header.Get(apiclient.HeaderAction)}
	x.record.N = s.counts.arrive(x.at, x.record.Action)
	x.requestID = fmt.Sprintf("T%08x%08x", uint32(mix(s.opts.Seed, uint64(x.record.N))), x.record.N)
	x.record.RequestID = x.requestID
	return x
}

// leave records how a request ended, also while a panic breaks the connection.
func (s *Simulator) leave(x *exchange) {
	s.mu.Lock()
	now := s.tick()
	x.record.Took = now - x.at
	s.counts.leave(now, x.record, s.opts.KeepRequests)
	s.mu.Unlock()
	if s.opts.OnRequest != nil {
		s.opts.OnRequest(x.record)
	}
}

// readIDs notes which instances the request names, also where it is going to be lost.
func (x *exchange) readIDs(body []byte) {
	var in struct {
		InstanceIDs []string `json:"instanceIds"`
	}
	if len(body) > 0 && json.Unmarshal(body, &in) != nil {
		return
	}
	x.ids, x.record.IDs = in.InstanceIDs, len(in.InstanceIDs)
	x.record.Malformed = checkIDs(x.ids, x.leastIDs()) != nil
}

// leastIDs is how many ids the action must be given.
func (x *exchange) leastIDs() int {
	if x.record.Action == apiclient.ActionStartInstances || x.record.Action == apiclient.ActionStopInstances {
		return 1
	}
	return 0
}

// decideFate gives the request its own random numbers, which follow from what it asks and how often
// that was asked, and rolls its fault.
func (s *Simulator) decideFate(x *exchange, body []byte) {
	h := fnv.New64a()
	h.Write([]byte(x.record.Action))
	h.Write([]byte{0})
	h.Write(body)
	request := mix(h.Sum64(), s.nth(h.Sum64()))
	x.order = mix(s.opts.Seed, request)
	x.rng = rand.New(rand.NewPCG(s.opts.Seed, request))
	x.fault = s.rollFault(x)
}

// nth counts how often a request was asked, from 1.
func (s *Simulator) nth(request uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) >= maxRemembered {
		clear(s.seen)
	}
	s.seen[request]++
	return s.seen[request]
}

// mix hashes numbers into one whose bits spread evenly.
func mix(numbers ...uint64) uint64 {
	h := fnv.New64a()
	for _, n := range numbers {
		h.Write(binary.LittleEndian.AppendUint64(nil, n))
	}
	z := h.Sum64() // FNV spreads little into the high bits; the finalizer of splitmix64 does
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// uniform is a number in [0, 1) that follows from the given ones.
func uniform(numbers ...uint64) float64 {
	return float64(mix(numbers...)>>11) / (1 << 53)
}
