package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"zecpower/internal/app"
	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/web"
)

const (
	// daemonGone is how long a client waits for a daemon that went away in the middle of its run, as in
	// a restart, and askPause how long between two tries.
	daemonGone = 2 * time.Minute
	askPause   = time.Second
)

// following is a run of the daemon that this process watches.
type following struct {
	host    *host
	daemon  *operator
	order   app.Order
	bar     *progress
	listed  bool
	trouble string
}

// followed is how watching ended: with the report, or because the watcher let go of the run.
type followed struct {
	report *power.Report
	letGo  bool
}

// order asks the daemon for a run, and watches it to its end; see obey for what signals do.
func (h *host) order(cmd *cobra.Command, o *operator, order app.Order, f powerFlags) error {
	order.RunID, order.SudoUser = app.NewRunID(time.Now()), h.getenv("SUDO_USER")
	if f.detach {
		return h.detach(cmd, o, order)
	}
	w := &following{host: h, daemon: o, order: order, bar: newProgress(h.stderr, f.words)}
	hangup, release := onHangup()
	defer release()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	watching, leave := context.WithCancel(context.Background())
	defer leave()
	go w.obey(watching, leave, signals, hangup)
	end, err := w.watch(watching)
	w.bar.finish()
	switch {
	case end.letGo:
		fmt.Fprintf(h.stderr, "%s goes on in the daemon: zecpower status, or zecpower history --schedule manual\n", order.RunID)
		return nil
	case err != nil:
		return err
	}
	if err := h.printReport(*end.report, f); err != nil {
		return &exit{exitFailed, fmt.Errorf("printing the report: %w", err)}
	}
	if end.report.Result() != power.ResultOK || len(skips(*end.report)) > 0 {
		return &exit{status: exitFailed}
	}
	return nil
}

// obey does what signals ask for until watching ends. Ctrl-C on a terminal asks back: again it cancels
// the run, Enter leaves it to the daemon. Without a terminal Ctrl-C cancels it, and SIGTERM always
// does; one more leaves it to the daemon. So does a lost terminal.
func (w *following) obey(watching context.Context, leave func(), signals, hangup <-chan os.Signal) {
	asks := isTerminal(os.Stdin) && w.bar.visible()
	var entered <-chan struct{}
	for cancelled := false; ; {
		select {
		case <-watching.Done():
			return
		case <-hangup:
			leave()
			return
		case <-entered:
			leave()
			return
		case s := <-signals:
			switch {
			case cancelled:
				leave()
				return
			case asks && s == os.Interrupt && entered == nil:
				fmt.Fprintln(w.bar, "Ctrl-C again cancels the run, Enter leaves it to the daemon")
				entered = enter()
			default:
				cancelled = true
				w.cancel()
			}
		}
	}
}

// enter is closed once a person presses Enter.
func enter() <-chan struct{} {
	entered := make(chan struct{})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // a terminal that is lost counts as well
		close(entered)
	}()
	return entered
}

// detach asks for a run and does not wait for it.
func (h *host) detach(cmd *cobra.Command, o *operator, order app.Order) error {
	ctx, cancel := askContext(cmd)
	defer cancel()
	body, err := o.client.Post(ctx, web.PathRuns, url.Values{"detach": {""}}, order)
	if err != nil {
		return refusedOrder(err)
	}
	_ = body.Close()
	fmt.Fprintln(h.stdout, order.RunID)
	fmt.Fprintln(h.stderr, "the daemon makes it: zecpower status shows how far it is, zecpower history --schedule manual how it ended, zecpower cancel ends it")
	return nil
}

// refusedOrder is the exit of a command whose order the daemon refuses.
func refusedOrder(err error) error {
	if e, ok := errors.AsType[*web.Refused](err); ok && e.Status == http.StatusUnprocessableEntity {
		return usageError("%s%s", e.Text, nothingSent)
	}
	return &exit{exitFailed, err}
}

// watch asks for the run and follows it. Where the daemon goes away it asks again: an order that is
// repeated is one run.
func (w *following) watch(ctx context.Context) (followed, error) {
	var gone time.Time // zero: the daemon answers
	for {
		report, err := w.once(ctx)
		switch {
		case ctx.Err() != nil:
			return followed{letGo: true}, nil
		case report != nil:
			return followed{report: report}, nil
		case err == nil: // the daemon stops, or died
			if gone = time.Now(); w.bar.visible() {
				fmt.Fprintln(w.bar, "the daemon went away; waiting for it to come back and go on")
			}
		case !later(err):
			return followed{}, refusedOrder(err)
		case gone.IsZero(), time.Since(gone) > daemonGone:
			return followed{}, &exit{exitFailed, fmt.Errorf("%w; if %s was begun, the daemon goes on with it: zecpower history --schedule manual", err, w.order.RunID)}
		}
		select {
		case <-ctx.Done():
		case <-time.After(askPause):
		}
	}
}

