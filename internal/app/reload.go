package app

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"zecpower/internal/config"
	"zecpower/internal/logging"
	"zecpower/scheduler"
)

// watchEvery is how often the configuration's files are looked at. Looking
// works on every file system, network and overlay ones among them, and however
// an editor or a configuration manager replaces a file.
const watchEvery = 2 * time.Second

// reloadState is how the last reload went.
type reloadState struct {
	at  time.Time // of the configuration in use
	err error     // of the last try; nil where it is in use
}

// startReloading reloads on hangup and when a file of the configuration changes.
func (d *Daemon) startReloading(ctx context.Context, cfg *config.Config, down *teardown) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.reloading(ctx, newWatch(cfg.Files))
	}()
	down.push("reloading", func() error { cancel(); <-done; return nil })
}

func (d *Daemon) reloading(ctx context.Context, w *watch) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.opts.Hangup:
			d.reload(w)
		case <-ticker.C:
			if w.changed() {
				d.reload(w)
			}
		}
	}
}

// reload puts a new configuration to use, or keeps the running one.
func (d *Daemon) reload(w *watch) {
	d.notify.reloading()
	defer d.notify.ready()
	if err := d.replace(w); err != nil {
		d.metrics.ConfigRejected()
		d.events.ConfigurationRejected(d.opts.ConfigPath, err)
		d.reloaded.Store(&reloadState{at: d.reloaded.Load().at, err: err})
	}
}

// replace is all or nothing: what can fail comes first.
func (d *Daemon) replace(w *watch) error {
	w.remember()
	cfg, err := d.opts.Load()
	if err != nil {
		return err
	}
	next, err := d.account.prepare(cfg)
	if err != nil {
		return err
	}
	before := d.current.Load()
	if err := d.account.limit(cfg); err != nil {
		return err
	}
	d.use(next)
	if err := d.loop.Reload(cfg.Schedules); err != nil {
		return fmt.Errorf("schedules: %w", err)
	}
	before.client.Close()
	w.follow(cfg.Files)
	d.warn(cfg)
	d.events.ConfigurationReloaded(cfg.Path, changes(before.config.Schedules, cfg.Schedules, time.Now()))
	return nil
}

// changes compares two sets of schedules by name.
func changes(before, after []scheduler.Schedule, now time.Time) logging.Changes {
	old := make(map[string]*scheduler.Schedule, len(before))
	for i := range before {
		old[before[i].Name] = &before[i]
	}
	var c logging.Changes
	for i := range after {
		s := &after[i]
		was, known := old[s.Name]
		delete(old, s.Name)
		switch {
		case !known:
			c.Added = append(c.Added, s.Name)
		case !nextRun(was, now).Equal(nextRun(s, now)) || was.Timetable.String() != s.Timetable.String() || was.Zone.String() != s.Zone.String():
			c.Moved = append(c.Moved, s.Name)
		case differs(was, s):
			c.Changed = append(c.Changed, s.Name)
		}
	}
	for name := range old {
		c.Removed = append(c.Removed, name)
	}
	slices.Sort(c.Removed)
	return c
}

// nextRun is when a schedule begins its next run; zero where it has none.
func nextRun(s *scheduler.Schedule, now time.Time) time.Time {
	n := 0
	for o := range s.Occurrences(now, time.Time{}) {
		if o.Status == scheduler.StatusDue {
			return o.Run
		}
		if n++; n == 1000 {
			break
		}
	}
	return time.Time{}
}

func differs(a, b *scheduler.Schedule) bool {
	return a.Action != b.Action || !slices.Equal(a.Groups, b.Groups) || a.CatchUp != b.CatchUp ||
		a.Overlap != b.Overlap || a.Jitter != b.Jitter || a.Deadline != b.Deadline || a.Paused != b.Paused
}

// watch notices that a file is not what it was when it was last read. A file
// that is still being written is left until it has been still for one look.
type watch struct {
	files []string
	read  []stamp // as it was read
	seen  []stamp // at the last look
}

// stamp tells two states of a file apart. The zero stamp is a file that is not there.
type stamp struct {
	size  int64
	mtime time.Time
	mode  os.FileMode
}

func newWatch(files []string) *watch {
	w := &watch{}
	w.follow(files)
	w.remember()
	return w
}

// follow watches other files from now on; those that are new count as read.
func (w *watch) follow(files []string) {
	if slices.Equal(files, w.files) {
		return
	}
	w.files = slices.Clone(files)
	w.remember()
}

// remember notes that the files are about to be read.
func (w *watch) remember() {
	w.read = stamps(w.files)
	w.seen = w.read
}

// changed reports whether the files differ from what was read and have come to rest.
func (w *watch) changed() bool {
	now := stamps(w.files)
	still := slices.Equal(now, w.seen)
	w.seen = now
	return still && !slices.Equal(now, w.read)
}

func stamps(files []string) []stamp {
	all := make([]stamp, len(files))
	for i, name := range files {
		if info, err := os.Stat(name); err == nil {
			all[i] = stamp{info.Size(), info.ModTime(), info.Mode()}
		}
	}
	return all
}
