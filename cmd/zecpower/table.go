package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"zecpower/batcher"
)

// maxFailureRows is how many failed instances a person is shown; a script is shown all.
const maxFailureRows = 50

// remedies say what each reason means and what to do, in one line.
var remedies = map[batcher.Reason]string{
	batcher.ReasonNotFound:       "no such instance in this account: take the id out of its group, or check whose credentials these are",
	batcher.ReasonRecycled:       "in the recycle bin, being released or never created: restore it, or take the id out of its group",
	batcher.ReasonWrongState:     "busy with something else (see STATE) until the deadline: let that end, then run again",
	batcher.ReasonRejected:       "the API kept refusing it though its state allows the action: see CODE; try the console, else ask Zenlayer with the request id",
	batcher.ReasonBootFailed:     "accepted, then fell back to STOPPED, as often as attempts allow: look at its console",
	batcher.ReasonBootTimeout:    "accepted, and still on its way when boot_timeout or the deadline came: look at its console, or raise that",
	batcher.ReasonThrottled:      "the account's limit, or requests_per_second, left no room for it before the deadline: run again, with a longer deadline",
	batcher.ReasonAPIError:       "the API, or the way to it, was failing until the deadline: see the log for the error, then run again",
	batcher.ReasonAuth:           "the API refused the credentials: check key, permissions and this host's clock; nothing more was sent",
	batcher.ReasonInvalidRequest: "the API refused the request itself: see CODE; a malformed id, or an api_version that it does not know",
	batcher.ReasonCancelled:      "the run was stopped before this instance was there: run again",
}

// stopRemedies are those that are others for a stop.
var stopRemedies = map[batcher.Reason]string{
	batcher.ReasonBootFailed:  "asked to shut down, then seen RUNNING again, as often as attempts allow: look at its console, or stop it with --force",
	batcher.ReasonBootTimeout: "asked to shut down, and not STOPPED when boot_timeout or the deadline came: look at its console, or stop it with --force",
}

func remedy(action batcher.Action, reason batcher.Reason) string {
	if text := stopRemedies[reason]; text != "" && action == batcher.ActionStop {
		return text
	}
	return remedies[reason]
}

// printReportTable shows a report to a person: the sums, then what failed and why.
func (h *host) printReportTable(r batcher.Report) error {
	w := h.stdout
	done, already := "STARTED", "ALREADY RUNNING"
	if r.Action == batcher.ActionStop {
		done, already = "STOPPED", "ALREADY STOPPED"
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "GROUP\tTOTAL\t%s\t%s\tFAILED\t\n", done, already)
	total, failed := 0, 0
	for _, g := range r.Groups {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t\n", g.Group, g.Total, g.Done, g.Already, g.Failed)
		total, failed = total+g.Total, failed+g.Failed
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if err := printFailures(w, r, newStyle(w, h.getenv)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s: %s\n", r.Result(), summary(r, total, failed))
	return err
}

func summary(r batcher.Report, total, failed int) string {
	want := "RUNNING"
	if r.Action == batcher.ActionStop {
		want = "STOPPED"
	}
	took := r.FinishedAt.Sub(r.StartedAt).Round(100 * time.Millisecond)
	return fmt.Sprintf("%d of %s seen %s, %d failed, in %s", total-failed, count(total, "instance"), want, failed, took)
}

// failure is one row of the table of what failed.
type failure struct {
	batcher.InstanceResult
	group string
}

// failuresOf lists what failed, reason by reason, so that a few that need a
// person are not lost among hundreds that a cancel left open.
func failuresOf(r batcher.Report) []failure {
	var rows []failure
	for _, g := range r.Groups {
		for _, f := range g.Failures() {
			rows = append(rows, failure{f, g.Group})
		}
	}
	order := batcher.Reasons()
	slices.SortStableFunc(rows, func(a, b failure) int {
		return cmp.Compare(slices.Index(order, a.Reason), slices.Index(order, b.Reason))
	})
	return rows
}

func printFailures(w io.Writer, r batcher.Report, s style) error {
	for _, g := range r.Groups {
		if g.Err != "" {
			fmt.Fprintf(w, "\n%s group %s: %s\n", s.alarm("FAILED"), g.Group, g.Err)
		}
	}
	rows := failuresOf(r)
	if len(rows) == 0 {
		return nil
	}
	met := map[batcher.Reason]bool{}
	for _, f := range rows {
		met[f.Reason] = true
	}
	shown := rows
	if isTerminal(w) {
		shown = rows[:min(len(rows), maxFailureRows)]
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "\n%s\tGROUP\t%s\tSTATE\tCODE\tATTEMPTS\tREQUEST ID\n", s.heading("FAILED"), s.heading("REASON"))
	for _, f := range shown {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", s.alarm(f.InstanceID), f.group, s.alarm(string(f.Reason)),
			dash(string(f.State)), dash(string(f.Code)), f.Attempts, dash(f.RequestID))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if left := len(rows) - len(shown); left > 0 {
		fmt.Fprintf(w, "… and %d more: --output json lists them all\n", left)
	}
	return printRemedies(w, r.Action, met)
}

func printRemedies(w io.Writer, action batcher.Action, met map[batcher.Reason]bool) error {
	var b strings.Builder
	b.WriteString("\nwhat to do:\n")
	for _, reason := range batcher.Reasons() {
		if met[reason] {
			fmt.Fprintf(&b, "  %-15s  %s\n", reason, remedy(action, reason))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
