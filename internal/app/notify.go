package app

import (
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"zecpower/scheduler"
)

// notifier notifies systemd of the daemon's state. Without $NOTIFY_SOCKET it does nothing.
type notifier struct{ log *zap.Logger }

func newNotifier(log *zap.Logger) notifier { return notifier{log} }

// listening reports whether systemd expects notifications.
func (n notifier) listening() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

func (n notifier) send(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.Debug("systemd was not notified", zap.Error(err))
	}
}

func (n notifier) ready() { n.send(daemon.SdNotifyReady) }

// drainTime is what a stop needs beyond the longest request: to record runs and close the store.
const drainTime = 15 * time.Second

// stopping asks for the time that the longest request may still take, where that is more than the
// unit's TimeoutStopSec.
func (n notifier) stopping(longest time.Duration) {
	n.send(fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d\nSTATUS=stopping: requests in flight are awaited",
		daemon.SdNotifyStopping, (longest + drainTime).Microseconds()))
}

// reloading must be followed by ready. systemd from 253 on requires the time with it.
func (n notifier) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		n.send(daemon.SdNotifyReloading)
		return
	}
	n.send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/int64(time.Microsecond)))
}

// alive feeds the watchdog from the decision loop and updates the status line.
func (d *Daemon) alive() {
	if !d.notify.listening() {
		return // a snapshot of 10,000 schedules would be wasted
	}
	d.notify.send(daemon.SdNotifyWatchdog + "\nSTATUS=" + d.statusLine(d.loop.Snapshot()))
}

// statusLine is what `systemctl status` shows: the runs in progress, else the next one.
func (d *Daemon) statusLine(s scheduler.Snapshot) string {
	switch {
	case len(s.Running) == 1:
		return d.runLine(s.Running[0])
	case len(s.Running) > 1:
		return fmt.Sprintf("%s, and %d more in progress", d.runLine(s.Running[0]), len(s.Running)-1)
	case len(s.Schedules) == 0 || s.Schedules[0].NextRun.IsZero():
		return "no run is planned"
	}
	next := s.Schedules[0]
	return fmt.Sprintf("next run: %s at %s", next.Schedule, next.NextRun.In(next.Zone).Format("Mon 2006-01-02 15:04:05 -0700"))
}

func (d *Daemon) runLine(r scheduler.Running) string {
	p, begun := d.progress.Progress(r.Firing.RunID)
	if !begun {
		return r.Firing.RunID + ": finds its instances"
	}
	return fmt.Sprintf("%s: %d of %d instances final, %d on the way, %d failed", r.Firing.RunID, p.Final, p.Total, p.Pending, p.Failed)
}
