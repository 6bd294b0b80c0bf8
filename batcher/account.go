package batcher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/event"
)

// API is what an account needs of the ZEC API. *apiclient.Client implements it. Errors are
// *apiclient.Error. It must be safe for concurrent use, and a call must end by itself in bounded
// time: a run waits for the calls in flight.
type API interface {
	StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error)
	StopInstances(ctx context.Context, ids []string, force bool) (apiclient.PowerReply, error)
	DescribeInstancesStatus(ctx context.Context, q apiclient.StatusQuery) (apiclient.StatusPage, error)
}

// Settings say how an account goes about its work. A reload may move them.
type Settings struct {
	API API
	// Lister answers List; nil where nothing calls that.
	Lister Lister
	Limits
	// Size is how many ids a request names at most, 1–100.
	Size int
	// Attempts is how many failed starts one instance may use up: those that the API refused to it,
	// and those after which it fell back. At least 1. For a start whose reply was lost see the
	// package comment.
	Attempts int
	// PollInterval is how long an instance is left alone between two describes at most, once it, or
	// another that was accepted before, is expected to be there; until then one request an interval
	// describes those that were left alone longest. It stretches by itself when so many are pending
	// that the budget would not keep up.
	PollInterval time.Duration
	// BootTimeout is how long an accepted start may take until RUNNING is seen, and an accepted stop
	// until STOPPED is.
	BootTimeout time.Duration
	// Remember is how long the account remembers what a run wanted of an instance that is final: an
	// older run of the opposite action that comes later is then superseded. The longest catch-up
	// window is enough. 0: as long as a run is in progress.
	Remember time.Duration
}

func (s Settings) validate() error {
	switch {
	case s.API == nil:
		return errors.New("batcher: an API is needed")
	case s.Size < 1 || s.Size > apiclient.MaxInstanceIDs:
		return fmt.Errorf("batcher: batch size %d; it must be 1 to %d", s.Size, apiclient.MaxInstanceIDs)
	case s.Attempts < 1:
		return fmt.Errorf("batcher: %d attempts; at least 1 is needed", s.Attempts)
	case s.PollInterval <= 0 || s.BootTimeout <= 0:
		return errors.New("batcher: poll interval and boot timeout must be over 0")
	}
	return s.Limits.validate()
}

// Config is what an account needs.
type Config struct {
	Settings
	// Name names the account in events. Empty is fine where there is only one.
	Name string
	// Emit receives what happens. Events of a run come from the goroutine that waits for it, and hold
	// up nothing else; a panic there ends that run. Events of the account as a whole (its credentials,
	// its connection, a panic) come while it waits: Emit must be quick and must not call it, and a
	// panic there ends that call alone. Nil: no call.
	Emit func(event.Event)
	// Seed makes the jitter repeatable; 0 draws one.
	Seed uint64
}

// reportPanic passes on a panic that ended a run, a request, or a step of the account.
func (a *Account) reportPanic(p *PanicError) { a.emit(event.InternalError{Err: p, Stack: p.Stack}) }

