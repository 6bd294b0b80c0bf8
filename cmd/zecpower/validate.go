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
	var f groupsFlags
	var online bool
	cmd := &cobra.Command{
		Use:   "validate --config FILE",
		Short: "Check a configuration: every mistake at once, else the next runs",
		Long: `Check a configuration: every mistake at once, else the next runs.

With --online it also asks the API, and switches nothing: each account's
credential is tried, each group is listed, and ids that do not exist and members
that a guard would keep out are named.

Exit status: 0 all is well, 1 --online found something, 2 the configuration or
its credentials cannot be used.`,
		Example: `  zecpower validate --config schedules.yaml
  zecpower validate --config schedules.yaml --online
  zecpower validate --config schedules.yaml && sudo systemctl reload zecpower`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := h.validate(f.config)
			if err == nil && online {
				err = h.validateOnline(cmd, cfg, f)
			}
			return err
		},
	}
	flags := cmd.Flags()
	configFlag(flags, &f.config)
	flags.BoolVar(&online, "online", false, "ask the API, too: credentials, groups, ids")
	stateDirFlag(cmd, &f.place.stateDir)
	f.access.add(flags)
	f.log.add(flags, "warn", "")
	return cmd
}

func (h *host) validate(path string) (*config.Config, error) {
	cfg, err := h.loadConfig(path, exitUsage, "")
	if err != nil {
		return nil, err
	}
	h.printWarnings(cfg)
	now := time.Now()
	h.printClashes(cfg, now)
	fmt.Fprintf(h.stdout, "%s: ok: %s, %s\n\n", withIncluded(path, len(cfg.Included)), count(len(cfg.Schedules), "schedule"), groupWords(cfg))
	found := findRuns(cfg.Schedules, now, validateRuns, validateExcluded)
	err = printNext(h.stdout, now, cfg, found.runs)
	h.printNotes(found.notes)
	return cfg, err
}

// validateOnline asks the API about every group, and says what it found.
func (h *host) validateOnline(cmd *cobra.Command, cfg *config.Config, f groupsFlags) error {
	fmt.Fprintln(h.stdout, "\nasking the API, nothing is switched:")
	found, err := h.inspect(cmd, cfg, cfg.GroupNames(), f)
	if err != nil {
		return err
	}
	if err := printGroupSums(h.stdout, found); err != nil {
		return err
	}
	bad := 0
	for _, g := range found {
		if remark(g) != "" {
			bad++
		}
	}
	if bad > 0 {
		return &exit{exitFailed, fmt.Errorf("%s of %d %s something to mend: see REMARK, and zecpower groups GROUP", count(bad, "group"), len(found), plural(bad, "has", "have"))}
	}
	return nil
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

// groupWords count the groups and the instances that they name.
func groupWords(cfg *config.Config) string {
	named, selecting := 0, 0
	for _, g := range cfg.Groups {
		named += g.Size
		if g.Selects() {
			selecting++
		}
	}
	words := fmt.Sprintf("%s, %s", count(len(cfg.Groups), "group"), count(named, "instance"))
	if selecting > 0 {
		words += fmt.Sprintf(" named; %s %s members that the API knows: --online lists them", count(selecting, "group"), plural(selecting, "has", "have"))
	}
	return words
}
