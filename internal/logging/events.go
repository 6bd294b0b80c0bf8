package logging

import (
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zecpower/internal/event"
)

// defaultInstanceLines is a tenth of what journald takes in 30 seconds.
const defaultInstanceLines = 1000

// EventsConfig is what Events needs.
type EventsConfig struct {
	Logger *zap.Logger
	// InstanceLines is the most lines about single instances of one run; 0 means 1,000.
	InstanceLines int
	// TableFollows says that a person is shown each outcome after the run: the log leaves out the
	// instances that failed and the end of the run.
	TableFollows bool
}

// Events writes the lines of events. It listens, and is safe for concurrent use.
type Events struct {
	cfg EventsConfig

	mu    sync.Mutex      // guards the maps
	lines map[string]int  // about single instances, by run in progress
	last  map[string]said // by scope of a repeat
}

// said is the last line of a scope.
type said struct {
	repeat event.Repeat
	at     time.Time
}

// NewEvents makes an Events.
func NewEvents(cfg EventsConfig) *Events {
	if cfg.InstanceLines == 0 {
		cfg.InstanceLines = defaultInstanceLines
	}
	return &Events{cfg: cfg, lines: map[string]int{}, last: map[string]said{}}
}

// Receive implements event.Listener.
func (e *Events) Receive(of event.Event) {
	ended := endOf(of)
	for l := range of.Lines() {
		switch {
		case e.cfg.TableFollows && (l.Single != "" || ended != ""):
		case l.Single != "":
			if !e.single(l) {
				return
			}
		default:
			e.write(l)
		}
	}
	if ended != "" {
		e.forget(ended)
	}
}

// endOf is the run that an event ends; empty: none.
func endOf(of event.Event) string {
	switch of := of.(type) {
	case event.RunFinished:
		return of.Run.ID
	case event.RunSuspended:
		return of.Run.ID
	}
	return ""
}

// single writes a line about one instance, and reports whether the run may have more of them.
func (e *Events) single(l event.Line) (more bool) {
	e.mu.Lock()
	e.lines[l.Single]++
	n := e.lines[l.Single]
	e.mu.Unlock()
	switch limit := e.cfg.InstanceLines; {
	case n <= limit:
		e.write(l)
	case n == limit+1:
		e.write(event.Line{
			Level: event.Warn, Message: "further failed instances of this run are listed in run finished and in the history only",
			Fields: []event.Field{{Key: "run_id", Value: l.Single}, {Key: "limit", Value: limit}},
		})
	}
	return n <= e.cfg.InstanceLines
}

// write writes a line, a repeat on the debug level.
func (e *Events) write(l event.Line) {
	level := levels[l.Level]
	if l.Repeat.Scope != "" && e.repeats(l.Repeat) {
		level = zapcore.DebugLevel
	}
	entry := e.cfg.Logger.Check(level, l.Message)
	if entry == nil {
		return
	}
	fields := make([]zap.Field, 0, len(l.Fields)+1)
	for _, f := range l.Fields {
		fields = append(fields, zap.Any(f.Key, f.Value))
	}
	entry.Write(append(fields, importance(l))...)
}

var levels = map[event.Level]zapcore.Level{
	event.Debug: zapcore.DebugLevel, event.Info: zapcore.InfoLevel, event.Warn: zapcore.WarnLevel, event.Error: zapcore.ErrorLevel,
}

// repeats notes a line and reports whether it says the same again.
func (e *Events) repeats(r event.Repeat) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	last, known := e.last[r.Scope]
	e.last[r.Scope] = said{r, now}
	return known && last.repeat.Of == r.Of && (r.Window == 0 || now.Sub(last.at) <= r.Window)
}

// forget drops what Events holds of a run, and of errors that did not come again.
func (e *Events) forget(runID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.lines, runID)
	for scope, s := range e.last {
		if s.repeat.Run == runID || s.repeat.Window > 0 && time.Since(s.at) > s.repeat.Window {
			delete(e.last, scope)
		}
	}
}
