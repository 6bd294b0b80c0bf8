package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zecpower/internal/store"
	"zecpower/internal/zecsim"
)

// newTerminal gives both ends of a pseudo terminal of a size.
func newTerminal(t *testing.T, columns uint16) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs a pseudo terminal: %v", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	fd := int(ours.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	err = errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0),
		unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs a pseudo terminal: %v", err)
	}
	return ours, theirs
}

// onTerminal runs a command with a terminal for both outputs and gives what went to it.
func onTerminal(t *testing.T, cmd *exec.Cmd, columns uint16) (raw string, status int) {
	t.Helper()
	ours, theirs := newTerminal(t, columns)
	cmd.Stdout, cmd.Stderr = theirs, theirs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close() // the command holds the other end now
	var out bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&out, ours) // ends with EIO once the command is gone
	}()
	_ = cmd.Wait() // its status is in ProcessState
	<-read
	return out.String(), cmd.ProcessState.ExitCode()
}

// colour is an escape sequence that changes no character on the screen.
var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

// screen is what a terminal shows in the end: a carriage return goes back, text overwrites.
func screen(raw string) []string {
	raw = colour.ReplaceAllString(raw, "")
	var lines []string
	line, at := []rune{}, 0
	for _, r := range raw {
		switch {
		case r == '\n':
			lines, line, at = append(lines, strings.TrimRight(string(line), " ")), nil, 0
		case r == '\r':
			at = 0
		default:
			if at == len(line) {
				line = append(line, r)
			} else {
				line[at] = r
			}
			at++
		}
	}
	return append(lines, strings.TrimRight(string(line), " "))
}

func TestABarIsShownOnATerminalAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, columns := range map[string]uint16{"wide": 120, "usual": 80, "narrow": 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := oddFleet()
			o.Boot = zecsim.Boot{Time: 300 * time.Millisecond, Jitter: 300 * time.Millisecond}
			w := newWorld(t, o)
			w.configureOdd("@yearly")
			raw, status := onTerminal(t, w.command("start", "--config", "c.yaml", "left", "right"), columns)
			if status != 1 {
				t.Errorf("status %d, want 1", status)
			}
			if !strings.Contains(raw, "%") || !strings.Contains(raw, "█") {
				t.Errorf("no bar in %q", raw)
			}
			for _, drawn := range strings.FieldsFunc(raw, func(r rune) bool { return r == '\r' || r == '\n' }) {
				if n := len([]rune(drawn)); strings.Contains(drawn, "█") && n >= int(columns) {
					t.Errorf("a bar of %d characters wraps on %d columns: %q", n, columns, drawn)
				}
			}
			shown := screen(raw)
			if !strings.HasPrefix(shown[0], "  GROUP  TOTAL") {
				t.Errorf("the table is not what is left first:\n%s", strings.Join(shown, "\n"))
			}
			if text := strings.Join(shown, "\n"); strings.ContainsAny(text, "█%{") || !strings.Contains(text, "\npartial: 36 of 40 instances seen RUNNING, 4 failed, in ") {
				t.Errorf("left on the screen:\n%s", text)
			}
		})
	}
}

func TestWhatFailedIsRedOnATerminalUnlessAskedNotTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oddFleet())
	w.configureOdd("@yearly")
	for name, c := range map[string]struct {
		environment string
		coloured    bool
	}{
		"a terminal":         {"TERM=xterm", true},
		"NO_COLOR":           {"NO_COLOR=1", false},
		"NO_COLOR, empty":    {"NO_COLOR=", true},
		"one without colour": {"TERM=dumb", false},
	} {
		cmd := w.command("start", "--config", "c.yaml", "left", "right")
		cmd.Env = append(cmd.Env, "TERM=xterm", "NO_COLOR=", c.environment)
		raw, _ := onTerminal(t, cmd, 120)
		if got := strings.Contains(raw, "\x1b[1;31mpartial\x1b[0m: "); got != c.coloured {
			t.Errorf("%s: a red result: %v, want %v", name, got, c.coloured)
		}
		if got := regexp.MustCompile(`\x1b\[1;31mi-\d+ +\w+ +\w+ *\x1b\[0m`).FindAllString(raw, -1); (len(got) == 4) != c.coloured {
			t.Errorf("%s: red failures %q, of 4", name, got)
		}
		if !c.coloured && strings.Contains(raw, "\x1b[1") {
			t.Errorf("%s: colours in %q", name, raw)
		}
	}
}

