package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"zecpower/internal/app"
	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/logging"
	"zecpower/internal/power"
	"zecpower/internal/store"
	"zecpower/internal/store/bolt"
	"zecpower/internal/strictyaml"
)

// powerWords are the differences between `start` and `stop`.
type powerWords struct {
	action      power.Action
	done        string // of an instance: "started"
	short, long string
}

var (
	startWords = powerWords{
		power.ActionStart, "started", "Start groups now, in the foreground",
		"Start every stopped instance of the groups, and wait until each is seen RUNNING.",
	}
	stopWords = powerWords{
		power.ActionStop, "stopped", "Stop groups now, in the foreground",
		"Stop every running instance of the groups, and wait until each is seen STOPPED.\nThe guests are asked to shut down; --force cuts their power instead.",
	}
)

type powerFlags struct {
	words    powerWords
	config   string
	output   string
	dryRun   bool
	force    bool
	accept   bool
	detach   bool
	yes      bool
	reason   string
	place    localFlags
	deadline time.Duration
	access   accessFlags
	log      logFlags
}

func newPowerCommand(h *host, words powerWords) *cobra.Command {
	f := powerFlags{words: words}
	name := string(words.action)
	cmd := &cobra.Command{
		Use:   name + " --config FILE GROUP…",
		Short: words.short,
		Long: words.long + `

Where a daemon answers, it makes the run: with its configuration, credential and
budget, and in its history, under your name. Else, or with --local, this process
does, with --config and your own credential.

A progress bar on a terminal, then a table; with --output json one object on
standard output. Logs go to standard error. After Ctrl-C nothing more is sent,
and what happened is reported. A terminal that is lost ends a run of this process
in order, and leaves a run of the daemon to it.

Exit status: 0 every instance is there, 1 some did not get there, 2 wrong usage,
configuration or credentials (nothing was sent).`,
		Example: fmt.Sprintf(`  zecpower %[1]s --config schedules.yaml web db
  zecpower %[1]s --config schedules.yaml web --dry-run
  zecpower %[1]s --config schedules.yaml web --output json | jq -r '.groups[].failures[].instance_id'`, name),
		RunE: func(cmd *cobra.Command, args []string) error { return h.power(cmd, f, args) },
	}
	flags := cmd.Flags()
	configFlag(flags, &f.config)
	outputFlag(flags, &f.output)
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the chunks and requests, send nothing")
	flags.DurationVar(&f.deadline, "deadline", app.DefaultDeadline, "what is not there by then has failed")
	if words.action == power.ActionStop {
		flags.BoolVar(&f.force, "force", false, "cut the power instead of asking the guests to shut down")
	}
	flags.BoolVar(&f.accept, "accept-membership", false, "power whatever members the groups have now, and record them as accepted")
	flags.BoolVar(&f.detach, "detach", false, "print the run's id, and leave the run to the daemon")
	reasonFlag(flags, &f.reason)
	if words.action == power.ActionStop {
		flags.BoolVar(&f.yes, "yes", false, "do not ask on a terminal before anything is stopped")
	}
	f.place.add(cmd)
	f.access.add(flags)
	f.log.add(flags, "", " (default warn beside a progress bar, info otherwise)")
	return cmd
}

func (h *host) power(cmd *cobra.Command, f powerFlags, groups []string) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if f.deadline <= 0 {
		return usageError("--deadline %s: it must be over 0", f.deadline)
	}
	if err := app.CheckReason(f.reason); err != nil {
		return usageError("--reason: %w", err)
	}
	if !f.dryRun {
		o, err := h.daemonFor(cmd, f.place, toSwitch, f.config)
		if err != nil {
			return err
		}
		if o != nil {
			return h.powerThrough(cmd, o, f, groups)
		}
		if f.detach {
			return usageError("--detach leaves a run to the daemon, and none answers%s", nothingSent)
		}
	}
	cfg, err := h.loadRunnable(f.config, exitUsage, nothingSent)
	if err != nil {
		return err
	}
	if groups, err = chooseGroups(cfg, groups); err != nil {
		return err
	}
	if err := h.checkReadable(cfg, groups); err != nil {
		return err
	}
	m := app.Manual{
		Config: cfg, Action: f.words.action, Groups: groups, Deadline: f.deadline, Force: f.force,
		Accepted: h.accepted(""), AcceptMembership: f.accept,
	}
	if !f.dryRun && !h.mayStop(f, groups) {
		return &exit{exitFailed, errors.New("you said no" + nothingSent)}
	}
	if f.dryRun {
		return printPlan(h.stdout, m.Action, m.Plan(), f.output)
	}
	m.Access = map[string]app.Access{}
	for _, a := range cfg.AccountsOf(groups) {
		if m.Access[a.Name], err = f.access.find(h, a); err != nil {
			return err
		}
	}
	return h.powerNow(cmd, f, m)
}