// Account powers the instances of one ZEC account. It owns every instance in work, the requests
// that wait and the budget; runs submit instances and receive outcomes. It is safe for concurrent
// use. While runs are in progress one goroutine works; without any there is none, and nothing to
// close.
type Account struct {
	cfg     Config            // its name and Emit; the settings below move
	emit    func(event.Event) // for what concerns the account as a whole: a panic ends that call alone
	replies chan reply        // from the goroutines of requests
	wake    chan struct{}     // holds a value while the loop has to look again; capacity 1

	// entry lets one run at a time wait for mu: of a thousand that begin together each would have its
	// turn before the loop, and the first request would leave after the last of them.
	entry sync.Mutex

	// mu guards all below. The loop holds it for a step, not while it waits; callers for a moment.
	mu       sync.Mutex
	looping  bool // the goroutine works
	settings Settings
	budget   *budget
	rng      *rand.Rand

	works     map[string]*work // every instance in work, by id
	left      map[string]left  // what ended runs left behind, by id
	lanes     [lanes]*lane
	runs      []*run    // in progress, in the order in which they came
	unsettled []*run    // that the present step concerned
	soonest   time.Time // when the next deadline of a run is over, or earlier; zero: none has one
	sequence  int       // counts the instances that came into work
	turn      int       // the lane that sent last
	diagnose  queue
	polls     [pollLists]pollList
	watches   [watches]watch
	pages     pages
	listings  []*page // that wait, in the order in which they came
	inFlight  map[*request]bool
	wanted    [priorities]time.Time // since when each priority waits to send; zero: it does not
	waited    time.Duration         // that requests have waited for the budget, all together
	memory    memory

	// failing: the last reply of all showed an API that does not work.
	failing bool
	// contact: some reply came, from the API or a station before it.
	contact bool
	// describedSent is when the newest describe left that the API served.
	describedSent time.Time
	// keySent is when the newest request of a kind left whose credentials the API accepted, be it
	// that it refused something else.
	keySent [kinds]time.Time
}

// NewAccount checks cfg and returns an Account without runs.
func NewAccount(cfg Config) (*Account, error) {
	if err := cfg.Settings.validate(); err != nil {
		return nil, err
	}
	if cfg.Emit == nil {
		cfg.Emit = func(event.Event) {}
	}
	a := &Account{
		cfg: cfg, emit: event.Guarded(cfg.Emit, "an account"), settings: cfg.Settings, replies: make(chan reply), wake: make(chan struct{}, 1), rng: newRand(cfg.Seed),
		works: map[string]*work{}, left: map[string]left{}, inFlight: map[*request]bool{}, memory: memory{of: map[string]int32{}, index: map[string]int32{}},
	}
	a.budget = newBudget(cfg.Limits, a.budgetEvents(), a.rng)
	for l := range a.lanes {
		a.lanes[l] = newLane(a, l)
	}
	return a, nil
}

// budgetEvents passes on what the budget finds out about the account as a whole.
func (a *Account) budgetEvents() budgetEvents {
	name := a.cfg.Name
	return budgetEvents{
		blocked:  func(e *apiclient.Error) { a.emit(event.Blocked{Account: name, Refusal: refusalOf(e, e.Class)}) },
		reached:  func(blockedFor time.Duration) { a.emit(event.BlockedEnded{Account: name, Lasted: blockedFor}) },
		accepted: func(now time.Time) { a.emit(event.CredentialsAccepted{Account: name, At: now}) },
	}
}

// do changes the account's state, and lets the loop look again.
func (a *Account) do(change func(now time.Time)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(time.Now())
	a.poke()
}

func (a *Account) poke() {
	select {
	case a.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Configure moves the settings, as a reload does. Runs in progress go on with the new ones. With an
// error nothing changes.
func (a *Account) Configure(s Settings) error {
	if err := s.validate(); err != nil {
		return err
	}
	a.do(func(now time.Time) {
		a.settings = s
		a.budget.limit(now, s.Limits)
	})
	return nil
}

// Rate is the present rate of an API action, one of [APIActions], in requests a second. It is the
// configured one but for some time after the API has throttled that action.
func (a *Account) Rate(apiAction string) float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.budget.rate(time.Now(), apiAction)
}

// Waited is the time that requests have spent waiting for the budget, all together.
func (a *Account) Waited() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waited
}

// Down reports whether the API counts as down: one probe at a time is sent.
func (a *Account) Down() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.budget.breaker.tripped()
}

// Blocked reports whether the network in front of the API refuses this host.
func (a *Account) Blocked() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.budget.breaker.blocked()
}

// CredentialsAccepted reports whether a reply of the API has accepted the credentials since the
// account was made, or NewCredentials was called.
func (a *Account) CredentialsAccepted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.budget.credentials.accepted
}

// NewCredentials notes that other credentials are in use from now on: what replies said of those
// before is forgotten, and what waited because they were refused may leave.
func (a *Account) NewCredentials() {
	a.do(func(time.Time) { a.budget.newCredentials() })
}