// hearHangups makes SIGHUP count for the commands that a test starts, also where the tests themselves
// run under nohup: a signal that is handled here is not ignored there.
func hearHangups(t *testing.T) {
	t.Helper()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
}

func TestInterruptedStartSendsNothingMoreAndReports(t *testing.T) {
	t.Parallel()
	hearHangups(t)
	o := healthyFleet(40)
	o.Boot = zecsim.Boot{Time: time.Hour}
	w := newWorld(t, o)
	w.configureOdd("@yearly")
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		before := requestsOf(w.sim, "StartInstances")
		p := w.begin("start", "--config", "c.yaml", "left", "right")
		awaitRequests(t, w, "DescribeInstancesStatus", requestsOf(w.sim, "DescribeInstancesStatus")+1)
		p.signal(s)
		if status := p.wait(); status != 1 {
			t.Errorf("%v: status %d, want 1", s, status)
		}
		out := p.out.String()
		if n := strings.Count(out, " cancelled "); n < 40 || !strings.Contains(out, "failed: 0 of 40 instances seen RUNNING, 40 failed") {
			t.Errorf("%v: %d instances reported as cancelled, want 40:\n%s", s, n, out)
		}
		if !strings.Contains(p.log.String(), "stopping: nothing more is sent, requests in flight are awaited; once more to quit at once") {
			t.Errorf("%v: nothing said: %s", s, p.log.String())
		}
		if before > 0 && requestsOf(w.sim, "StartInstances") > before+4 {
			t.Errorf("%v: %d more starts", s, requestsOf(w.sim, "StartInstances")-before)
		}
	}
}

func TestSecondInterruptQuitsAtOnce(t *testing.T) {
	t.Parallel()
	o := healthyFleet(40)
	o.Latency = zecsim.Latency{Fixed: time.Minute}
	w := newWorld(t, o)
	w.configureOdd("@yearly")
	p := w.begin("start", "--config", "c.yaml", "left")
	awaitRequests(t, w, "StartInstances", 1)
	p.signal(syscall.SIGINT)
	if err := eventually(func() error {
		if !strings.Contains(p.log.String(), "once more to quit at once") {
			return errors.New("nothing said")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGINT)
	p.wait()
	if ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() || ws.Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v, want by the signal", p.cmd.ProcessState)
	}
}

// The terminal is gone in mid-run, and with it both outputs: the run ends in order, and history has
// it.
func TestLostTerminalEndsTheRunInOrderAndRecordsIt(t *testing.T) {
	t.Parallel()
	hearHangups(t)
	o := healthyFleet(40)
	o.Boot = zecsim.Boot{Time: time.Hour}
	w := newWorld(t, o)
	w.configureOdd("@yearly")
	ours, theirs := newTerminal(t, 80)
	cmd := w.command("start", "--config", "c.yaml", "left", "right")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	awaitRequests(t, w, "DescribeInstancesStatus", 1)
	_ = ours.Close() // the kernel sends SIGHUP
	_ = cmd.Wait()   // its status is in ProcessState
	if status := cmd.ProcessState.ExitCode(); status != 1 {
		t.Errorf("it ended with %v, want status 1", cmd.ProcessState)
	}
	var runs []store.Entry
	w.runJSON(&runs, "history", "--schedule", "manual")
	if len(runs) != 1 || runs[0].Result != "failed" {
		t.Errorf("history has %+v", runs)
	}
}
