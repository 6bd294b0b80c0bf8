package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"

	"github.com/prometheus/common/version"
	"github.com/spf13/cobra"
)

// The exit statuses: a contract with scripts.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 78 // EX_CONFIG of sysexits.h
)

func main() {
	limitGarbage(os.Getenv)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// garbagePercent is how much garbage may lie beside what is in use before it is collected, in percent
// of that. Go's own 100 takes twice the memory of a run of a million instances, and nearly all of it
// lives as long as the run, so that collecting twice as often costs little.
const garbagePercent = 50

// limitGarbage sets garbagePercent, unless the environment has its own GOGC.
func limitGarbage(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}

// host is the environment of a command.
type host struct {
	stdout, stderr io.Writer
	getenv         func(string) string
}

// exit is an error that carries its exit status. Without a cause nothing is printed.
type exit struct {
	status int
	cause  error
}

func (e *exit) Error() string {
	if e.cause == nil {
		return ""
	}
	return e.cause.Error()
}

func (e *exit) Unwrap() error { return e.cause }

func usageError(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}

// exitStatus is the exit status of an error. Every command sets it in its own errors, so any other
// error is one of the command line, except a failed write of the output, as to a full disk.
func exitStatus(err error) int {
	if e, ok := errors.AsType[*exit](err); ok {
		return e.status
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok && e.Op == "write" {
		return exitFailed
	}
	return exitUsage
}

// run executes one command line.
func run(args []string, stdout, stderr io.Writer) int {
	version.Version = cmp.Or(version.Version, "dev") // the linker sets it in a release
	h := &host{stdout: stdout, stderr: stderr, getenv: os.Getenv}
	root := newRoot(h)
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	status := exitStatus(err)
	if text := err.Error(); text != "" {
		fmt.Fprintf(stderr, "zecpower: %s\n", text)
	}
	return status
}

func newRoot(h *host) *cobra.Command {
	root := &cobra.Command{
		Use:   "zecpower",
		Short: "Powers Zenlayer Elastic Compute fleets on and off, on schedule",
		Long: `zecpower powers Zenlayer Elastic Compute (ZEC) fleets on and off, on schedule.

One daemon (zecpower run) starts thousands of stopped instances in batches of up
to 100, keeps within the account's request budget, isolates what cannot start,
checks that the rest really reached RUNNING, and reports to Prometheus and the
log exactly which instances failed and why.`,
		Example: `  zecpower demo                                          # the main job in ten seconds, no account needed
  zecpower validate --config schedules.yaml              # every mistake at once
  zecpower next --config schedules.yaml --count 3        # the coming runs
  zecpower start --config schedules.yaml web --dry-run   # what one run would send
  zecpower run --config /etc/zecpower/schedules.yaml     # the daemon`,
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,
	}
	showVersion := root.Flags().Bool("version", false, "print what zecpower version prints")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *showVersion {
			return printVersion(h.stdout)
		}
		return cmd.Help()
	}
	root.SetOut(h.stdout)
	root.SetErr(h.stderr)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newRunCommand(h), newPowerCommand(h, startWords), newPowerCommand(h, stopWords),
		newValidateCommand(h), newGroupsCommand(h), newNextCommand(h), newStatusCommand(h), newHistoryCommand(h), newTriggerCommand(h), newCancelCommand(h), newSkipCommand(h),
		newSimulateCommand(h), newDemoCommand(h), newVersionCommand(h),
	)
	refuseStrays(root)
	return root
}

// refuseStrays makes cobra's own commands refuse unknown arguments. They would show an unrelated
// help and exit 0.
func refuseStrays(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				about, strays, err := root.Find(args)
				if about != root && len(strays) > 0 {
					return usageError("there is no help on %q; see '%s --help'", strings.Join(args, " "), about.CommandPath())
				}
				return cmp.Or(err, noArgs(root, strays))
			}
		case "completion":
			c.Args, c.RunE = noArgs, func(c *cobra.Command, _ []string) error { return c.Help() }
			c.SuggestionsMinimumDistance = root.SuggestionsMinimumDistance
		}
	}
}