// later reports whether the daemon may answer in a while.
func later(err error) bool {
	if e, ok := errors.AsType[*web.Refused](err); ok {
		return e.Status == http.StatusServiceUnavailable
	}
	return true
}

// once follows the run over one connection. Neither report nor error: the connection ended before
// the run did.
func (w *following) once(ctx context.Context) (*power.Report, error) {
	body, err := w.daemon.client.Post(ctx, web.PathRuns, nil, w.order)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var u app.RunUpdate
		if err := lines.Decode(&u); err != nil {
			return nil, nil //nolint:nilerr,nilnil // as above
		}
		if u.Report != nil {
			return (*power.Report)(u.Report), nil
		}
		w.show(u)
	}
}

// show draws how far the run is.
func (w *following) show(u app.RunUpdate) {
	of := event.Run{ID: u.RunID, Action: w.order.Action}
	if u.Listed && !w.listed {
		w.listed = true
		w.bar.Receive(event.RunStarted{Run: of, Accounts: map[string]int{"": u.Total}})
	}
	w.bar.Receive(event.Progressed{Run: of, Progress: event.Progress{Total: u.Total, Final: u.Final, Pending: u.Pending, Failed: u.Failed}})
	if u.Trouble != w.trouble && u.Trouble != "" {
		fmt.Fprintln(w.bar.out(), "warning: "+u.Trouble)
	}
	w.trouble = u.Trouble
}

// cancel asks the daemon to end the run. Its report follows.
func (w *following) cancel() {
	fmt.Fprintln(w.bar.out(), "stopping: nothing more is sent, requests in flight are awaited; once more leaves that to the daemon")
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	body, err := w.daemon.client.Post(ctx, web.PathCancel, nil, app.CancelOrder{RunID: w.order.RunID, SudoUser: w.order.SudoUser})
	if err != nil {
		fmt.Fprintf(w.bar.out(), "warning: it is not cancelled: %v\n", err)
		return
	}
	_ = body.Close()
}

func newTriggerCommand(h *host) *cobra.Command {
	var f powerFlags
	cmd := &cobra.Command{
		Use:   "trigger SCHEDULE",
		Short: "Ask the daemon for a run of a schedule, now",
		Long: `Ask the daemon for a run of a schedule's action over its groups, now: its times and
calendars do not count, its deadline does. It is a run by hand, with your name.

Exit status: as of start and stop.`,
		Example: `  zecpower trigger weekday-morning
  zecpower trigger weekday-morning --detach`,
		Args: oneArg("name one schedule: zecpower status lists them"),
		RunE: func(cmd *cobra.Command, args []string) error { return h.trigger(cmd, f, args[0]) },
	}
	outputFlag(cmd.Flags(), &f.output)
	cmd.Flags().BoolVar(&f.detach, "detach", false, "print the run's id, and leave the run to the daemon")
	reasonFlag(cmd.Flags(), &f.reason)
	stateDirFlag(cmd, &f.place.stateDir)
	return cmd
}

func (h *host) trigger(cmd *cobra.Command, f powerFlags, schedule string) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	o, err := h.mustOperator(cmd, f.place.stateDir)
	if err != nil {
		return err
	}
	f.words = startWords
	for _, p := range o.status.Plans {
		if p.Schedule == schedule && p.Action == power.ActionStop {
			f.words = stopWords
		}
	}
	return h.order(cmd, o, app.Order{Schedule: schedule, Reason: f.reason}, f)
}

// mustOperator is operator for a command that only a daemon can serve.
func (h *host) mustOperator(cmd *cobra.Command, stateDir string) (*operator, error) {
	o, err := h.operator(cmd, stateDir, toSwitch)
	if err == nil && o == nil {
		err = &exit{exitFailed, fmt.Errorf("%w: start one with zecpower run, or give its --state-dir", web.ErrNoDaemon)}
	}
	return o, err
}

func newCancelCommand(h *host) *cobra.Command {
	var stateDir, reason string
	cmd := &cobra.Command{
		Use:   "cancel RUN",
		Short: "Ask the daemon to end a run by hand",
		Long: `Ask the daemon to end a run by hand: nothing more is sent, requests in flight are
awaited, and what is open ends as cancelled. zecpower status lists the runs.

Exit status: 0 it ends, 1 no daemon answers, 2 no such run is in progress.`,
		Example: `  zecpower cancel manual/2026-11-25T07:50:00Z-5e1f0a`,
		Args:    oneArg("name one run: zecpower status lists those in progress"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := h.mustOperator(cmd, stateDir)
			if err != nil {
				return err
			}
			ctx, stop := askContext(cmd)
			defer stop()
			body, err := o.client.Post(ctx, web.PathCancel, nil, app.CancelOrder{RunID: args[0], Reason: reason, SudoUser: h.getenv("SUDO_USER")})
			if err != nil {
				return refusedOrder(err)
			}
			return body.Close()
		},
	}
	reasonFlag(cmd.Flags(), &reason)
	stateDirFlag(cmd, &stateDir)
	return cmd
}
