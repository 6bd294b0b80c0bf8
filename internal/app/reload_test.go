package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/logging"
	"zecpower/internal/metrics"
)

// A refused configuration is read again now and then: what it lacks may be a
// file that is not watched. The same refusal is logged once, another one again.
func TestARefusedConfigurationIsTriedAgainQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		log := zap.New(core)
		var loads atomic.Int32
		var panics atomic.Bool
		var refusal atomic.Value
		refusal.Store(errors.New("web.txt: there is no such file"))
		hangup := make(chan os.Signal)
		d := &Daemon{
			log: log, metrics: metrics.New(), stream: event.Stream{logging.NewEvents(logging.EventsConfig{Logger: log})}, notify: newNotifier(log),
			opts: Options{Config: &config.Config{Path: "c.yaml"}, Hangup: hangup, Load: func() (*config.Config, error) {
				loads.Add(1)
				if panics.Load() {
					panic("index out of range")
				}
				return nil, refusal.Load().(error)
			}},
		}
		d.reloaded.Store(&reloadState{at: time.Now()})
		d.current.Store(&config.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); d.reloading(ctx, newWatch(nil)) }()
		expect := func(wantLoads int32, wantLogged int) {
			t.Helper()
			synctest.Wait()
			if logged := logs.FilterMessage("configuration rejected").Len(); loads.Load() != wantLoads || logged != wantLogged {
				t.Errorf("read %d times and logged %d times, want %d and %d", loads.Load(), logged, wantLoads, wantLogged)
			}
		}
		time.Sleep(10 * retryEvery)
		expect(0, 0) // nothing was refused
		hangup <- os.Interrupt
		expect(1, 1)
		time.Sleep(3 * retryEvery)
		expect(4, 1)
		refusal.Store(errors.New("web.txt:1:1: not an id"))
		time.Sleep(2 * retryEvery)
		expect(6, 2)
		hangup <- os.Interrupt // a person asks, and gets a line
		expect(7, 3)
		panics.Store(true) // a parser's mistake costs the reload, not the daemon
		hangup <- os.Interrupt
		expect(8, 4)
		cancel()
		<-done
	})
}

// What made a file unusable may be nothing that the watch sees, such as its owner.
func TestAFileThatWasUnusableAtLoadIsTriedAgain(t *testing.T) {
	const calendar = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261225\nEND:VEVENT\nEND:VCALENDAR\n"
	t.Run("of a group", func(t *testing.T) { triedAgain(t, "groups: {web: {instances_file: file}}\n", "i-1\n") })
	t.Run("of a calendar", func(t *testing.T) {
		triedAgain(t, "groups: {web: {instances: [i-1]}}\ncalendars: {off: {ics: file}}\n", calendar)
	})
	t.Run("of a team", func(t *testing.T) {
		triedAgain(t, "include_files: [file]\ngroups: {web: {instances: [i-1]}}\n", "groups: {db: {instances: [i-2]}}\n")
	})
	t.Run("of a group, beside a team's file that stays unusable", func(t *testing.T) {
		path := write(t, "include_files: [gone.yaml]\ngroups: {web: {instances_file: file}}\n")
		cfg, err := config.LoadRunnable(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "file"), []byte("i-1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if mended(cfg) {
			t.Error("a reload is tried that the team's file refuses")
		}
	})
	t.Run("of a group, beside a calendar that stays unusable", func(t *testing.T) {
		path := write(t, "groups: {web: {instances_file: file}}\ncalendars: {off: {ics: gone.ics}}\n")
		cfg, err := config.LoadRunnable(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "file"), []byte("i-1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if mended(cfg) {
			t.Error("a reload is tried that the calendar refuses")
		}
	})
}

// write writes a configuration of one schedule.
func write(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text+"schedules: {s: {cron: \"@daily\", action: start, groups: [web]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// triedAgain loads a configuration whose file is missing, then writes that file.
func triedAgain(t *testing.T, text, content string) {
	t.Helper()
	path := write(t, text)
	cfg, err := config.LoadRunnable(path)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		log := zap.NewNop()
		var loads atomic.Int32
		d := &Daemon{
			log: log, metrics: metrics.New(), stream: event.Stream{logging.NewEvents(logging.EventsConfig{Logger: log})}, notify: newNotifier(log),
			opts: Options{Config: cfg, Load: func() (*config.Config, error) {
				loads.Add(1)
				return nil, errors.New("this is as far as the test goes")
			}},
		}
		d.reloaded.Store(&reloadState{at: time.Now()})
		d.current.Store(cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); d.reloading(ctx, newWatch(nil)) }()
		time.Sleep(3*retryEvery + time.Second)
		if n := loads.Load(); n != 0 {
			t.Errorf("read %d times though the file is still missing", n)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "file"), []byte(content), 0o600); err != nil {
			t.Error(err)
		}
		time.Sleep(retryEvery)
		if n := loads.Load(); n != 1 {
			t.Errorf("read %d times once the file can be used, want 1", n)
		}
		cancel()
		<-done
	})
}
