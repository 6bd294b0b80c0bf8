package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"zecpower/internal/config"
	"zecpower/scheduler"
)

// validateRuns is how many coming runs of each schedule validate shows.
const validateRuns = 1

// validateExcluded is how many excluded times of each schedule it shows on the way there; `next`
// shows more.
const validateExcluded = 10

func newValidateCommand(h *host) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "validate --config FILE",
		Short: "Check a configuration: every mistake at once, else the next runs",
		Example: `  zecpower validate --config schedules.yaml
  zecpower validate --config schedules.yaml && sudo systemctl reload zecpower`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return h.validate(path) },
	}
	configFlag(cmd.Flags(), &path)
	return cmd
}

func (h *host) validate(path string) error {
	cfg, err := h.loadConfig(path, exitUsage, "")
	if err != nil {
		return err
	}
	h.printWarnings(cfg)
	now := time.Now()
	h.printClashes(cfg, now)
	fmt.Fprintf(h.stdout, "%s: ok: %s, %s, %s\n\n", withIncluded(path, len(cfg.Included)),
		count(len(cfg.Schedules), "schedule"), count(len(cfg.Groups), "group"), count(instances(cfg), "instance"))
	found := findRuns(cfg.Schedules, now, validateRuns, validateExcluded)
	err = printNext(h.stdout, now, cfg, found.runs)
	h.printNotes(found.notes)
	return err
}

// withIncluded is the configuration at path with n included files.
func withIncluded(path string, n int) string {
	if n == 0 {
		return path
	}
	return path + " and " + count(n, "included file")
}

// printClashes warns of schedules that want opposite things of a group at about the same time,
// within a year.
func (h *host) printClashes(cfg *config.Config, now time.Time) {
	clashes, complete := scheduler.Clashes(cfg.Schedules, now, now.AddDate(1, 0, 0))
	for _, c := range clashes {
		said := fmt.Sprintf("the %s of %s at %s and the %s of %s at %s come due within a minute of each other: the %s wins, the %s of group %s is not made",
			c.Loser.Action, c.Loser.Schedule, c.Loser.At.Format(tableTime), c.Winner.Action, c.Winner.Schedule, c.Winner.At.Format(tableTime),
			c.Winner.Action, c.Loser.Action, c.Group)
		fmt.Fprintf(h.stderr, "warning: %s\n", cfg.ScheduleWarning(c.Loser.Schedule, said, "move one of them, or exclude the date"))
	}
	if !complete {
		fmt.Fprintln(h.stderr, "warning: not all times of all schedules were searched for a start and a stop of one group at about the same time: there are too many")
	}
}

func instances(cfg *config.Config) int {
	n := 0
	for _, g := range cfg.Groups {
		n += g.Size
	}
	return n
}
