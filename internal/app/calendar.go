package app

import (
	"context"

	"go.uber.org/zap"

	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/store"
	"zecpower/scheduler/calendar"
)

// useLastRead gives calendars whose files cannot be read the dates that the store has of them. Call
// it before cfg is used.
func (d *Daemon) useLastRead(cfg *config.Config) {
	if len(cfg.UnreadableCalendars) == 0 {
		return
	}
	kept, err := d.store.Calendars(context.Background())
	if err == nil {
		read := make(map[string]calendar.FileDates, len(kept))
		for name, dates := range kept {
			read[name] = calendar.FileDates(dates)
		}
		err = cfg.UseLastRead(read)
	}
	if err != nil {
		d.log.Error("the dates that calendars had when they were last read cannot be read from the store", zap.Error(err))
	}
}

// recordCalendars records what the calendars' files gave, for a start at which they cannot be read.
// Those that cannot be read now keep their records.
func (d *Daemon) recordCalendars(ctx context.Context, cfg *config.Config) {
	read := make(map[string]store.CalendarDates)
	for name, dates := range cfg.FileDates() {
		read[name] = store.CalendarDates(dates)
	}
	var keep []string
	for _, u := range cfg.UnreadableCalendars {
		keep = append(keep, u.Name)
	}
	if err := d.store.RecordCalendars(ctx, read, keep); err != nil && ctx.Err() == nil {
		d.stream.Emit(event.StoreFailed{Op: "record the dates of calendars", Err: err})
	}
}