// powerThrough asks a daemon for the run.
func (h *host) powerThrough(cmd *cobra.Command, o *operator, f powerFlags, groups []string) error {
	if len(groups) == 0 {
		return usageError("name at least one group")
	}
	slices.Sort(groups)
	groups = slices.Compact(groups)
	if !h.mayStop(f, groups) {
		return &exit{exitFailed, errors.New("you said no" + nothingSent)}
	}
	return h.order(cmd, o, app.Order{
		Action: f.words.action, Groups: groups, Deadline: f.deadline, Force: f.force, AcceptMembership: f.accept,
		Reason: f.reason,
	}, f)
}

// mayStop asks a person on a terminal before anything is stopped.
func (h *host) mayStop(f powerFlags, groups []string) bool {
	if f.words.action != power.ActionStop || f.yes || !isTerminal(os.Stdin) || !isTerminal(h.stderr) {
		return true
	}
	how := "stop"
	if f.force {
		how = "cut the power of"
	}
	return h.confirmed(fmt.Sprintf("%s %s: %s?", how, count(len(groups), "group"), strings.Join(groups, ", ")))
}

// chooseGroups checks the names; each counts once.
func chooseGroups(cfg *config.Config, names []string) ([]string, error) {
	if len(names) == 0 {
		known := make([]string, 0, len(cfg.Groups))
		for _, g := range cfg.Groups {
			known = append(known, g.Name)
		}
		return nil, usageError("name at least one group; %s has: %s", cfg.Path, strings.Join(known, ", "))
	}
	var chosen []string
	for _, name := range names {
		if _, err := cfg.Group(name); err != nil {
			return nil, usageError("%w", err)
		}
		if !slices.Contains(chosen, name) {
			chosen = append(chosen, name)
		}
	}
	return chosen, nil
}

// checkReadable refuses a run of a group whose instances_file cannot be used. Of other groups, of
// calendars and of included files it only warns: they must not keep this run from being made.
func (h *host) checkReadable(cfg *config.Config, chosen []string) error {
	var bad, others []string
	var problems []config.Problem // each once: groups may share a file
	for _, g := range cfg.Groups {
		switch {
		case len(g.Problems) == 0:
		case !slices.Contains(chosen, g.Name):
			others = append(others, g.Name)
		default:
			bad = append(bad, g.Name)
			for _, p := range g.Problems {
				if !slices.Contains(problems, p) {
					problems = append(problems, p)
				}
			}
		}
	}
	h.printProblems(problems)
	switch {
	case len(bad) > 0 && len(bad) < len(chosen):
		return usageError("%s cannot be read (%s)%s; mend the file, or leave the group out", count(len(bad), "group"), strictyaml.Some(bad), nothingSent)
	case len(bad) > 0:
		return usageError("%s cannot be read (%s)%s; mend the file", count(len(bad), "group"), strictyaml.Some(bad), nothingSent)
	}
	if len(others) > 0 {
		fmt.Fprintf(h.stderr, "warning: %s that this run leaves alone cannot be read (%s); zecpower validate says why\n", count(len(others), "group"), strictyaml.Some(others))
	}
	if files := fileNames(cfg.UnreadableFiles()); len(files) > 0 {
		fmt.Fprintf(h.stderr, "warning: %s that this run does not need %s left out (%s); zecpower validate says why\n", count(len(files), "included file"), plural(len(files), "is", "are"), strictyaml.Some(files))
	}
	if calendars := calendarNames(cfg.UnreadableCalendars); len(calendars) > 0 {
		fmt.Fprintf(h.stderr, "warning: %s, which a run by hand does not use, cannot be read (%s); zecpower validate says why\n", count(len(calendars), "calendar"), strictyaml.Some(calendars))
	}
	return nil
}

