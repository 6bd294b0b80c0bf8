package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/version"
	"go.uber.org/zap"

	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/logging"
	"zecpower/internal/metrics"
	"zecpower/internal/run"
	"zecpower/internal/store"
	"zecpower/internal/store/bolt"
	"zecpower/internal/web"
	"zecpower/scheduler"
)

// Options are what a daemon needs. All but the fields said to be optional must be set.
type Options struct {
	// Config is the configuration to begin with.
	Config *config.Config
	// Load reads the configuration again at a reload; nil reads Config.Path.
	Load       func() (*config.Config, error)
	StateDir   string // made, mode 0700, where it does not exist
	RuntimeDir string // where the control socket goes; must exist unless it is StateDir
	// Access finds the credentials of the accounts, at start and where a reload names others.
	Access        FindAccess
	WebAddress    string // empty is web.DefaultAddress
	WebConfigFile string // empty: plain HTTP without authentication
	Logger        *zap.Logger
	// Hangup asks for a reload at each receive; nil is fine.
	Hangup <-chan os.Signal
	// Clock is the machine's own where nil.
	Clock scheduler.Clock
	// Listener receives every event, after metrics and log; nil is fine.
	Listener event.Listener
	// OnReady is called with the address of the web server once everything is up; nil is fine.
	OnReady func(web net.Addr)
}

// ConfigError is a configuration that cannot be used.
type ConfigError struct{ Err error }

// Error implements error.
func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// Daemon makes scheduled runs until it is stopped. Make it with New, run it once.
type Daemon struct {
	opts     Options
	log      *zap.Logger
	metrics  *metrics.Metrics
	stream   event.Stream
	accounts atomic.Pointer[accounts]
	store    store.Store
	loop     *scheduler.Loop
	notify   notifier
	ahead    *ahead
	hands    *hands
	audit    *audit
	skips    *skips
	// progress and suspects listen to the stream.
	progress event.Tally
	suspects *suspects
	started  time.Time

	current  atomic.Pointer[config.Config] // in use
	reloaded atomic.Pointer[reloadState]
	webEnd   atomic.Pointer[error] // why the web server ended by itself; nil while it serves
	ready    atomic.Bool
}

// New checks opts. Nothing is opened yet.
func New(opts Options) (*Daemon, error) {
	if opts.Config == nil || opts.Logger == nil || opts.StateDir == "" || opts.RuntimeDir == "" {
		return nil, errors.New("app: configuration, logger, state folder and runtime folder must be given")
	}
	if opts.Load == nil {
		opts.Load = func() (*config.Config, error) { return config.LoadRunnable(opts.Config.Path) }
	}
	d := &Daemon{
		opts: opts, log: opts.Logger, metrics: metrics.New(), suspects: newSuspects(), started: time.Now(), notify: newNotifier(opts.Logger),
	}
	d.ahead, d.hands, d.audit, d.skips = newAhead(d), newHands(d), newAudit(d), &skips{daemon: d}
	return d, nil
}

// Run makes scheduled runs until ctx ends, waits for the requests in flight and returns nil. The
// next start resumes runs that were in progress. A *ConfigError says that the configuration cannot
// be used. After any error no part runs any more.
func (d *Daemon) Run(ctx context.Context) (err error) {
	var down teardown
	defer func() { err = errors.Join(err, down.run(d.log)) }()

	cfg := d.opts.Config
	if d.store, err = bolt.Open(bolt.Config{Dir: d.opts.StateDir, Warn: d.logStore}); err != nil {
		return err
	}
	down.push("store", d.store.Close)
	if err := d.begin(cfg, &down); err != nil {
		return err
	}
	server, err := d.startWeb(&down)
	if err != nil {
		return err
	}
	d.hands.start(ctx, &down)
	if err := d.startControl(&down); err != nil {
		return err
	}
	sources := d.accounts.Load().sources()
	d.startReloading(ctx, cfg, &down)
	d.ahead.start(ctx, &down)
	d.ready.Store(true)
	d.log.Info("ready", zap.String("config", cfg.Path), zap.String("credentials", sources),
		zap.Stringer("web", server.Addr()), zap.String("state", d.opts.StateDir), zap.String("version", version.Version))
	d.notify.ready()
	if d.opts.OnReady != nil {
		d.opts.OnReady(server.Addr())
	}
	context.AfterFunc(ctx, func() { d.notify.stopping(longestTimeout(d.current.Load())) })
	return d.loop.Run(ctx)
}

