package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"zecpower/internal/app"
	"zecpower/internal/config"
	"zecpower/internal/store"
	"zecpower/internal/web"
	"zecpower/scheduler"
)

// nextPatience is how long next waits for a daemon's skips. Without them it answers all the same.
const nextPatience = 5 * time.Second

type skipFlags struct {
	at, reason, stateDir, output string
}

func newSkipCommand(h *host) *cobra.Command {
	var f skipFlags
	cmd := &cobra.Command{
		Use:   "skip SCHEDULE [--at TIME] --reason TEXT",
		Short: "Ask the daemon to leave out one run of a schedule",
		Long: `Ask the daemon to leave out one run of a schedule: the next one, or the one that is
due at --at, in the timezone of the schedule. A run that waits for its jitter or its
predecessor can be skipped, one that has begun cannot. The daemon goes by it at once,
and after a restart; next, status and history show it, with your name and reason.

Exit status: 0 it is skipped, 1 no daemon answers or its store fails, 2 there is no
such run ahead.`,
		Example: `  zecpower skip weekday-morning --reason "INC-7: no demo tomorrow"
  zecpower skip weekday-evening --at 2026-12-24T18:00 --reason "release night"
  zecpower skip list
  zecpower skip remove weekday-evening/2026-12-24T10:00:00Z`,
		Args: oneArg("name one schedule: zecpower next lists their runs"),
		RunE: func(cmd *cobra.Command, args []string) error { return h.skip(cmd, f, args[0]) },
	}
	cmd.Flags().StringVar(&f.at, "at", "", "the run that is due at this `TIME`: 2026-12-24T18:00 in the timezone of the schedule, or RFC 3339 (default the next one)")
	reasonFlag(cmd.Flags(), &f.reason)
	outputFlag(cmd.Flags(), &f.output)
	stateDirFlag(cmd, &f.stateDir)
	cmd.AddCommand(newSkipListCommand(h), newSkipRemoveCommand(h))
	return cmd
}

func (h *host) skip(cmd *cobra.Command, f skipFlags, schedule string) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	o, err := h.mustOperator(cmd, f.stateDir)
	if err != nil {
		return err
	}
	order := app.SkipOrder{Schedule: schedule, Reason: f.reason, SudoUser: h.getenv("SUDO_USER")}
	if f.at != "" {
		in, err := parseTime(f.at)
		if err != nil {
			return usageError("--at: %w", err)
		}
		order.At = in(zoneOfSchedule(o.status, schedule))
	}
	skip, err := o.askSkip(cmd, web.PathSkip, order)
	if err != nil {
		return err
	}
	if f.output == outputJSON {
		return printJSON(h.stdout, skip)
	}
	fmt.Fprintf(h.stdout, "%s at %s is skipped\n", skip.Schedule, moment(skip.Nominal, time.Now(), skip.Timezone))
	fmt.Fprintf(h.stderr, "zecpower skip remove %s takes it back\n", skip.ID)
	return nil
}

// zoneOfSchedule is the timezone of a schedule of the daemon. For one that it does not have, which it
// will refuse, any zone will do.
func zoneOfSchedule(s app.Status, schedule string) *time.Location {
	i := slices.IndexFunc(s.Plans, func(p app.ScheduleStatus) bool { return p.Schedule == schedule })
	if i < 0 {
		return time.UTC
	}
	return zoneOf(s.Plans[i].Timezone)
}

// askSkip sends an order that the daemon answers with the skip that it is about.
func (o *operator) askSkip(cmd *cobra.Command, path string, order any) (skip store.Skip, err error) {
	ctx, stop := askContext(cmd)
	defer stop()
	body, err := o.client.Post(ctx, path, nil, order)
	if err != nil {
		return skip, refusedOrder(err)
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&skip); err != nil {
		return skip, &exit{exitFailed, fmt.Errorf("the daemon's answer cannot be read: %w", err)}
	}
	return skip, nil
}

