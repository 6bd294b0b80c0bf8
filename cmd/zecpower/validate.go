package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"zecpower/internal/config"
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
	fmt.Fprintf(h.stdout, "%s: ok: %s, %s, %s\n\n", path,
		count(len(cfg.Schedules), "schedule"), count(len(cfg.Groups), "group"), count(instances(cfg), "instance"))
	found := findRuns(cfg.Schedules, time.Now(), validateRuns, validateExcluded)
	err = printNext(h.stdout, cfg, found.runs)
	h.printNotes(found.notes)
	return err
}

func instances(cfg *config.Config) int {
	n := 0
	for _, g := range cfg.Groups {
		n += g.Size
	}
	return n
}
