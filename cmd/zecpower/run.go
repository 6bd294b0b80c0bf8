package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"zecpower/internal/app"
	"zecpower/internal/config"
	"zecpower/internal/logging"
	"zecpower/internal/web"
)

type runFlags struct {
	config     string
	stateDir   string
	webAddress string
	webConfig  string
	access     accessFlags
	log        logFlags
}

func newRunCommand(h *host) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "The daemon: make every scheduled run, and report it",
		Long: `Make every scheduled run until SIGTERM or SIGINT. SIGHUP, or a change of the
configuration or a file it names, reloads; a configuration with a mistake in it
is refused whole and the running one stays. An instances_file that is missing or
malformed is none: its group fails at each run, the others are powered. Where an
iCalendar file cannot be read, a start goes by the dates that were last read; an
included file (include_files) with a mistake in it is left out at a start. A
reload reads the file of the credentials, too; environment variables cannot change.

Exit status: 0 after SIGTERM, 78 for a main file that cannot be used, 2 for
wrong usage or credentials, 1 for anything else.`,
		Example: `  zecpower run --config schedules.yaml
  zecpower run --config schedules.yaml --state-dir /var/lib/zecpower --web.listen-address 127.0.0.1:9821
  ZENLAYER_ACCESS_KEY_ID=… ZENLAYER_ACCESS_KEY_SECRET=… zecpower run --config schedules.yaml --log.format=console`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return h.daemon(cmd, f) },
	}
	flags := cmd.Flags()
	configFlag(flags, &f.config)
	flags.StringVar(&f.stateDir, "state-dir", "", "`DIR` of the store (default $STATE_DIRECTORY, else zecpower in the XDG state folder)")
	flags.StringVar(&f.webAddress, "web.listen-address", web.DefaultAddress, "`ADDR` of /metrics and /-/healthy")
	flags.StringVar(&f.webConfig, "web.config.file", "", "`FILE` with TLS and basic auth for the web address (exporter-toolkit's format)")
	f.access.add(flags)
	f.log.add(flags, "info", "")
	return cmd
}

func (h *host) daemon(cmd *cobra.Command, f runFlags) error {
	hangup := make(chan os.Signal, 1)
	// Before anything else: an early SIGHUP would kill the process.
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	logger, err := logging.New(logging.Config{
		Level: f.log.level, Format: f.log.format, Output: h.stderr, JournalStream: h.getenv("JOURNAL_STREAM"),
	})
	if err != nil {
		return &exit{exitUsage, err}
	}
	opts := app.Options{WebAddress: f.webAddress, WebConfigFile: f.webConfig, Logger: logger, Hangup: hangup}
	if opts.StateDir, err = h.stateDir(f.stateDir); err != nil {
		return err
	}
	opts.RuntimeDir = h.runtimeDir(opts.StateDir)
	if err := cmp.Or(web.CheckAddress(f.webAddress), web.CheckConfigFile(f.webConfig)); err != nil {
		return &exit{exitUsage, err}
	}
	if opts.Config, err = h.loadRunnable(f.config, exitConfig, notStarted); err != nil {
		return err
	}
	if absolute, err := filepath.Abs(f.config); err == nil {
		opts.Config.Path = absolute // log and status are read from other folders
	}
	opts.Access = func(a config.Account) (app.Access, error) { return f.access.find(h, a) }
	if err := anyAccess(opts); err != nil {
		return err
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	defer context.AfterFunc(ctx, func() { logger.Info("stopping: nothing more is sent, requests in flight are awaited") })()
	return h.runDaemon(ctx, opts)
}

// anyAccess refuses a start at which no account has a credential: nothing could be powered. Where
// all included files are left out there may be no account to ask for one.
func anyAccess(opts app.Options) error {
	var errs []error
	for _, a := range opts.Config.AccountsInUse() {
		_, err := opts.Access(a)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return nil
	}
	return &exit{exitUsage, errors.Join(errs...)}
}

func (h *host) runDaemon(ctx context.Context, opts app.Options) error {
	d, err := app.New(opts)
	if err != nil {
		return &exit{exitFailed, err}
	}
	err = d.Run(ctx)
	if err == nil {
		return nil
	}
	// Logged here, so not printed again.
	opts.Logger.Error("daemon failed", zap.String("error", err.Error()))
	if _, ok := errors.AsType[*app.ConfigError](err); ok {
		return &exit{status: exitConfig}
	}
	return &exit{status: exitFailed}
}