func newSkipListCommand(h *host) *cobra.Command {
	var f skipFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the runs that people skipped: those ahead, and those of the last week",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return h.listSkips(cmd, f) },
	}
	outputFlag(cmd.Flags(), &f.output)
	stateDirFlag(cmd, &f.stateDir)
	return cmd
}

func (h *host) listSkips(cmd *cobra.Command, f skipFlags) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	ctx, cancel := askContext(cmd)
	defer cancel()
	s, err := askStatus(ctx, h.daemonPlaces(f.stateDir))
	switch {
	case err != nil:
		return &exit{exitFailed, err}
	case f.output == outputJSON:
		return printJSON(h.stdout, append([]store.Skip{}, s.Skips...))
	case len(s.Skips) == 0:
		_, err := fmt.Fprintln(h.stdout, "no run is skipped")
		return err
	}
	return printSkipTable(h.stdout, s.Skips, s.At)
}

func newSkipRemoveCommand(h *host) *cobra.Command {
	var f skipFlags
	cmd := &cobra.Command{
		Use:   "remove ID",
		Short: "Ask the daemon to make a run after all that was skipped, and lies ahead",
		Args:  oneArg("name one skip: zecpower skip list lists them"),
		RunE:  func(cmd *cobra.Command, args []string) error { return h.unskip(cmd, f, args[0]) },
	}
	reasonFlag(cmd.Flags(), &f.reason)
	stateDirFlag(cmd, &f.stateDir)
	return cmd
}

func (h *host) unskip(cmd *cobra.Command, f skipFlags, id string) error {
	o, err := h.mustOperator(cmd, f.stateDir)
	if err != nil {
		return err
	}
	skip, err := o.askSkip(cmd, web.PathUnskip, app.UnskipOrder{ID: id, Reason: f.reason, SudoUser: h.getenv("SUDO_USER")})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(h.stdout, "%s at %s is not skipped any more\n", skip.Schedule, moment(skip.Nominal, time.Now(), skip.Timezone))
	return err
}

// askStatus asks the first daemon that answers.
func askStatus(ctx context.Context, places []daemonFolders) (s app.Status, err error) {
	err = firstDaemon(places, func(p daemonFolders) error {
		return web.ControlClient(p.socket).GetJSON(ctx, web.PathStatus, nil, &s)
	})
	return s, err
}

// printSkipTable lists skips.
func printSkipTable(w io.Writer, all []store.Skip, now time.Time) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SKIPPED\tNOMINAL TIME\tBY\tREASON")
	for _, k := range all {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", k.ID, moment(k.Nominal, now, k.Timezone), k.Actor, k.Reason)
	}
	return tw.Flush()
}

// printSkipped lists the skips that lie ahead, below the next runs.
func printSkipped(w io.Writer, s app.Status) error {
	ahead := slices.DeleteFunc(slices.Clone(s.Skips), func(k store.Skip) bool { return !k.Nominal.After(s.At) })
	if len(ahead) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return printSkipTable(w, ahead, s.At)
}

// addSkips adds to the schedules of a configuration the times that people skipped, where a daemon
// answers that has the same one.
func (h *host) addSkips(cmd *cobra.Command, stateDir string, cfg *config.Config) {
	ctx, cancel := context.WithTimeout(cmd.Context(), nextPatience)
	defer cancel()
	s, err := askStatus(ctx, h.daemonPlaces(stateDir))
	switch {
	case errors.Is(err, web.ErrNoDaemon):
		return
	case err != nil:
		h.printNotes([]string{fmt.Sprintf("which times are skipped is not known: %v", err)})
		return
	case !sameFile(cfg.Path, s.Config.Path):
		return
	}
	skips := scheduler.SkipsOf(s.Skips)
	for i := range cfg.Schedules {
		cfg.Schedules[i] = *cfg.Schedules[i].With(skips)
	}
}
