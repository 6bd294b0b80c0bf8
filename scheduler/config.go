package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zecpower/internal/event"
	"zecpower/internal/store"
)

// Config is everything that a Loop needs. Prepare, Store and Emit are required.
type Config struct {
	// Schedules are the first schedules; none is allowed. Loop.Reload replaces them. A caller must
	// not change them once they are passed.
	Schedules []Schedule
	// Prepare makes a run ready: it finds the instances of its groups. The loop calls it, and then
	// the run that it returns, from goroutines of their own, several at the same time, and never
	// twice for one RunID in a process. A run that is not ready within prepareWait holds up no
	// other. ctx ends when the daemon stops. A panic of either ends that run alone, with a
	// *PanicError.
	Prepare func(ctx context.Context, f Firing) Prepared
	// Gather is called where n runs begin together, at least two. What it returns is Firing.Round of
	// each, so that they can share what they ask for. Nil: Firing.Round is nil.
	Gather func(n int) Round
	// Store keeps what must survive a crash.
	Store store.Store
	// Recalled is called with what the store has of earlier processes, once it could be read, and before
	// a run that they left is resumed, and with the runs by hand among them that have no end, which are the
	// caller's to resume. The call comes from the goroutine of Loop.Run. Nil: no call.
	Recalled func(store.State, []ByHand)
	// Emit receives what the loop does, as it does it. The calls come from the goroutine of Loop.Run:
	// they never overlap, and a slow one delays decisions. A panic ends that one call.
	Emit func(event.Event)
	// Clock is read once or more a round. Nil: SystemClock.
	Clock Clock
	// Heartbeat is the longest sleep between two rounds. 0: DefaultHeartbeat. Negative is an error.
	Heartbeat time.Duration
	// Alive is called at the end of each round, and within a round that decides very many
	// schedules. While the loop works it is called at least once a heartbeat, so a watchdog can be
	// fed with it. Nil: no call.
	Alive func()
}

// DefaultHeartbeat is the longest time between two rounds, and so the longest that the loop takes
// to notice a clock step or a suspend.
const DefaultHeartbeat = 15 * time.Second

// New returns a Loop that has not begun: Loop.Run begins it. The error says what in cfg is missing
// or invalid, for schedules all problems at once.
func New(cfg Config) (*Loop, error) {
	switch {
	case cfg.Prepare == nil:
		return nil, errors.New("scheduler: no function that prepares runs")
	case cfg.Store == nil:
		return nil, errors.New("scheduler: no store")
	case cfg.Emit == nil:
		return nil, errors.New("scheduler: no function that receives events")
	case cfg.Heartbeat < 0:
		return nil, fmt.Errorf("scheduler: heartbeat %s: negative", cfg.Heartbeat)
	}
	if err := validate(cfg.Schedules); err != nil {
		return nil, err
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = DefaultHeartbeat
	}
	if cfg.Clock == nil {
		cfg.Clock = SystemClock()
	}
	if cfg.Recalled == nil {
		cfg.Recalled = func(store.State, []ByHand) {}
	}
	if cfg.Alive == nil {
		cfg.Alive = func() {}
	}
	cfg.Emit = event.Guarded(cfg.Emit, "the decision loop")
	return &Loop{
		cfg: cfg, writing: context.Background(), ends: make(chan ended), wake: make(chan struct{}, 1), changes: make(chan func()), stopped: make(chan struct{}),
		starting: true, entries: make(map[string]*entry, len(cfg.Schedules)), made: map[string]intention{},
	}, nil
}
