package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zecpower/internal/app"
	"zecpower/internal/web"
)

// operator is a daemon that answers, and that this user may ask for what a command wants.
type operator struct {
	client *web.Client
	status app.Status
}

// Rights to a daemon: reading goes over its control socket, switching over its operator socket.
type right bool

const (
	toRead   right = false
	toSwitch right = true
)

// client is a client of the socket for a right, of a daemon whose control socket is at path.
func (r right) client(path string) *web.Client {
	if r == toSwitch {
		return web.OperatorClient(web.OperatorPath(filepath.Dir(path)))
	}
	return web.ControlClient(path)
}

// operator finds a daemon as status does. nil: none answers. An error says that one does and may not
// be asked.
func (h *host) operator(cmd *cobra.Command, stateDir string, r right) (*operator, error) {
	for _, p := range h.daemonPlaces(stateDir) {
		o := &operator{client: r.client(p.socket)}
		err := o.ask(cmd)
		switch {
		case err == nil:
			return o, nil
		case errors.Is(err, fs.ErrPermission):
			return nil, usageError("a daemon is there, and you have no right to ask it for this: %w", err)
		case !errors.Is(err, web.ErrNoDaemon):
			return nil, &exit{exitFailed, err}
		}
		// One that only answers questions is the owner of its instances all the same.
		reading := &operator{client: toRead.client(p.socket)}
		if r == toSwitch && reading.ask(cmd) == nil {
			return nil, &exit{exitFailed, fmt.Errorf("a daemon answers on %s and takes no runs by hand: it is starting or stopping, or its log says why; ask again, or make the run in this process, with your own credential: --local", p.socket)}
		}
	}
	return nil, nil //nolint:nilnil // no daemon is no error
}

func (o *operator) ask(cmd *cobra.Command) error {
	ctx, cancel := askContext(cmd)
	defer cancel()
	return o.client.GetJSON(ctx, web.PathStatus, nil, &o.status)
}

// localFlags say that a command does its work itself, and not the daemon.
type localFlags struct {
	local    bool
	stateDir string
}

func (f *localFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.local, "local", false, "do it in this process, with your own credential, also beside a daemon")
	stateDirFlag(cmd, &f.stateDir)
}

// daemonFor finds the daemon that a command asks; nil: it does the work itself. What the flags say of
// configuration and credentials must be the daemon's own then.
func (h *host) daemonFor(cmd *cobra.Command, f localFlags, r right, config string) (*operator, error) {
	if f.local {
		return nil, nil //nolint:nilnil // as above
	}
	o, err := h.operator(cmd, f.stateDir, r)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, usageError("%w; --local does it in this process, with your own credential", err)
	case o == nil || err != nil:
		return nil, err
	}
	if err := o.checkFlags(cmd.Flags(), config); err != nil {
		return nil, err
	}
	if o.status.Config.Rejected != "" {
		fmt.Fprintf(h.stderr, "warning: the daemon refused the newest configuration, and goes by the one that it loaded at %s:\n  %s\n",
			moment(o.status.Config.LoadedAt, time.Now(), ""), strings.ReplaceAll(o.status.Config.Rejected, "\n", "\n  "))
	}
	return o, nil
}

func (o *operator) checkFlags(flags *pflag.FlagSet, config string) error {
	if flags.Changed("config") && !sameFile(config, o.status.Config.Path) {
		return usageError("the daemon runs %s (loaded %s): leave --config out, or run in this process: --local",
			o.status.Config.Path, moment(o.status.Config.LoadedAt, time.Now(), ""))
	}
	for _, name := range []string{"credentials-file", "profile"} {
		if flags.Changed(name) {
			return usageError("the daemon has its own credential: leave --%s out, or run in this process: --local", name)
		}
	}
	return nil
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	if one, err := os.Stat(a); err == nil {
		if two, err := os.Stat(b); err == nil {
			return os.SameFile(one, two)
		}
	}
	one, err := filepath.Abs(a)
	return err == nil && one == filepath.Clean(b)
}
