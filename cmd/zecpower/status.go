package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"zecpower/internal/app"
	"zecpower/internal/power"
	"zecpower/internal/web"
)

// askTimeout bounds a request to the daemon.
const askTimeout = 30 * time.Second

func newStatusCommand(h *host) *cobra.Command {
	var stateDir, output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask the running daemon: runs in progress, last results, next runs, health",
		Long: `Ask the running daemon how it is: runs in progress and how far they are, the last
and next run of each schedule, the request budget, and what is wrong, if anything.

--output json is one object; times are RFC 3339 in UTC, and what says nothing is
left out where it is marked "?":

  version, started_at, at     the daemon; at: when it answered
  config                      {path, included_files?, loaded_at, last_reload_error?}
  unreadable_files?           [{file, without, error}], left out; without: what that means
  unreadable_calendars?       [{calendar, dates, error}]; dates: those it has instead
  runs_in_progress            [{run_id, schedule, action, groups, timezone?, started_at, deadline?, total, final, pending, failed}]
  runs_waiting                [{run_id, run_at, timezone?}], decided, and waiting for jitter or a previous run
  schedules                   [{schedule, timezone, paused, next_run?, last_run_id?, last_result?, last_run?, last_success?}]
  skips?                      [{id, schedule, nominal_time, timezone, actor, reason, made_at}], ahead, or over for a week at most
  budgets                     [{account, requests_per_second (of the slowest API action, now), ceiling, api_down, credentials_missing?}]
  store_error?, web_error?   what fails, while runs go on
  clock_steps                 since the start

Exit status: 0 a daemon answered, 1 none did, 2 wrong usage.`,
		Example: `  zecpower status
  zecpower status --state-dir /var/lib/zecpower
  zecpower status --output json | jq '.runs_in_progress'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return h.status(cmd, stateDir, output) },
	}
	stateDirFlag(cmd, &stateDir)
	outputFlag(cmd.Flags(), &output)
	return cmd
}

// stateDirFlag defines --state-dir for the commands that ask a daemon.
func stateDirFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "state-dir", "", "`DIR` of the daemon's store or control socket (default: where the service keeps them, else your own)")
}

func (h *host) status(cmd *cobra.Command, stateDir, output string) error {
	if err := checkOutput(output); err != nil {
		return err
	}
	places := h.daemonPlaces(stateDir)
	ctx, cancel := askContext(cmd)
	defer cancel()
	s, err := askStatus(ctx, places)
	if err != nil {
		return &exit{exitFailed, err}
	}
	if output == outputJSON {
		return printJSON(h.stdout, s)
	}
	return printStatus(h.stdout, s)
}

func askContext(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx, stop := interruptible(cmd)
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	return ctx, func() { cancel(); stop() }
}

// firstDaemon calls ask for each place until a daemon answers.
func firstDaemon(places []daemonFolders, ask func(daemonFolders) error) error {
	var tried []string
	for _, p := range places {
		err := ask(p)
		if !errors.Is(err, web.ErrNoDaemon) {
			return err
		}
		if !slices.Contains(tried, p.socket) {
			tried = append(tried, p.socket)
		}
	}
	return fmt.Errorf("%w on %s: start one with zecpower run, or give its --state-dir", web.ErrNoDaemon, strings.Join(tried, " or "))
}

// printBudget prints the budget of an account, and what keeps it from its work. named: by its name.
func printBudget(w io.Writer, b app.BudgetStatus, named bool) {
	of := ""
	if named {
		of = " of account " + b.Account
	}
	switch {
	case b.Missing != "":
		fmt.Fprintf(w, "NO CREDENTIAL%s, its groups fail at each run:\n  %s\n", of, strings.ReplaceAll(b.Missing, "\n", "\n  "))
		return
	case b.APIDown:
		fmt.Fprintf(w, "API DOWN%s: one probe at a time until it answers\n", of)
	}
	fmt.Fprintf(w, "budget%s: %.3g of %.3g requests a second\n", of, b.Rate, b.Ceiling)
}

func printStatus(w io.Writer, s app.Status) error {
	fmt.Fprintf(w, "zecpower %s, up %s\n", cmp.Or(s.Version, "unknown"), s.At.Sub(s.StartedAt).Round(time.Second))
	fmt.Fprintf(w, "configuration %s, in use since %s\n", withIncluded(s.Config.Path, len(s.Config.Included)), moment(s.Config.LoadedAt, s.At, ""))
	if s.Config.Rejected != "" {
		fmt.Fprintf(w, "LAST RELOAD REFUSED, the one above stays:\n  %s\n", strings.ReplaceAll(s.Config.Rejected, "\n", "\n  "))
	}
	for _, f := range s.Files {
		fmt.Fprintf(w, "FILE %s IS LEFT OUT, %s:\n  %s\n", f.File, f.Without, strings.ReplaceAll(f.Error, "\n", "\n  "))
	}
	for _, c := range s.Calendars {
		fmt.Fprintf(w, "CALENDAR %s CANNOT BE READ, %s:\n  %s\n", c.Calendar, c.Dates, strings.ReplaceAll(c.Error, "\n", "\n  "))
	}
	if s.Store != "" {
		fmt.Fprintf(w, "STORE FAILS, runs go on and a restart would forget them: %s\n", s.Store)
	}
	if s.Web != "" {
		fmt.Fprintf(w, "WEB SERVER ENDED, nothing is scraped and runs go on; restart the daemon: %s\n", s.Web)
	}
	for _, b := range s.Budgets {
		printBudget(w, b, len(s.Budgets) > 1 || b.Account != power.DefaultAccount)
	}
	if s.ClockSet > 0 {
		fmt.Fprintf(w, "clock: stepped %s since the start\n", times(s.ClockSet))
	}
	if err := printRuns(w, s); err != nil {
		return err
	}
	if err := printPlans(w, s); err != nil {
		return err
	}
	return printSkipped(w, s)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func printRuns(w io.Writer, s app.Status) error {
	if len(s.Runs) == 0 && len(s.Waiting) == 0 {
		_, err := fmt.Fprintln(w, "no run in progress")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nRUN IN PROGRESS\tACTION\tFINAL\tON THE WAY\tFAILED\tSINCE\tDEADLINE")
	for _, r := range s.Runs {
		if r.Total == 0 {
			fmt.Fprintf(tw, "%s\t%s\tfinds its instances\t\t\t%s\t%s\n", r.RunID, r.Action,
				moment(r.StartedAt, s.At, r.Timezone), moment(r.Deadline, s.At, r.Timezone))
			continue
		}
		fmt.Fprintf(tw, "%s\t%s\t%d of %d\t%d\t%d\t%s\t%s\n", r.RunID, r.Action, r.Final, r.Total, r.Pending, r.Failed,
			moment(r.StartedAt, s.At, r.Timezone), moment(r.Deadline, s.At, r.Timezone))
	}
	for _, r := range s.Waiting {
		fmt.Fprintf(tw, "%s\t\tbegins %s\n", r.RunID, moment(r.RunAt, s.At, r.Timezone))
	}
	return tw.Flush()
}

func printPlans(w io.Writer, s app.Status) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nSCHEDULE\tNEXT RUN\tLAST RUN\tLAST RESULT\tLAST SUCCESS")
	for _, p := range s.Plans {
		next := moment(p.NextRun, s.At, p.Timezone)
		if p.Paused {
			next = "paused"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", p.Schedule, next, moment(p.LastRun, s.At, p.Timezone), dash(p.LastResult), moment(p.LastSuccess, s.At, p.Timezone))
	}
	return tw.Flush()
}
