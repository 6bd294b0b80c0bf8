package logging

import (
	"errors"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zecpower/internal/store"
	"zecpower/scheduler"
)

// scheduleEvents implements scheduler.Observer apart from Events, because batcher.Observer has
// methods of the same names.
type scheduleEvents struct{ e *Events }

// Scheduler returns the scheduler.Observer that logs to e.
func (e *Events) Scheduler() scheduler.Observer { return scheduleEvents{e} }

// skippedGroup is what skips have in common that are logged as info once.
type skippedGroup struct {
	cause    scheduler.DecisionKind
	calendar string
	day      string // UTC
}

// RunStarted implements scheduler.Observer. The batcher's own event follows.
func (scheduleEvents) RunStarted(scheduler.Firing) {}

// RunFinished implements scheduler.Observer. The batcher's event reports the groups; this one
// reports a run that failed as a whole.
func (s scheduleEvents) RunFinished(f scheduler.Firing, r scheduler.RunEnd, took time.Duration) {
	s.e.forget(f.RunID)
	if r.Err == nil {
		return
	}
	fields := append(firingFields(f), zap.String(keyResult, string(r.Result)), seconds(took), zap.String(keyError, errorText(r.Err)))
	if p, ok := errors.AsType[*scheduler.PanicError](r.Err); ok {
		fields = append(fields, zap.ByteString("stack", p.Stack))
	}
	s.e.logger.Error(EventRunFinished, fields...)
}

// RunSuspended implements scheduler.Observer.
func (s scheduleEvents) RunSuspended(f scheduler.Firing) {
	s.e.forget(f.RunID)
	s.e.logger.Warn("run suspended, the next start resumes it", firingFields(f)...)
}

// RunMissed implements scheduler.Observer.
func (s scheduleEvents) RunMissed(m scheduler.Missed) {
	fields := append(stretchFields(m.Schedule, m.Nominal, m.Last, m.Count), zap.String(keyReason, string(m.Reason)))
	if m.AtLeast {
		fields = append(fields, zap.Bool("at_least", true))
	}
	s.e.logger.Warn(EventScheduleMissed, fields...)
}

// RunSkipped implements scheduler.Observer. It is a warning where the previous run was still going.
// Of excluded and paused times the first one of a UTC day and cause is info and the others are
// debug: a paused "@every 10s" would be 8,640 lines a day.
func (s scheduleEvents) RunSkipped(k scheduler.Skipped) {
	fields := append(stretchFields(k.Schedule, k.Nominal, k.Last, k.Count), zap.String(keyReason, string(k.Cause)))
	if k.Calendar != "" {
		fields = append(fields, zap.String("calendar", k.Calendar))
	}
	level := zapcore.WarnLevel
	if k.Cause != scheduler.DecisionOverlap {
		level = s.e.skipLevel(k)
	}
	s.e.logger.Log(level, EventScheduleSkipped, fields...)
}

func (e *Events) skipLevel(k scheduler.Skipped) zapcore.Level {
	e.mu.Lock()
	defer e.mu.Unlock()
	g := skippedGroup{k.Cause, k.Calendar, k.Nominal.UTC().Format(time.DateOnly)}
	if e.skips[k.Schedule] == g {
		return zapcore.DebugLevel
	}
	e.skips[k.Schedule] = g
	return zapcore.InfoLevel
}

// ClockStepped implements scheduler.Observer.
func (s scheduleEvents) ClockStepped(delta time.Duration) {
	s.e.logger.Warn(EventClockStepped, zap.Float64("step_seconds", delta.Round(time.Millisecond).Seconds()))
}

// NextRun implements scheduler.Observer.
func (scheduleEvents) NextRun(string, time.Time) {}

// LastRun implements scheduler.Observer.
func (scheduleEvents) LastRun(string, store.LastRun) {}

// StoreFailed implements scheduler.Observer. It logs an error once a dedup window, because the loop
// tries again each round.
func (s scheduleEvents) StoreFailed(op string, err error) {
	level := zapcore.DebugLevel
	if s.e.isNew(dedupKey{apiAction: op, fingerprint: errorText(err)}) {
		level = zapcore.ErrorLevel
	}
	s.e.logger.Log(level, "store not written, runs go on", zap.String("operation", op), zap.String(keyError, errorText(err)))
}

func firingFields(f scheduler.Firing) []zap.Field {
	return []zap.Field{
		zap.String(keyRunID, f.RunID), zap.String(keySchedule, f.Schedule), zap.String(keyAction, string(f.Action)),
		zap.Strings("groups", f.Groups), zap.Time(keyScheduledAt, f.Nominal),
	}
}

// stretchFields name a stretch of nominal times by its first, and where it has more than one, also
// by its last and their number.
func stretchFields(schedule string, first, last time.Time, count int) []zap.Field {
	fields := []zap.Field{zap.String(keySchedule, schedule), zap.Time(keyScheduledAt, first)}
	if count > 1 {
		fields = append(fields, zap.Time("last_scheduled_at", last), zap.Int("count", count))
	}
	return fields
}
