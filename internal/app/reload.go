package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"go.uber.org/zap"

	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/scheduler"
)

// watchEvery is how often the configuration's files are checked. Polling works on every file
// system, network and overlay ones included, and however an editor or a configuration manager
// replaces a file.
const watchEvery = 2 * time.Second

// retryEvery is how often a refused configuration, or an included file, or one of a group or
// calendar, that could not be used, is read again. The cause may be a file that is not watched yet,
// because only an accepted configuration says which files it names, or something that the watch
// does not see, such as a file's owner.
const retryEvery = 30 * time.Second

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
		d.recordCalendars(ctx, cfg)
		d.reloading(ctx, newWatch(cfg.Files, cfg.Globs...))
	}()
	down.push("reloading", func() error { cancel(); <-done; return nil })
}

func (d *Daemon) reloading(ctx context.Context, w *watch) {
	check, retry := time.NewTicker(watchEvery), time.NewTicker(retryEvery)
	defer check.Stop()
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.opts.Hangup:
			w.retrying = false
			d.reload(ctx, w)
		case <-check.C:
			if w.changed() {
				w.retrying = false
				d.reload(ctx, w)
			}
		case <-retry.C:
			if d.reloaded.Load().err != nil || mended(d.current.Load()) || d.found() {
				w.retrying = true
				d.reload(ctx, w)
			}
		}
	}
}

// found reports whether an account that had no credential has one now.
func (d *Daemon) found() bool {
	cfg, set := d.current.Load(), d.accounts.Load()
	if set == nil {
		return false
	}
	for name := range set.missing {
		if _, err := d.opts.Access(*cfg.Account(name)); err == nil {
			return true
		}
	}
	return false
}

// mended reports whether included files or calendars that could not be read can be now, or a group.
// As long as a file or a calendar cannot, a reload would be refused.
func mended(cfg *config.Config) bool {
	out := cfg.UnreadableFiles()
	for i := range out {
		if !out[i].Mended() {
			return false
		}
	}
	for _, u := range cfg.UnreadableCalendars {
		if !u.Mended() {
			return false
		}
	}
	return len(out)+len(cfg.UnreadableCalendars) > 0 || slices.ContainsFunc(cfg.Groups, func(g *config.Group) bool {
		if len(g.Problems) == 0 {
			return false
		}
		_, err := g.IDs()
		return err == nil
	})
}

// reload puts a new configuration to use, or keeps the running one.
func (d *Daemon) reload(ctx context.Context, w *watch) {
	d.notify.reloading()
	defer d.notify.ready()
	err := d.replace(ctx, w)
	if err == nil || errors.Is(err, scheduler.ErrStopped) { // the daemon is stopping: no error
		return
	}
	before := d.reloaded.Load()
	again := w.retrying && before.err != nil && before.err.Error() == err.Error()
	d.stream.Emit(event.ConfigurationRejected{Path: d.opts.Config.Path, Err: err, Again: again})
	d.reloaded.Store(&reloadState{at: before.at, err: err})
}

// replace puts the configuration on disk to use, all of it or nothing.
func (d *Daemon) replace(ctx context.Context, w *watch) error {
	w.remember()
	cfg, err := d.load(w.retrying)
	if err == nil {
		err = cfg.Complete()
	}
	if err != nil {
		return err
	}
	c, err := d.changeAccounts(cfg)
	if err != nil {
		return err
	}
	before := c.was
	err = c.apply()
	// A run of a new schedule may begin at once, so its groups and accounts must be known before the
	// loop reloads.
	d.inForce(cfg, c.after)
	if err == nil {
		err = d.loop.Reload(cfg.Schedules)
	}
	if err != nil {
		c.undo()
		d.inForce(before, c.before)
		return err
	}
	d.inUse()
	c.done(d.stream.Emit)
	c.after.emitMissing(d.stream.Emit)
	w.follow(cfg.Files, cfg.Globs...)
	d.warn(cfg)
	d.logUnreadable(cfg)
	d.emitDifference(cfg.Path, compare(before.Schedules, cfg.Schedules, time.Now()))
	d.recordCalendars(ctx, cfg)
	return nil
}

// inForce makes runs that begin from now on use a configuration.
func (d *Daemon) inForce(cfg *config.Config, set *accounts) {
	d.current.Store(cfg)
	d.accounts.Store(set)
	d.metrics.SetKnown(known(cfg, set))
}

// load reads the configuration. It returns a parser's panic as an error: a bad file must cost a
// reload, not the daemon and its runs. again says that the stack of this panic is logged already.
func (d *Daemon) load(again bool) (cfg *config.Config, err error) {
	defer func() {
		if v := recover(); v != nil {
			if !again {
				d.log.Error("reading the configuration panicked", zap.Any("panic", v), zap.Stack("stack"))
			}
			cfg, err = nil, fmt.Errorf("%s: cannot be read: %v", d.opts.Config.Path, v)
		}
	}()
	return d.opts.Load()
}

// watch detects that a file differs from what was last read, and that patterns match another one. A
// file that is still being written counts only once two checks in a row saw it the same.
type watch struct {
	files []string
	globs []string
	read  []stamp // as it was read
	seen  []stamp // at the last check

	// retrying says that retryEvery caused the present reload, so that the same refusal as before
	// is not logged again.
	retrying bool
}

// stamp identifies a state of a file. Of a missing one it has the name alone.
type stamp struct {
	name  string
	size  int64
	mtime time.Time
	mode  os.FileMode
	// inode distinguishes files that a tool swaps with the same size and time, as image builders
	// and immutable systems do.
	inode uint64
}

func newWatch(files []string, globs ...string) *watch {
	w := &watch{}
	w.follow(files, globs...)
	return w
}

// follow replaces the files that are watched, and the patterns whose matches are. New files count
// as read; one that was watched before may have changed since it was read. A match that is not
// among the files was not read.
func (w *watch) follow(files []string, globs ...string) {
	if slices.Equal(files, w.files) && slices.Equal(globs, w.globs) {
		return
	}
	was := make(map[string]stamp, len(w.read))
	for _, s := range w.read {
		was[s.name] = s
	}
	read := stamps(files)
	for i, name := range files {
		if s, ok := was[name]; ok {
			read[i] = s
		}
	}
	w.files, w.globs, w.read, w.seen = slices.Clone(files), slices.Clone(globs), read, read
}

// remember records the files' state before they are read.
func (w *watch) remember() {
	w.read = stamps(w.watched())
	w.seen = w.read
}

// watched are the files, and what the patterns match beyond them.
func (w *watch) watched() []string {
	known := make(map[string]bool, len(w.files))
	for _, name := range w.files {
		known[name] = true
	}
	all := slices.Clone(w.files)
	for _, name := range config.Matches(w.globs) {
		if !known[name] {
			all = append(all, name)
		}
	}
	return all
}

// changed reports whether the files differ from what was read and have not changed since the last
// check.
func (w *watch) changed() bool {
	now := stamps(w.watched())
	still := slices.Equal(now, w.seen)
	w.seen = now
	return still && !slices.Equal(now, w.read)
}

func stamps(files []string) []stamp {
	all := make([]stamp, len(files))
	for i, name := range files {
		all[i].name = name
		if info, err := os.Stat(name); err == nil {
			all[i] = stamp{name, info.Size(), info.ModTime(), info.Mode(), inode(info)}
		}
	}
	return all
}

func inode(info os.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}
