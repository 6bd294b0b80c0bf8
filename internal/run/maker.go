package run

import (
	"context"

	"zecpower/batcher"
	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/store"
)

// Config is what a Maker needs. All fields but Account are optional.
type Config struct {
	// Account returns an account by its name; an error says why no group of it can be powered. A Maker
	// that only plans needs none.
	Account func(name string) (Account, error)
	// Emit receives what the stages do; the accounts emit what they do by themselves.
	Emit func(event.Event)
	// Progress returns what an earlier process recorded of a run. Nil: no run is resumed.
	Progress func(ctx context.Context, runID string) (store.Progress, error)
	// Turns are those of all runs of the process that may begin together. Nil: there are none.
	Turns Turns
	// Suspects returns the ids that failed in the last finished run of a group, and why; see
	// batcher.Group.
	Suspects func(group string) map[string]power.Reason
}

// Maker makes runs.
type Maker struct{ cfg Config }

// New returns a Maker.
func New(cfg Config) *Maker {
	if cfg.Emit == nil {
		cfg.Emit = func(event.Event) {}
	}
	cfg.Emit = event.Guarded(cfg.Emit, "a run")
	if cfg.Suspects == nil {
		cfg.Suspects = func(string) map[string]power.Reason { return nil }
	}
	return &Maker{cfg}
}

// passage is one run on its way.
type passage struct {
	run   Run
	known store.Progress // what an earlier process recorded of it
	end   End
}

// End is what became of a run.
type End struct {
	Report power.Report
	Err    error // of the run itself, and of groups that could not be run; nil: none
	// CutOff says that the end of the context kept instances from their outcome.
	CutOff bool
}

// stage is one step on the way.
type stage func(ctx context.Context, p *passage)

// stages is a run's way, in order. Between the first and the last stages lies its beginning, which
// must be recorded before the first request leaves.
func (m *Maker) stages() (before, after []stage) {
	return []stage{m.recall, m.resolve, own}, []stage{m.power, report}
}

// Prepared is a run that is ready to begin.
type Prepared struct {
	passage passage
	after   []stage
}

// Prepare takes a run up to its beginning.
func (m *Maker) Prepare(ctx context.Context, r Run) *Prepared {
	before, after := m.stages()
	p := &Prepared{passage: passage{run: r}, after: after}
	for _, s := range before {
		s(ctx, &p.passage)
	}
	return p
}

// Targets are the run's groups as the store keeps them.
func (p *Prepared) Targets() []store.Targets {
	all := make([]store.Targets, 0, len(p.passage.run.Groups))
	for _, g := range p.passage.run.Groups {
		t := store.Targets{Group: g.Name, IDs: g.IDs}
		if g.Err != nil {
			t.Err = g.Err.Error()
		}
		all = append(all, t)
	}
	return all
}

// Make takes the run from its beginning to its end. It is called once.
func (p *Prepared) Make(ctx context.Context) End {
	for _, s := range p.after {
		s(ctx, &p.passage)
	}
	return p.passage.end
}

// Plan says what the run would send first, and sends nothing. size, rate and burst are those of
// the account.
func (m *Maker) Plan(ctx context.Context, r Run, size int, rate float64, burst int) batcher.Plan {
	planned := m.Prepare(ctx, r).passage.run
	return batcher.PlanRun(planned.batch("", planned.Groups), size, rate, burst)
}
