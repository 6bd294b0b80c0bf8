package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"zecpower/apiclient"
	"zecpower/internal/app"
	"zecpower/internal/config"
	"zecpower/internal/credentials"
	"zecpower/internal/nearest"
	"zecpower/internal/power"
	"zecpower/internal/strictyaml"
	"zecpower/internal/web"
)

const defaultConfig = "/etc/zecpower/schedules.yaml"

// The values of --output.
const (
	outputTable = "table"
	outputJSON  = "json"
)

func configFlag(flags *pflag.FlagSet, path *string) {
	flags.StringVar(path, "config", defaultConfig, "configuration `FILE`")
}

func outputFlag(flags *pflag.FlagSet, output *string) {
	flags.StringVar(output, "output", outputTable, "table for people, json for scripts")
}

func checkOutput(output string) error {
	if output == outputTable || output == outputJSON {
		return nil
	}
	return usageError("--output %q: it is table or json", output)
}

// What a broken configuration means to the commands.
const (
	nothingSent = "; nothing was sent"
	notStarted  = "; the daemon did not start"
)

// loadConfig reads the configuration and refuses it for any mistake, those of the files that it
// names included. It prints every mistake on a line of its own. consequence ends the error's text.
func (h *host) loadConfig(path string, status int, consequence string) (*config.Config, error) {
	cfg, err := h.loadRunnable(path, status, consequence)
	if err != nil || len(cfg.Unreadable) == 0 {
		return cfg, err
	}
	return nil, h.refuseConfig(path, cfg.Unreadable, status, consequence+daemonWithout(cfg))
}

// loadRunnable is loadConfig for what goes on where a file that the configuration names cannot be
// used: its group or calendar alone does not, and an included file is left out.
func (h *host) loadRunnable(path string, status int, consequence string) (*config.Config, error) {
	cfg, err := config.LoadRunnable(path)
	if err == nil {
		return cfg, nil
	}
	invalid, ok := errors.AsType[*config.Invalid](err)
	if !ok {
		return nil, &exit{status, err}
	}
	return nil, h.refuseConfig(path, invalid.Problems, status, consequence)
}

func (h *host) refuseConfig(path string, problems []config.Problem, status int, consequence string) error {
	h.printProblems(problems)
	return &exit{status, fmt.Errorf("configuration %s: %s%s", path, count(len(problems), "mistake"), consequence)}
}

func (h *host) printProblems(problems []config.Problem) {
	for _, p := range problems {
		fmt.Fprintln(h.stderr, p)
	}
}

// daemonWithout says what a daemon does with a configuration some of whose included files, groups
// and calendars cannot be read.
func daemonWithout(cfg *config.Config) string {
	files, calendars, groups := fileNames(cfg.UnreadableFiles()), calendarNames(cfg.UnreadableCalendars), cfg.UnreadableGroups()
	who := "; a daemon uses it all the same: "
	if len(files)+len(calendars) > 0 {
		who = "; a daemon that runs refuses it, one that starts uses it all the same: "
	}
	var said []string
	if n := len(files); n > 0 {
		said = append(said, fmt.Sprintf("%s (%s) %s left out", count(n, "file"), strictyaml.Some(files), plural(n, "is", "are")))
	}
	if n := len(calendars); n > 0 {
		said = append(said, fmt.Sprintf("%s (%s) %s the dates that were last read, if any", count(n, "calendar"), strictyaml.Some(calendars), plural(n, "has", "have")))
	}
	if n := len(groups); n > 0 {
		said = append(said, fmt.Sprintf("%s %s (%s) at each run until the file is mended", count(n, "group"), plural(n, "fails", "fail"), strictyaml.Some(groups)))
		if n < len(cfg.Groups) {
			said = append(said, "the rest is powered")
		}
	}
	return who + strings.Join(said, ", ")
}

func fileNames(files []config.Included) []string {
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, f.Name)
	}
	return names
}

func calendarNames(calendars []*config.UnreadableCalendar) []string {
	names := make([]string, 0, len(calendars))
	for _, u := range calendars {
		names = append(names, u.Name)
	}
	return names
}

func (h *host) printWarnings(cfg *config.Config) {
	for _, w := range cfg.Warnings {
		fmt.Fprintf(h.stderr, "warning: %s\n", w)
	}
}

// accessFlags say where the credentials are.
type accessFlags struct{ file, profile string }

func (f *accessFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "credentials-file", "", "`FILE` with the API credentials: JSON by profile, or KEYID:SECRET")
	flags.StringVar(&f.profile, "profile", "", "profile of a credentials file (default $ZENLAYER_PROFILE, else \"default\")")
}

// find finds the access to an account: where it has a source of its own, there; else as usual.
func (f accessFlags) find(h *host, a config.Account) (app.Access, error) {
	home, _ := os.UserHomeDir() // many services have none: then that source is absent
	usual := credentials.Options{File: f.file, Profile: f.profile, Getenv: h.getenv, Home: home}
	var c apiclient.Credentials
	var source credentials.Source
	var err error
	if a.Name == power.DefaultAccount {
		c, source, err = credentials.Find(usual)
	} else {
		c, source, err = credentials.FindOwn(usual, credentials.Own{Profile: a.Profile, File: a.CredentialsFile, Credential: a.Credential})
	}
	if err != nil {
		return app.Access{}, &exit{exitUsage, err}
	}
	access := app.Access{Credentials: c, Source: source.String()}
	if source.IsFile() {
		access.Read = source.Read
	}
	return access, nil
}

