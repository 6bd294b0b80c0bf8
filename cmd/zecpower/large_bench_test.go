package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkLargeRun is `zecpower start` of a whole account beside the plain program of eight workers
// (internal/eightworkers), each in a process of its own, in turn, with eight requests in flight. The
// account is a third process. A request takes it 5 ms, a boot one second, and it has no limit. wall,
// CPU and peak memory are the least of all rounds; of each there is the ratio to the plain program's.
// KB/id is the peak less that of a run of one instance.
//
//	go test ./cmd/zecpower -run '^$' -bench 'LargeRun/^10000$' -benchtime 5x
//
// With ZECPOWER_PROFILES=DIR a further run, which is not measured, leaves its profiles in DIR: cpu,
// heap (when it was largest) and allocs.
func BenchmarkLargeRun(b *testing.B) {
	bin := b.TempDir()
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			build(b, bin, "zecpower/cmd/zecpower", "zecpower/internal/eightworkers")
			zecpower := filepath.Join(bin, "zecpower")
			l := newLargeRun(b, n, zecpower)
			idle := newLargeRun(b, 1, zecpower).start(b, zecpower)
			var ours, plain usage
			for b.Loop() {
				ours = ours.least(l.start(b, zecpower))
				plain = plain.least(l.plain(b, filepath.Join(bin, "eightworkers")))
			}
			reportLargeRun(b, n, ours, plain, idle)
			if os.Getenv(profileDir) != "" {
				l.start(b, "zecpower-profiled")
			}
		})
	}
}

// reportLargeRun reports what the programs used.
func reportLargeRun(b *testing.B, n int, ours, plain, idle usage) {
	b.ReportMetric(0, "ns/op") // of both programs and the account: it says nothing
	b.ReportMetric(ours.wall.Seconds(), "wall-s")
	b.ReportMetric(ours.cpu.Seconds(), "cpu-s")
	b.ReportMetric(float64(ours.peak)/1e6, "peak-MB")
	b.ReportMetric(float64(ours.wall)/float64(plain.wall), "wall-ratio")
	b.ReportMetric(float64(ours.cpu)/float64(plain.cpu), "cpu-ratio")
	b.ReportMetric(float64(ours.peak)/float64(plain.peak), "peak-ratio")
	b.ReportMetric(float64(ours.peak-idle.peak)/1e3/float64(n), "KB/id")
}

// The programs of BenchmarkLargeRun bring a fleet of any size to RUNNING.
func TestLargeRunBesideEightWorkers(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	build(t, bin, "zecpower/internal/eightworkers")
	l := newLargeRun(t, 250, "zecpower")
	for name, used := range map[string]usage{"start": l.start(t, "zecpower"), "plain": l.plain(t, filepath.Join(bin, "eightworkers"))} {
		if used.wall < largeRunBoot || used.cpu == 0 || used.peak == 0 {
			t.Errorf("%s: %+v", name, used)
		}
	}
}

// build puts programs of this module into a folder.
func build(tb testing.TB, dir string, packages ...string) {
	tb.Helper()
	cmd := exec.Command("go", append([]string{"build", "-o", dir + "/"}, packages...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
}

const (
	largeRunBoot = time.Second
	largeRunPoll = "1s"
)

// largeRun is an account of n instances, each STOPPED whenever a program is to start them.
type largeRun struct {
	n        int
	simulate string // the program that is the account
	dir      string
}

func newLargeRun(tb testing.TB, n int, simulate string) largeRun {
	tb.Helper()
	l := largeRun{n, simulate, tb.TempDir()}
	l.write(tb, "ids.txt", fleetFile(n))
	l.write(tb, "scenario.yaml", fmt.Sprintf("boot: {time: %s, jitter: 0s}\nlatency: {fixed: 5ms, jitter: 0s}\n", largeRunBoot))
	return l
}

func (l largeRun) path(name string) string { return filepath.Join(l.dir, name) }

func (l largeRun) write(tb testing.TB, name, text string) {
	tb.Helper()
	if err := os.WriteFile(l.path(name), []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// start measures a program that takes the arguments of zecpower.
func (l largeRun) start(tb testing.TB, program string) usage {
	return l.measure(tb, func(endpoint string) *exec.Cmd {
		l.write(tb, "c.yaml", `api: {endpoint: "`+endpoint+`", requests_per_second: 10000, burst: 10000, max_in_flight: 8}
batch: {poll_interval: `+largeRunPoll+`}
groups: {all: {instances_file: ids.txt}}
schedules: {yearly: {cron: "@yearly", action: start, groups: [all]}}
`)
		return exec.Command(program, "start", "--config", l.path("c.yaml"), "all")
	})
}

// plain measures the program of eight workers.
func (l largeRun) plain(tb testing.TB, program string) usage {
	return l.measure(tb, func(endpoint string) *exec.Cmd {
		return exec.Command(program, endpoint, l.path("ids.txt"), largeRunPoll)
	})
}

// measure runs what command returns to its end, against an account of its own.
func (l largeRun) measure(tb testing.TB, command func(endpoint string) *exec.Cmd) usage {
	tb.Helper()
	endpoint, shut := l.serve(tb)
	defer shut()
	cmd, out := l.within(command(endpoint)), &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	began := time.Now()
	err := cmd.Run()
	wall := time.Since(began)
	if err != nil {
		tb.Fatalf("%s: %v: %s", cmd, err, out)
	}
	used := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return usage{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), used.Maxrss << 10}
}

// serve begins an account whose instances are all STOPPED.
func (l largeRun) serve(tb testing.TB) (endpoint string, shut func()) {
	tb.Helper()
	cmd := l.within(exec.Command(l.simulate, "simulate", "--listen", "127.0.0.1:0", "--log.level", "error",
		"--scenario", l.path("scenario.yaml"), "--instances", fmt.Sprint(l.n)))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		tb.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for endpoint == "" && lines.Scan() {
		_, endpoint, _ = strings.Cut(lines.Text(), "endpoint: ")
	}
	return endpoint, func() {
		_ = cmd.Process.Kill() // perhaps it is gone
		_ = cmd.Wait()
	}
}

// within is a command with a home and a credential of its own.
func (l largeRun) within(cmd *exec.Cmd) *exec.Cmd {
	cmd.Dir = l.dir
	cmd.Env = append(os.Environ(), "ZENLAYER_ACCESS_KEY_ID=demo", "ZENLAYER_ACCESS_KEY_SECRET=demo", "HOME="+l.dir, "XDG_STATE_HOME="+l.path("xdg"))
	return cmd
}

// usage is what a process used up.
type usage struct {
	wall, cpu time.Duration
	peak      int64 // resident bytes
}

// least is the least of each; the zero usage is none.
func (u usage) least(other usage) usage {
	if u == (usage{}) {
		return other
	}
	return usage{min(u.wall, other.wall), min(u.cpu, other.cpu), min(u.peak, other.peak)}
}