// powerNow makes the run. A terminal shows a bar, warnings and the table; a script gets the log on
// standard error and the report.
func (h *host) powerNow(cmd *cobra.Command, f powerFlags, m app.Manual) error {
	bar := newProgress(h.stderr, f.words)
	logger, err := logging.New(f.log.foreground(bar))
	if err != nil {
		return &exit{exitUsage, err}
	}
	for name, access := range m.Access {
		logger.Info("credentials found", zap.String("account", name), zap.String("source", access.Source))
	}
	var accepted sync.Map        // by account
	drawn := event.NewQueue(bar) // a stuck terminal must not hold the run up
	m.Emit = event.Stream{
		logging.NewEvents(logging.EventsConfig{Logger: logger, TableFollows: bar.visible()}), drawn,
		event.Func(func(e event.Event) {
			if e, ok := e.(event.CredentialsAccepted); ok {
				accepted.Store(e.Account, true)
			}
		}),
	}.Emit
	m.KeyAccepted = map[string]bool{}
	for name, access := range m.Access {
		m.KeyAccepted[name] = h.keyAccepted(cmd, app.KeyName(access.Credentials))
	}
	ctx, stop, release := untilHangup(cmd)
	defer release()
	defer stop()
	unhook := context.AfterFunc(ctx, func() {
		stop() // before the message, so that the next signal quits as it says
		const stopping = "stopping: nothing more is sent, requests in flight are awaited; once more to quit at once"
		if !bar.visible() {
			logger.Info(stopping)
			return
		}
		fmt.Fprintln(bar, stopping)
	})
	end, err := m.Run(ctx)
	unhook()
	drawn.Close()
	bar.finish()
	if err != nil {
		return &exit{exitUsage, err}
	}
	var keys []string
	for name, access := range m.Access {
		if _, ok := accepted.Load(name); ok {
			keys = append(keys, app.KeyName(access.Credentials))
		}
	}
	report := end.Report
	h.remember(ctx, end, f.reason, keys, logger)
	if err := h.printReport(report, f); err != nil {
		return &exit{exitFailed, fmt.Errorf("printing the report: %w", err)}
	}
	if report.Result() != power.ResultOK || len(skips(report)) > 0 {
		return &exit{status: exitFailed}
	}
	return nil
}

// keyTimeout bounds the question to a daemon: it must not delay the run.
const keyTimeout = time.Second

// keyAccepted reports whether this user's store, or a daemon that answers, knows that the API
// accepted the access key.
func (h *host) keyAccepted(cmd *cobra.Command, key string) bool {
	if key == "" {
		return false
	}
	if dir, err := h.stateDir(""); err == nil && app.KeyOnRecord(dir, key) {
		return true
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), keyTimeout)
	defer cancel()
	s, err := askStatus(ctx, h.daemonPlaces(""))
	return err == nil && slices.Contains(s.AcceptedKeys, key)
}

// remember records a run by hand in this user's store, for history, with the reason that was given, and
// that its access key was accepted where acceptedKeys names it. Where a daemon holds the store,
// or it cannot be written, the run does not fail.
func (h *host) remember(ctx context.Context, end app.ManualEnd, reason string, acceptedKeys []string, logger *zap.Logger) {
	dir, err := h.stateDir("")
	if err == nil {
		err = app.RecordManual(context.WithoutCancel(ctx), dir, end, reason, acceptedKeys)
	}
	if held, ok := errors.AsType[*bolt.HeldError](err); ok {
		// The error's own text advises to stop the daemon.
		err = fmt.Errorf("a running daemon holds %s", held.Path)
	}
	if err != nil {
		logger.Info("this run will not be in zecpower history", zap.Error(err))
		if slices.ContainsFunc(end.Accepted, func(a store.Acceptance) bool { return a.By != "" }) {
			logger.Warn("the members of this run were powered, but not recorded as accepted: the next scheduled run may keep newcomers out", zap.Error(err))
		}
	}
}

func (h *host) printReport(r power.Report, f powerFlags) error {
	if f.output == outputJSON {
		return printJSON(h.stdout, r)
	}
	return printReportTable(h.stdout, r, f.force, h.colours())
}

// foreground is the log configuration of a run by hand: warnings beside a bar, the default level
// without one.
func (f logFlags) foreground(bar *progress) logging.Config {
	cfg := logging.Config{Level: f.level, Format: f.format, Output: bar.out()}
	if bar.visible() {
		cfg.Format = cmp.Or(cfg.Format, logging.FormatConsole)
		cfg.Level = cmp.Or(cfg.Level, "warn")
	}
	return cfg
}