// logFlags say how to log.
type logFlags struct{ level, format string }

// add defines the flags. level is the default level; where it is empty, otherwise describes the
// default in the help text.
func (f *logFlags) add(flags *pflag.FlagSet, level, otherwise string) {
	flags.StringVar(&f.level, "log.level", level, "lowest level that is logged: debug, info, warn or error"+otherwise)
	flags.StringVar(&f.format, "log.format", "", "json or console (default console on a terminal, json otherwise)")
}

// stateDir is where the daemon keeps its store: the flag, else systemd's
// $STATE_DIRECTORY, else the XDG state folder.
func (h *host) stateDir(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if dir := firstPath(h.getenv("STATE_DIRECTORY")); dir != "" {
		return dir, nil
	}
	if dir := h.getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "zecpower"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", usageError("state folder: %w; give --state-dir", err)
	}
	return filepath.Join(home, ".local", "state", "zecpower"), nil
}

// runtimeDir is where the control socket is: systemd's $RUNTIME_DIRECTORY, else the state folder.
func (h *host) runtimeDir(stateDir string) string {
	if dir := firstPath(h.getenv("RUNTIME_DIRECTORY")); dir != "" {
		return dir
	}
	return stateDir
}

// firstPath is the first of the paths that systemd joins with colons.
func firstPath(list string) string {
	first, _, _ := strings.Cut(list, ":")
	return first
}

// daemonFolders are the control socket and the state folder of a daemon that may run.
type daemonFolders struct{ socket, state string }

// daemonPlaces lists where a daemon may be, most likely first: where the flag or the environment
// says, or else the packaged service, then this user's own.
func (h *host) daemonPlaces(flag string) []daemonFolders {
	service := daemonFolders{"/run/zecpower/" + web.ControlSocket, "/var/lib/zecpower"}
	state, err := h.stateDir(flag)
	if err != nil {
		return []daemonFolders{service} // no home folder, as under cron: then this user has no daemon
	}
	own := daemonFolders{filepath.Join(h.runtimeDir(state), web.ControlSocket), state}
	if flag != "" {
		return []daemonFolders{{filepath.Join(state, web.ControlSocket), state}, own}
	}
	if h.getenv("STATE_DIRECTORY") != "" || h.getenv("RUNTIME_DIRECTORY") != "" {
		return []daemonFolders{own}
	}
	return []daemonFolders{service, own}
}

// interruptible returns a context that ends at the first SIGINT or SIGTERM. A second signal kills
// the process.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// untilHangup is interruptible, and the context ends at a SIGHUP, too: the terminal is lost. Further
// ones are ignored until release, because shell and kernel may each send one. Where SIGHUP was
// ignored from the start, as by nohup, it stays so.
func untilHangup(cmd *cobra.Command) (ctx context.Context, stop, release context.CancelFunc) {
	ctx, stop = interruptible(cmd)
	hangup, forget := onHangup()
	if hangup == nil {
		return ctx, stop, forget
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case <-hangup:
			cancel()
		case <-done:
		}
	})
	return ctx, stop, func() {
		forget()
		close(done)
		watcher.Wait()
		cancel()
	}
}

// onHangup receives when the terminal is lost, until forget is called. hangup is nil where that was
// ignored from the start.
func onHangup() (hangup chan os.Signal, forget func()) {
	if signal.Ignored(syscall.SIGHUP) {
		return nil, func() {}
	}
	hangup = make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	return hangup, func() { signal.Stop(hangup) }
}

// isTerminal reports whether w is a terminal.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// oneArg refuses any other number of arguments than one. ask says which to give.
func oneArg(ask string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError("%s", ask)
		}
		return nil
	}
}

// noArgs refuses arguments, and suggests the nearest command.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasParent() && !cmd.HasSubCommands() {
		return usageError("%q is too much: %s takes no argument; see '%[2]s --help'", args[0], cmd.CommandPath())
	}
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf(" (did you mean %q?)", near[0])
	}
	return usageError("there is no command %q%s; see '%s --help'", args[0], hint, cmd.CommandPath())
}

// flagError adds where help is and the nearest flag. Where the command itself is unknown it reports
// that, because cobra would report its first flag instead.
func flagError(cmd *cobra.Command, err error) error {
	if args := cmd.Flags().Args(); !cmd.HasParent() && len(args) > 0 {
		return noArgs(cmd, args)
	}
	hint := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := nearest.Word(unknown.GetSpecifiedName(), names); near != "" {
			hint = fmt.Sprintf(" (did you mean --%s?)", near)
		}
	}
	return usageError("%w%s; see '%s --help'", err, hint, cmd.CommandPath())
}

// plural chooses a word by number.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// count is a number with its noun in singular or plural.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