// longestTimeout is how long a request of some account may take.
func longestTimeout(cfg *config.Config) (longest time.Duration) {
	for _, a := range cfg.AccountsInUse() {
		longest = max(longest, a.API.Timeout)
	}
	return longest
}

// begin builds what the first configuration needs: the account and the loop.
func (d *Daemon) begin(cfg *config.Config, down *teardown) (err error) {
	outbox := run.NewOutbox(d.store.RecordProgress, func(e event.Event) { d.stream.Emit(e) })
	down.push("progress of runs", outbox.Close)
	d.stream = d.listeners(outbox)
	set, err := openAccounts(cfg, d.opts.Access, d.stream.Emit)
	if err != nil {
		return &ConfigError{err}
	}
	d.accounts.Store(set)
	d.useLastRead(cfg)
	d.current.Store(cfg)
	d.metrics.SetKnown(known(cfg, set))
	d.restoreMetrics()
	d.inUse()
	d.warn(cfg)
	d.logUnreadable(cfg)
	set.emitMissing(d.stream.Emit)
	d.loop, err = scheduler.New(scheduler.Config{
		Schedules: cfg.Schedules, Prepare: d.prepareRun, Gather: gather, Store: d.store, Clock: d.opts.Clock, Alive: d.alive,
		Recalled: d.recalled, Emit: d.stream.Emit,
	})
	return err
}

// listeners are those that receive what happens, in order: what must survive, what is counted, what
// is said.
func (d *Daemon) listeners(outbox *run.Outbox) event.Stream {
	stream := event.Stream{outbox, d.suspects, &d.progress, d.hands, d.metrics, logging.NewEvents(logging.EventsConfig{Logger: d.log})}
	if d.opts.Listener != nil {
		stream = append(stream, d.opts.Listener)
	}
	return stream
}

// logStore logs trouble of the store as an error, because a crash could not be recovered from. A
// nil err means that the trouble is over.
func (d *Daemon) logStore(message string, err error) {
	if err == nil {
		d.log.Info(message)
		return
	}
	d.log.Error(message, zap.Error(err))
}

// inUse records that the current configuration is in use.
func (d *Daemon) inUse() {
	now := time.Now()
	d.metrics.ConfigInUse(now)
	d.reloaded.Store(&reloadState{at: now})
	d.ahead.reloaded()
}

func (d *Daemon) warn(cfg *config.Config) {
	for _, w := range cfg.Warnings {
		d.log.Warn("configuration warning", zap.Stringer("warning", w))
	}
}

// logUnreadable logs, as errors, the included files that are left out, the calendars whose files
// cannot be read, and the groups that will fail at their runs, up to maxReloadLines.
func (d *Daemon) logUnreadable(cfg *config.Config) {
	for _, f := range cfg.UnreadableFiles() {
		d.stream.Emit(event.FileUnreadable{File: f.Name, Without: f.Without(), Err: &config.Invalid{Problems: f.Problems}})
	}
	for _, u := range cfg.UnreadableCalendars {
		d.stream.Emit(event.CalendarUnreadable{Calendar: u.Name, Dates: cfg.Without(u), Err: &config.Invalid{Problems: u.Problems}})
	}
	names := cfg.UnreadableGroups()
	for i, name := range names {
		if i == maxReloadLines {
			d.log.Error("further groups cannot be read: see zecpower validate", zap.Int("groups", len(names)-i))
			return
		}
		if g, err := cfg.Group(name); err == nil {
			d.stream.Emit(event.GroupUnreadable{Group: name, Err: &config.Invalid{Problems: g.Problems}})
		}
	}
}

// known lists what the metrics start at 0 for.
func known(cfg *config.Config, set *accounts) metrics.Known {
	k := metrics.Known{
		Accounts: set.budgets(), CalendarEnds: map[string]time.Time{}, UnreadableCalendars: make(map[string]bool, len(cfg.Calendars)),
		Unreadable: make(map[string]bool, len(cfg.Groups)), Guarded: map[string]bool{},
		UnreadableFiles: make(map[string]bool, len(cfg.Included)),
	}
	for _, f := range cfg.Included {
		k.UnreadableFiles[f.Name] = len(f.Problems) > 0
	}
	for _, g := range cfg.Groups {
		k.Unreadable[g.Name] = len(g.Problems) > 0
		if g.Guard != nil {
			k.Guarded[g.Name] = true
		}
	}
	for _, s := range cfg.Schedules {
		k.Schedules = append(k.Schedules, metrics.KnownSchedule{Name: s.Name, Action: s.Action, Groups: s.Groups})
	}
	for _, c := range cfg.Calendars {
		k.UnreadableCalendars[c.Name()] = false
		if end, ok := c.End(); ok && !end.IsZero() {
			k.CalendarEnds[c.Name()] = time.Date(end.Year, end.Month, end.Day+1, 0, 0, 0, 0, cfg.Timezone)
		}
	}
	for _, u := range cfg.UnreadableCalendars {
		k.UnreadableCalendars[u.Name] = true
	}
	return k
}

