package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"zecpower/internal/power"
)

// maxFailureRows is how many failed instances the table lists on a terminal; elsewhere it lists
// all.
const maxFailureRows = 50

// printReportTable prints a report for people: the sums, then what failed and why. forced says that
// the run was a stop with --force.
func printReportTable(w io.Writer, r power.Report, forced bool, colours palette) error {
	done, already := "STARTED", "ALREADY RUNNING"
	if r.Action == power.ActionStop {
		done, already = "STOPPED", "ALREADY STOPPED"
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	skipped := skips(r)
	fmt.Fprintf(tw, "GROUP\tTOTAL\t%s\t%s\tFAILED\t%s\n", done, already, column(skipped, "SKIPPED"))
	for _, g := range r.Groups {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t%s\n", g.Group, g.Total, g.Done, g.Already, g.Failed, column(skipped, strconv.Itoa(g.Skipped)))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if err := printFailures(w, r, forced, colours); err != nil {
		return err
	}
	printSkips(w, skipped)
	_, err := fmt.Fprintf(w, "\n%s: %s\n", colours.result(r.Result()), summary(r, len(skipped)))
	return err
}

// column is a cell that stands in the table only where some instance was skipped.
func column(skipped []power.InstanceResult, cell string) string {
	if len(skipped) == 0 {
		return ""
	}
	return cell + "\t"
}

func skips(r power.Report) (skipped []power.InstanceResult) {
	for _, g := range r.Groups {
		skipped = append(skipped, g.Skips()...)
	}
	return skipped
}

// printSkips says how many instances were skipped, why, and for which run.
func printSkips(w io.Writer, skipped []power.InstanceResult) {
	met, order := map[string]int{}, []string(nil)
	for _, k := range skipped {
		words := skipWords(k.Reason, k.By)
		if met[words]++; met[words] == 1 {
			order = append(order, words)
		}
	}
	for _, words := range order {
		fmt.Fprintf(w, "\n%s %s", count(met[words], "instance"), words)
	}
	if len(order) > 0 {
		fmt.Fprintln(w)
	}
}

func summary(r power.Report, skipped int) string {
	want := "RUNNING"
	if r.Action == power.ActionStop {
		want = "STOPPED"
	}
	total, failed := 0, 0
	for _, g := range r.Groups {
		total, failed = total+g.Total, failed+g.Failed
	}
	took := r.FinishedAt.Sub(r.StartedAt).Round(100 * time.Millisecond)
	words := fmt.Sprintf("%d of %s seen %s, %d failed", total-failed-skipped, count(total, "instance"), want, failed)
	if skipped > 0 {
		words += fmt.Sprintf(", %d skipped", skipped)
	}
	return words + fmt.Sprintf(", in %s", took)
}

func printFailures(w io.Writer, r power.Report, forced bool, colours palette) error {
	if r.Err != "" {
		fmt.Fprintf(w, "\n%s: %s\n", colours.bad("FAILED"), r.Err)
	}
	for _, g := range r.Groups {
		if g.Err != "" {
			fmt.Fprintf(w, "\n%s: %s\n", colours.bad("FAILED group "+g.Group), g.Err)
		}
	}
	failures := failuresOf(r)
	if len(failures) == 0 {
		return nil
	}
	shown := failures
	if isTerminal(w) {
		shown = failures[:min(len(failures), maxFailureRows)]
	}
	if err := printFailureRows(w, shown, colours); err != nil {
		return err
	}
	if left := len(failures) - len(shown); left > 0 {
		fmt.Fprintf(w, "… and %d more: --output json lists them all\n", left)
	}
	return printRemedies(w, r.Action, forced, failures)
}

// groupFailure is a failed instance with its group.
type groupFailure struct {
	group string
	power.InstanceResult
}

// failuresOf lists what failed. Cancelled instances come last, so that they do not hide the others.
func failuresOf(r power.Report) []groupFailure {
	var failures, cancelled []groupFailure
	for _, g := range r.Groups {
		for _, f := range g.Failures() {
			if f.Reason == power.ReasonCancelled {
				cancelled = append(cancelled, groupFailure{g.Group, f})
			} else {
				failures = append(failures, groupFailure{g.Group, f})
			}
		}
	}
	return append(failures, cancelled...)
}

func printFailureRows(w io.Writer, failures []groupFailure, colours palette) error {
	var table strings.Builder // without colours: tabwriter would count them as width
	tw := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "FAILED\tGROUP\tREASON\tSTATE\tCODE\tATTEMPTS\tREQUEST ID")
	for _, f := range failures {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", f.InstanceID, f.group, f.Reason,
			dash(f.State), dash(codeWords(f.HTTPStatus, f.Code)), f.Attempts, dash(f.RequestID))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	header, rows, _ := strings.Cut(table.String(), "\n")
	reasonEnds := strings.Index(header, "STATE")
	fmt.Fprintf(w, "\n%s\n", header)
	for row := range strings.Lines(rows) {
		runes := []rune(row)
		_, err := fmt.Fprint(w, colours.bad(string(runes[:reasonEnds])), string(runes[reasonEnds:]))
		if err != nil {
			return err
		}
	}
	return nil
}

// codeWords are the API's code, or the HTTP status of a refusal without a code. Such a refusal did
// not come from the API but from something in front of it.
func codeWords(status int, code string) string {
	if code != "" {
		return code
	}
	return refusalWords(status, "")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
