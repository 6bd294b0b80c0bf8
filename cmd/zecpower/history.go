package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"zecpower/internal/app"
	"zecpower/internal/power"
	"zecpower/internal/store"
	"zecpower/internal/store/bolt"
	"zecpower/internal/web"
)

type historyFlags struct {
	stateDir, output          string
	schedule, group, instance string
	actor                     string
	byHand                    bool
	since                     string
	limit                     int
}

func newHistoryCommand(h *host) *cobra.Command {
	var f historyFlags
	cmd := &cobra.Command{
		Use:   "history [--schedule NAME] [--group NAME] [--instance ID] [--actor NAME] [--since TIME]",
		Short: "What ran, what failed and why; and what did not run, and why not",
		Long: `Show what became of the schedules' times, newest first: the runs with what failed
in them, the times that did not run (missed, excluded, paused, skipped, overlap), and
what people did or tried: who, when and why.
Asks the running daemon, or reads its store where none runs, and this user's
own store, which has the runs by hand.

--output json is an array. kind says what an entry is: "run"; "missed", "excluded",
"paused", "skipped", "overlap" or "interrupted", a time that did not (fully) run; or "act", what
a person did or tried: act, actor, reason, groups, subject (the run that it was
about), and refused, why it was not done. A run by hand has actor and reason, and
trigger, the schedule whose run was asked for.

--instance ID answers "why was this machine not on last Tuesday?": what each run
did with it, and when a schedule of its groups did not run.`,
		Example: `  zecpower history --since 7d
  zecpower history --schedule weekday-morning --limit 20
  zecpower history --instance i-000023 --since 2026-11-16
  zecpower history --by-hand --since 7d
  zecpower history --output json | jq '.[] | select(.result != "ok")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return h.history(cmd, f) },
	}
	flags := cmd.Flags()
	stateDirFlag(cmd, &f.stateDir)
	flags.StringVar(&f.schedule, "schedule", "", "only this schedule (\"manual\": runs by hand, and what people did that is about no schedule)")
	flags.StringVar(&f.group, "group", "", "only runs over this group")
	flags.StringVar(&f.instance, "instance", "", "what happened to this instance `ID`")
	flags.StringVar(&f.actor, "actor", "", "only what a person with this in the `NAME` did or tried: \"alice\", \"uid 1004\"")
	flags.BoolVar(&f.byHand, "by-hand", false, "only what people did or tried, runs by hand among it")
	flags.StringVar(&f.since, "since", "", "not before this `TIME`: RFC 3339, 2026-11-16[T07:30] (in the timezone of each schedule), or how long ago: 36h, 7d")
	flags.IntVar(&f.limit, "limit", 20, "entries at most")
	outputFlag(flags, &f.output)
	return cmd
}

func (h *host) history(cmd *cobra.Command, f historyFlags) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if f.limit < 1 {
		return usageError("--limit %d: at least 1", f.limit)
	}
	q := store.Query{Schedule: f.schedule, Group: f.group, Instance: f.instance, Actor: f.actor, ByHand: f.byHand, Limit: f.limit}
	if err := q.Check(); err != nil {
		return usageError("--%w", err)
	}
	now := time.Now()
	since, err := parseSince(f.since, now)
	if err != nil {
		return usageError("--since: %w", err)
	}
	q.Since = since.earliest
	entries, err := h.askHistory(cmd, f.stateDir, q)
	if err != nil {
		return err
	}
	full := len(entries) == f.limit
	entries = slices.DeleteFunc(entries, func(e store.Entry) bool { return !since.has(e) })
	if f.output == outputJSON {
		return printJSON(h.stdout, entries)
	}
	if err := printHistory(h.stdout, now, entries, f.instance); err != nil {
		return err
	}
	if full {
		fmt.Fprintf(h.stdout, "the newest %s; there may be older ones: --limit %d\n", entryCount(len(entries)), 5*f.limit)
	}
	return nil
}

func entryCount(n int) string {
	if n == 1 {
		return "entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// since is what --since says. A date without a zone is another point in time for each schedule.
type since struct {
	in       func(zone *time.Location) time.Time
	earliest time.Time // the first of these points, or up to a day before; zero: the beginning
}

// parseSince reads a point in time, or a duration before now; empty is the beginning.
func parseSince(text string, now time.Time) (since, error) {
	at := func(t time.Time) since {
		return since{in: func(*time.Location) time.Time { return t }, earliest: t}
	}
	if text == "" {
		return at(time.Time{}), nil
	}
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); err == nil && n == 1 && text == fmt.Sprintf("%dd", days) && days > 0 {
		return at(now.AddDate(0, 0, -days)), nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return at(now.Add(-ago)), nil
	}
	in, err := parseTime(text)
	if err != nil {
		return since{}, fmt.Errorf("%q is no time; write how long ago (36h, 7d), 2026-11-16 or 2026-11-16T07:30 (in the timezone of each schedule), or 2026-11-16T07:30:00+08:00", text)
	}
	return since{in: in, earliest: in(time.UTC).AddDate(0, 0, -1)}, nil // no zone is further than a day from UTC
}

// has reports whether an entry, or a part of the stretch that it is, is not before s.
func (s since) has(e store.Entry) bool {
	last := e.NominalTime
	if e.LastTime.After(last) {
		last = e.LastTime
	}
	return !last.Before(s.in(zoneOf(e.Timezone)))
}

// askHistory asks each place where a history may be: the packaged service and this user's own folder,
// which has the runs by hand.
func (h *host) askHistory(cmd *cobra.Command, stateDir string, q store.Query) ([]store.Entry, error) {
	ctx, cancel := askContext(cmd)
	defer cancel()
	return h.historyOf(ctx, h.daemonPlaces(stateDir), q)
}

// historyOf joins the histories of all places, and says on standard error which they are where there
// are several, and which it could not read.
func (h *host) historyOf(ctx context.Context, places []daemonFolders, q store.Query) (entries []store.Entry, err error) {
	var asked, absent []string
	var unread []error
	for _, folder := range stateFolders(places) {
		found, from, err := historyAt(ctx, folder, places, q)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			absent = append(absent, folder)
		case err != nil:
			unread = append(unread, err)
		default:
			asked = append(asked, from)
			entries = append(entries, found...)
		}
	}
	switch {
	case len(asked) == 0 && len(unread) > 0:
		return nil, &exit{exitFailed, errors.Join(unread...)}
	case len(asked) == 0:
		return nil, &exit{exitFailed, fmt.Errorf("no daemon answers and no store is in %s: nothing was ever recorded there, or give the daemon's --state-dir", strings.Join(absent, " or "))}
	case len(asked) > 1:
		fmt.Fprintf(h.stderr, "from %s\n", strings.Join(asked, " and "))
	}
	for _, err := range unread {
		fmt.Fprintf(h.stderr, "warning: left out: %v\n", err)
	}
	slices.SortStableFunc(entries, func(a, b store.Entry) int { return b.NominalTime.Compare(a.NominalTime) })
	return entries[:min(len(entries), q.Limit)], nil
}

// stateFolders lists the state folders of places, each once.
func stateFolders(places []daemonFolders) (folders []string) {
	for _, p := range places {
		if !slices.Contains(folders, p.state) {
			folders = append(folders, p.state)
		}
	}
	return folders
}

// historyAt asks the daemon of a state folder, on whichever of places' sockets it answers, or reads
// the store where none runs. from names what answered. An error of fs.ErrNotExist says that neither
// is there.
func historyAt(ctx context.Context, folder string, places []daemonFolders, q store.Query) (entries []store.Entry, from string, err error) {
	for _, p := range places {
		if p.state != folder {
			continue
		}
		err := web.ControlClient(p.socket).GetJSON(ctx, web.PathHistory, app.HistoryValues(q), &entries)
		if !errors.Is(err, web.ErrNoDaemon) {
			return entries, "the daemon on " + p.socket, err
		}
	}
	l, err := bolt.OpenReadOnly(folder)
	if err != nil {
		return nil, "", err
	}
	entries, err = l.History(ctx, q)
	return entries, "the store in " + folder, errors.Join(err, l.Close())
}

func printHistory(w io.Writer, now time.Time, entries []store.Entry, instance string) error {
	if len(entries) == 0 {
		_, err := fmt.Fprintln(w, "nothing is recorded for that")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NOMINAL TIME\tSCHEDULE\tACTION\tWHAT BECAME OF IT")
	for _, e := range entries {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", moment(e.NominalTime, now, e.Timezone), e.Schedule, dash(string(e.Action)), became(e, instance))
		if instance != "" {
			continue
		}
		for _, line := range failureLines(e) {
			fmt.Fprintf(tw, "\t\t\t  %s\n", line)
		}
	}
	return tw.Flush()
}

// became describes one entry, or of a query for an instance, the outcome of that.
func became(e store.Entry, instance string) string {
	switch {
	case e.Kind == store.KindRun && instance != "":
		return instanceWords(e) + byWords(e)
	case e.Kind == store.KindRun:
		return runWords(e) + byWords(e)
	case e.Kind == store.KindAct:
		return stretch(e) + actWords(e)
	}
	return stretch(e) + skippedWords(e)
}

func skippedWords(e store.Entry) string {
	switch e.Kind {
	case store.KindExcluded:
		return "did not run: excluded by " + e.Calendar
	case store.KindPaused:
		return "did not run: the schedule was paused"
	case store.KindSkipped:
		return "did not run: skipped by " + e.Actor + reasonWords(e)
	case store.KindOverlap:
		return "did not run: its previous run was still going"
	case store.KindInterrupted:
		return fmt.Sprintf("interrupted: its daemon died, and it was too late to go on (%s); until then %s%s", e.Reason, sums(e), errorWords(e))
	}
	return fmt.Sprintf("missed: %s", e.Reason)
}

// stretch says how many nominal times an entry covers.
func stretch(e store.Entry) string {
	if e.Count < 2 {
		return ""
	}
	atLeast := ""
	if e.AtLeast {
		atLeast = "at least "
	}
	return fmt.Sprintf("%s%d times until %s: ", atLeast, e.Count, e.LastTime.In(zoneOf(e.Timezone)).Format(shortTime))
}

func runWords(e store.Entry) string {
	if e.Result == "" && !e.Begun {
		return "has not begun: planned for " + e.RunTime.In(zoneOf(e.Timezone)).Format(shortTime) + errorWords(e)
	}
	words := cmp.Or(string(e.Result), unfinishedWords(e))
	if e.CatchUp {
		words += " (caught up)"
	}
	if e.Resumes > 0 {
		words += fmt.Sprintf(" (resumed %s)", times(e.Resumes))
	}
	words += ": " + sums(e)
	if e.Begun {
		words += requestWords(e)
	}
	if !e.FinishedAt.IsZero() && !e.StartedAt.IsZero() {
		words += fmt.Sprintf(", in %s", e.FinishedAt.Sub(e.StartedAt).Round(100*time.Millisecond))
	}
	return words + errorWords(e)
}

// unfinishedWords say how it is with a run that has begun and has no end.
func unfinishedWords(e store.Entry) string {
	if e.Going {
		return "in progress"
	}
	return "cut off"
}

// requestWords say what the API accepted of a run that has no end.
func requestWords(e store.Entry) string {
	requests, instances := 0, 0
	for _, g := range e.Results {
		requests, instances = requests+g.Requests, instances+g.Accepted
	}
	if requests == 0 {
		return ", no request accepted"
	}
	return fmt.Sprintf(", %s accepted (%s)", count(requests, "request"), count(instances, "instance"))
}

// sums adds an entry's groups up.
func sums(e store.Entry) string {
	var total, done, already, failed, skipped int
	for _, g := range e.Results {
		total, done, already, failed, skipped = total+g.Total, done+g.Done, already+g.Already, failed+g.Failed, skipped+g.Skipped
	}
	words := fmt.Sprintf("%d of %s %s, %d there already, %d failed", done, count(total, "instance"), doneWord(e.Action), already, failed)
	if skipped > 0 {
		words += fmt.Sprintf(", %d skipped", skipped)
	}
	return words
}

// errorWords are what went wrong with an entry as a whole, and with its groups.
func errorWords(e store.Entry) string {
	words := ""
	if e.Err != "" {
		words = "; " + e.Err
	}
	for _, g := range e.Results {
		if g.Err != "" && !strings.Contains(e.Err, g.Err) {
			words += fmt.Sprintf("; group %s: %s", g.Group, g.Err)
		}
	}
	return words
}

// doneWord is what an action did.
func doneWord(action power.Action) string {
	if action == power.ActionStop {
		return stopWords.done
	}
	return startWords.done
}

func instanceWords(e store.Entry) string {
	i := e.Instance
	switch {
	case i == nil:
		return "not in this run's record" + errorWords(e)
	case i.Outcome == "":
		return fmt.Sprintf("no outcome: the run has not ended (%s accepted)", count(i.Attempts, "request"))
	case i.Outcome == power.OutcomeSkipped:
		return skipWords(i.Reason, i.By)
	case i.Outcome != power.OutcomeFailed:
		if i.ReachedAt.IsZero() {
			return string(i.Outcome)
		}
		return fmt.Sprintf("%s, seen there at %s", i.Outcome, i.ReachedAt.In(zoneOf(e.Timezone)).Format(shortTime))
	}
	return "failed: " + failureWords(*i)
}

// skipWords say why an instance was skipped.
func skipWords(reason power.Reason, by string) string {
	if by == "" {
		return "skipped: " + string(reason)
	}
	return fmt.Sprintf("skipped: %s by %s", reason, by)
}

func failureWords(f store.InstanceEntry) string {
	words := string(f.Reason)
	if f.State != "" {
		words += ", state " + f.State
	}
	if refusal := refusalWords(f.HTTPStatus, f.Code); refusal != "" {
		words += ", " + refusal
	}
	if f.RequestID != "" {
		words += ", request " + f.RequestID
	}
	return fmt.Sprintf("%s (%s)", words, count(f.Attempts, "attempt"))
}

// refusalWords are what the last refusal said: the HTTP status where it is known,
// and the API's code where the reply had one.
func refusalWords(status int, code string) string {
	if status == 0 {
		return code
	}
	return strings.TrimSuffix(fmt.Sprintf("HTTP %d %s", status, code), " ")
}

// maxFailureLines is how many failed instances of a group the table names in one entry.
const maxFailureLines = 20

func failureLines(e store.Entry) []string {
	var lines []string
	for _, g := range e.Results {
		named := g.Failures[:min(len(g.Failures), maxFailureLines)]
		for _, f := range named {
			lines = append(lines, fmt.Sprintf("%s (%s) %s", f.InstanceID, g.Group, failureWords(f)))
		}
		if more := g.Failed - len(named); more > 0 && len(named) > 0 {
			lines = append(lines, fmt.Sprintf("… and %d more of %s", more, g.Group))
		}
	}
	return lines
}