func (d *Daemon) startWeb(down *teardown) (*web.Server, error) {
	server, err := web.Start(web.Config{
		Address: d.opts.WebAddress, ConfigFile: d.opts.WebConfigFile, Metrics: d.metrics.Handler(d.log),
		Ready: d.readiness, Version: version.Version, Logger: d.log,
	})
	if err != nil {
		return nil, err
	}
	down.push("web server", watched(server, d.watchWeb))
	return server, nil
}

// watched runs watch beside a server until that ends, and returns what stops and joins both.
func watched(s webServer, watch func(webServer)) (stop func() error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		watch(s)
	}()
	return func() error {
		err := stopper(s.Stop)()
		<-done
		return err
	}
}

// webServer is the part of a web.Server, and of a web.Control, that is watched.
type webServer interface {
	Done() <-chan struct{} // closed once serving has ended
	Err() error            // why it ended by itself; nil after Stop
	Stop(context.Context) error
}

// watchWeb logs an error when the web server ends by itself. The fleet is powered all the same; a
// daemon that is not scraped has an alert of its own.
func (d *Daemon) watchWeb(server webServer) {
	<-server.Done()
	err := server.Err()
	if err == nil {
		return // Stop ended it
	}
	d.webEnd.Store(&err)
	d.log.Error("the web server ended: metrics and health cannot be asked for until the daemon is restarted; runs go on", zap.Error(err))
}

func (d *Daemon) readiness() error {
	if !d.ready.Load() {
		return errors.New("configuration and store are being loaded")
	}
	return nil
}

// startControl serves the commands that ask about the daemon. A failure is logged and no more,
// because the fleet is powered without it, too.
func (d *Daemon) startControl(down *teardown) error {
	reading := web.ControlConfig{
		Dir: d.opts.RuntimeDir, Status: d.statusHandler(), History: d.historyHandler(), Members: d.membersHandler(),
		Groups: d.groupsHandler(), Logger: d.log,
	}
	control, err := web.StartControl(reading)
	switch {
	case errors.Is(err, web.ErrControlBusy):
		return fmt.Errorf("%w (in %s)", err, filepath.Clean(d.opts.RuntimeDir))
	case err != nil:
		d.log.Error("no control socket: zecpower status and history cannot ask this daemon", zap.Error(err))
		return nil
	}
	down.push("control socket", watched(control, d.watchControl))
	path := web.OperatorPath(d.opts.RuntimeDir)
	if d.opts.RuntimeDir != d.opts.StateDir && !web.OperatorsShare(path) {
		d.log.Warn("only root may ask this daemon for runs by hand", zap.String("socket", path),
			zap.String("cause", "the runtime folder has no folder operator with a group of its own and the set-group-id bit"),
			zap.String("remedy", "let the unit make it, as ExecStartPre of the packaged one does, and restart"))
	}
	operator, err := web.StartOperator(web.OperatorConfig{
		Path: path, Control: reading,
		Runs: d.runsHandler(), Cancel: d.cancelHandler(), Accept: d.acceptHandler(),
		Skip: d.skipHandler(), Unskip: d.unskipHandler(),
	})
	if err != nil {
		d.log.Error("no operator socket: runs by hand cannot be asked of this daemon", zap.Error(err))
		return nil
	}
	down.push("operator socket", watched(operator, d.watchControl))
	return nil
}

// watchControl logs an error when the control socket's server ends by itself.
func (d *Daemon) watchControl(control webServer) {
	<-control.Done()
	if err := control.Err(); err != nil {
		d.log.Error("a control socket ended: zecpower status, history and runs by hand cannot ask this daemon until it is restarted; runs go on", zap.Error(err))
	}
}

func userAgent() string {
	if version.Version == "" {
		return "zecpower"
	}
	return "zecpower/" + version.Version
}
