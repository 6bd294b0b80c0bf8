package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"zecpower/internal/config"
	"zecpower/internal/strictyaml"
	"zecpower/scheduler"
	"zecpower/scheduler/calendar"
)

// maxCount bounds the runs that one question keeps in memory.
const maxCount = 10_000

// maxNotes bounds the notes on what an answer leaves out.
const maxNotes = 20

// maxGroups bounds the groups that one row names.
const maxGroups = 8

type nextFlags struct {
	config, schedule, from, output string
	stateDir                       string
	count                          int
}

func newNextCommand(h *host) *cobra.Command {
	var f nextFlags
	cmd := &cobra.Command{
		Use:   "next --config FILE [--schedule NAME] [--from TIME] [--count N]",
		Short: "Show the coming runs, with those that are left out and why",
		Long: `Show the coming runs of each schedule: when it says (nominal), when it begins
(jitter included), and for those that will not happen, why. A daemon that answers and
has the same configuration is asked for the times that people skipped.

Exit status: 0 the answer is whole, 1 it leaves out an included file with a
mistake in it, or dates of a calendar whose file cannot be read, 2 wrong usage or
configuration.`,
		Example: `  zecpower next --config schedules.yaml
  zecpower next --config schedules.yaml --schedule weekday-morning --from 2026-12-20 --count 10
  zecpower next --config schedules.yaml --output json | jq '.[0].run_time'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return h.next(cmd, f) },
	}
	configFlag(cmd.Flags(), &f.config)
	cmd.Flags().StringVar(&f.schedule, "schedule", "", "only this schedule")
	cmd.Flags().StringVar(&f.from, "from", "", "runs after this `TIME`, past or future: RFC 3339, or 2026-12-24[T07:30] in the timezone of each schedule (default now)")
	cmd.Flags().IntVar(&f.count, "count", 3, "due runs of each schedule")
	outputFlag(cmd.Flags(), &f.output)
	stateDirFlag(cmd, &f.stateDir)
	return cmd
}

func (h *host) next(cmd *cobra.Command, f nextFlags) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if f.count < 1 {
		return usageError("--count %d: at least 1", f.count)
	}
	if f.count > maxCount {
		return usageError("--count %d: at most %d; --from goes on from there", f.count, maxCount)
	}
	cfg, err := h.loadRunnable(f.config, exitUsage, "")
	if err != nil {
		return err
	}
	now := time.Now()
	from := func(*time.Location) time.Time { return now }
	if f.from != "" {
		if from, err = parseTime(f.from); err != nil {
			return usageError("--from: %w", err)
		}
	}
	h.addSkips(cmd, f.stateDir, cfg)
	schedules := cfg.Schedules
	if f.schedule != "" {
		s, err := cfg.Schedule(f.schedule)
		if err != nil {
			return usageError("--schedule: %w", err)
		}
		schedules = []scheduler.Schedule{*s}
	}
	found := findRunsFrom(schedules, from, f.count, maxExcluded)
	if f.output == outputJSON {
		err = printNextJSON(h.stdout, found.runs)
	} else {
		err = printNext(h.stdout, f.distanceFrom(now), cfg, found.runs)
	}
	h.printNotes(found.notes)
	return cmp.Or(err, h.leftOut(cfg, f.schedule), h.doubt(cfg, schedules))
}

// leftOut is the error of an answer about all schedules that goes without an included file. One
// about one schedule by its name does not need the others.
func (h *host) leftOut(cfg *config.Config, schedule string) error {
	files := cfg.UnreadableFiles()
	if schedule != "" || len(files) == 0 {
		return nil
	}
	for _, f := range files {
		h.printProblems(f.Problems)
	}
	return &exit{exitFailed, fmt.Errorf("what is shown leaves out %s (%s), as a daemon that starts does; one that runs goes on with what it has",
		count(len(files), "included file"), strictyaml.Some(fileNames(files)))}
}

// doubt is the error of an answer about schedules with calendars that cannot be read: their dates are
// left out of it.
func (h *host) doubt(cfg *config.Config, schedules []scheduler.Schedule) error {
	var without []*config.UnreadableCalendar
	for _, u := range cfg.UnreadableCalendars {
		if slices.ContainsFunc(schedules, func(s scheduler.Schedule) bool { return u.UsedBy(&s) }) {
			h.printProblems(u.Problems)
			without = append(without, u)
		}
	}
	if len(without) == 0 {
		return nil
	}
	return &exit{exitFailed, fmt.Errorf("what is shown leaves out dates of %s that cannot be read (%s); a daemon goes by those that it last read, if any",
		count(len(without), "calendar"), strictyaml.Some(calendarNames(without)))}
}

// distanceFrom returns the time to which runs are shown as near or far: none where a question is about
// another time than now.
func (f nextFlags) distanceFrom(now time.Time) time.Time {
	if f.from != "" {
		return time.Time{}
	}
	return now
}

// printNotes prints what an answer leaves out. It goes to standard error, so that a script that reads
// the answer gets rows alone.
func (h *host) printNotes(notes []string) {
	for i, note := range notes {
		if i == maxNotes {
			fmt.Fprintf(h.stderr, "note: the same for %s\n", count(len(notes)-i, "more schedule"))
			return
		}
		fmt.Fprintf(h.stderr, "note: %s\n", note)
	}
}

// parseTime reads a point in time as people write it. Without a zone in it, it is another one in each
// zone.
func parseTime(text string) (in func(zone *time.Location) time.Time, err error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return func(*time.Location) time.Time { return t }, nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if _, err := time.Parse(layout, text); err != nil {
			continue
		}
		return func(zone *time.Location) time.Time {
			t, _ := time.ParseInLocation(layout, text, zone) // a text that is read in one zone is read in all
			return t
		}, nil
	}
	return nil, fmt.Errorf("%q is no time; write 2026-12-24T07:30:00+08:00, or 2026-12-24 or 2026-12-24T07:30 in the timezone of each schedule", text)
}

// nextJSON is one run in `next --output json`; its keys are a contract.
type nextJSON struct {
	Schedule    string           `json:"schedule"`
	NominalTime time.Time        `json:"nominal_time"`
	RunTime     time.Time        `json:"run_time"`
	Status      scheduler.Status `json:"status"`
	Calendar    string           `json:"calendar"`
	// Of a skipped one: who skipped it, and why.
	Actor  string `json:"actor,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func printNextJSON(w io.Writer, runs []scheduler.Occurrence) error {
	out := make([]nextJSON, 0, len(runs))
	for _, o := range runs {
		row := nextJSON{Schedule: o.Schedule, NominalTime: o.Nominal.UTC(), RunTime: o.Run.UTC(), Status: o.Status, Calendar: o.Calendar}
		if o.Skip != nil {
			row.Actor, row.Reason = o.Skip.Actor, o.Skip.Reason
		}
		out = append(out, row)
	}
	return printJSON(w, out)
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printNext prints runs. Without a now it leaves out how far they are from it.
func printNext(w io.Writer, now time.Time, cfg *config.Config, runs []scheduler.Occurrence) error {
	if len(runs) == 0 {
		_, err := fmt.Fprintln(w, "no run is planned")
		return err
	}
	schedules := make(map[string]*scheduler.Schedule, len(cfg.Schedules))
	for i := range cfg.Schedules {
		schedules[cfg.Schedules[i].Name] = &cfg.Schedules[i]
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SCHEDULE\tNOMINAL TIME\tBEGINS\tZONE\tACTION\tGROUPS\tSTATUS")
	for _, o := range runs {
		s := schedules[o.Schedule]
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", o.Schedule,
			nearOrFar(o.Nominal.In(s.Zone), now), begins(o, s.Zone), s.Zone, s.Action, groupsText(s.Groups), statusText(s, o))
	}
	return tw.Flush()
}

func begins(o scheduler.Occurrence, zone *time.Location) string {
	switch {
	case o.Status != scheduler.StatusDue:
		return "-"
	case o.Run.Equal(o.Nominal):
		return "on time"
	}
	return o.Run.In(zone).Format(shortTime) + " (jitter)"
}

// groupsText names the first groups of a row, and how many there are where those are not all.
func groupsText(groups []string) string {
	if len(groups) <= maxGroups {
		return strings.Join(groups, ",")
	}
	return fmt.Sprintf("%s,… (%d groups)", strings.Join(groups[:maxGroups], ","), len(groups))
}

func statusText(s *scheduler.Schedule, o scheduler.Occurrence) string {
	switch {
	case o.Skip != nil:
		return fmt.Sprintf("skipped by %s: %s", o.Skip.Actor, o.Skip.Reason)
	case o.Status != scheduler.StatusExcluded:
		return string(o.Status)
	case len(s.Only) > 0 && s.Only[0].Name() == o.Calendar && !s.Only[0].Contains(calendar.DateOf(o.Nominal)):
		return "excluded, not in " + o.Calendar
	}
	return "excluded by " + o.Calendar
}
