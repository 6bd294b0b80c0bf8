package app

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zecpower/internal/config"
	"zecpower/internal/power"
	"zecpower/internal/run"
	"zecpower/internal/store"
	"zecpower/internal/store/bolt"
)

// endedServer is a web server that has ended.
type endedServer struct{ err error }

func (s endedServer) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func (s endedServer) Err() error { return s.err }

func (endedServer) Stop(context.Context) error { return nil }

func TestAWebServerThatEndsByItselfIsLogged(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want int
	}{"by itself": {errors.New("accept: too many open files"), 1}, "stopped": {nil, 0}} {
		t.Run(name, func(t *testing.T) {
			core, logs := observer.New(zap.ErrorLevel)
			d := &Daemon{log: zap.New(core)}
			d.watchWeb(endedServer{c.err})
			if got := logs.FilterMessageSnippet("the web server ended").Len(); got != c.want {
				t.Errorf("%d lines, want %d: %v", got, c.want, logs.All())
			}
			if (d.webEnd.Load() != nil) != (c.err != nil) {
				t.Errorf("status does not show it: %v", d.webEnd.Load())
			}
			d.watchControl(endedServer{c.err})
			if got := logs.FilterMessageSnippet("a control socket ended").Len(); got != c.want {
				t.Errorf("control socket: %d lines, want %d: %v", got, c.want, logs.All())
			}
		})
	}
}

func TestTeardownGoesBackwardsAndReturnsEveryError(t *testing.T) {
	var down teardown
	var order []string
	for _, name := range []string{"store", "web server", "control socket"} {
		down.push(name, func() error {
			order = append(order, name)
			if name == "web server" {
				return nil
			}
			return errors.New("broken")
		})
	}
	err := down.run(zap.NewNop())
	if !slices.Equal(order, []string{"control socket", "web server", "store"}) {
		t.Errorf("order: %q", order)
	}
	if want := "stopping the control socket: broken\nstopping the store: broken"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestStopperIsBounded(t *testing.T) {
	var deadline time.Time
	err := stopper(func(ctx context.Context) error {
		deadline, _ = ctx.Deadline()
		return context.DeadlineExceeded
	})()
	if err != nil || deadline.IsZero() || time.Until(deadline) > stopGrace {
		t.Errorf("%v, bounded by %s", err, deadline)
	}
}

func TestWatchWaitsUntilAFileHasComeToRest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	w := newWatch([]string{path})
	checks := func(want ...bool) {
		t.Helper()
		for i, want := range want {
			if got := w.changed(); got != want {
				t.Errorf("check %d: changed is %v, want %v", i+1, got, want)
			}
		}
	}
	checks(false, false)
	write("ab")
	checks(false) // it may still be written
	write("abc")
	checks(false, true, true) // until it is read
	w.remember()
	checks(false)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	checks(false, true)
}

// Image builders and immutable systems give each file the same time.
func TestWatchSeesAFileSwappedForOneOfTheSameSizeAndTime(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "c.yaml")
	for _, name := range []string{"a", "b"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", link); err != nil {
		t.Fatal(err)
	}
	w := newWatch([]string{link})
	if err := errors.Join(os.Remove(link), os.Symlink("b", link)); err != nil {
		t.Fatal(err)
	}
	if w.changed() || !w.changed() {
		t.Error("the file was swapped, and it was not noticed")
	}
}

func TestWatchFollowsOtherFiles(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	w := newWatch([]string{a})
	w.follow([]string{a, b})
	if err := os.WriteFile(b, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w.changed() || !w.changed() {
		t.Error("a file that is newly followed appeared, and it was not noticed")
	}
}

func TestWatchNoticesAFileThatChangedWhileItWasRead(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	w := newWatch([]string{a})
	w.remember()
	if err := os.WriteFile(a, []byte("it was read before this"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.follow([]string{a, b})
	first := w.changed() // it has to be seen twice: it may still be being written
	if second := w.changed(); !first && !second {
		t.Error("a file changed between being read and being followed, and it was not noticed")
	}
}

// A file that a pattern matches counts as soon as it is there, and a folder that comes later, too.
func TestWatchSeesWhatPatternsMatch(t *testing.T) {
	dir := t.TempDir()
	main, folder := filepath.Join(dir, "c.yaml"), filepath.Join(dir, "conf.d")
	write := func(name string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(path, []byte(name), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	w := newWatch([]string{main}, filepath.Join(folder, "*.yaml"))
	noticed := func(what string, want bool) {
		t.Helper()
		w.changed() // it has to be seen twice
		if got := w.changed(); got != want {
			t.Errorf("%s: noticed is %v, want %v", what, got, want)
		}
	}
	noticed("nothing happened", false)
	hk := write("hk.yaml")
	noticed("the first file in a new folder", true)
	w.remember() // read, and refused
	noticed("a refused file that stays", false)
	w.remember()
	w.follow([]string{main, hk}, w.globs...)
	noticed("a file that is in use", false)
	sg := write("sg.yaml") // after the load, before the files are followed
	w.follow([]string{main, hk}, w.globs...)
	noticed("a file that came while the others were read", true)
	w.remember()
	w.follow([]string{main, hk, sg}, w.globs...)
	noticed("both in use", false)
	write("notes.txt")
	write(".hidden.yaml")
	noticed("files that the pattern does not match", false)
	if err := os.Remove(hk); err != nil {
		t.Fatal(err)
	}
	noticed("a file that is gone", true)
}

func TestHistoryQuestionsSurviveTheControlSocket(t *testing.T) {
	at := time.Date(2026, 11, 23, 7, 45, 0, 123, time.UTC)
	for _, q := range []store.Query{
		{},
		{Schedule: "morning", Group: "web", Instance: "i-1 &=?", Since: at, Until: at.Add(time.Hour), Limit: 7},
	} {
		values, err := url.ParseQuery(HistoryValues(q).Encode())
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseHistory(values)
		if err != nil || !reflect.DeepEqual(got, q) {
			t.Errorf("got %+v, %v, want %+v", got, err, q)
		}
	}
	for query, want := range map[string]string{"since=yesterday": "since: ", "until=1": "until: ", "limit=0": `limit "0": a number from 1`, "limit=x": `limit "x"`} {
		values, _ := url.ParseQuery(query)
		if _, err := ParseHistory(values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", query, err, want)
		}
	}
}

func TestAWrongHistoryQuestionIsRefused(t *testing.T) {
	answer := httptest.NewRecorder()
	(&Daemon{}).historyHandler().ServeHTTP(answer, httptest.NewRequest("GET", "/v1/history?limit=-1", nil))
	if answer.Code != 400 || !strings.Contains(answer.Body.String(), "limit") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

func TestRunsByHandOfTheSameSecondAreAllKept(t *testing.T) {
	dir, at := t.TempDir(), time.Date(2026, 11, 23, 7, 45, 0, 250e6, time.UTC)
	for i, action := range []power.Action{power.ActionStart, power.ActionStop, power.ActionStart} {
		at := at.Add(time.Duration(i) * time.Millisecond)
		r := power.Report{
			RunID: NewRunID(at), Action: action, ScheduledAt: at, StartedAt: at, FinishedAt: at.Add(time.Second),
			Groups: []power.GroupReport{{Group: "web", Total: 1, Done: 1, Results: []power.InstanceResult{{InstanceID: "i", Outcome: power.OutcomeStarted}}}},
		}
		if err := RecordManual(t.Context(), dir, run.End{Report: r}, nil); err != nil {
			t.Fatal(err)
		}
	}
	l, err := bolt.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	entries, err := l.History(t.Context(), store.Query{})
	if err != nil || len(entries) != 3 || entries[1].Action != "stop" {
		t.Errorf("%+v, %v, want three entries", entries, err)
	}
}

func TestRecordManualDoesNotWaitForADaemon(t *testing.T) {
	dir := t.TempDir()
	l, err := bolt.Open(bolt.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var held *bolt.HeldError
	if err := RecordManual(t.Context(), dir, run.End{Report: power.Report{RunID: "manual/2026-11-23T07:45:00Z"}}, nil); !errors.As(err, &held) {
		t.Errorf("%v, want that it is held", err)
	}
}

func TestGroupsOf(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.yaml")
	text := `groups:
  a: {instances: [i-1, i-2]}
  b: {instances: [i-2]}
  c: {instances_file: ids.txt}
schedules: {s: {cron: "@daily", action: start, groups: [a, b, c]}}
`
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.WriteFile(filepath.Join(dir, "ids.txt"), []byte("i-2\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := GroupsOf(cfg, "i-2"); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("%q", got)
	}
	if err := os.Remove(filepath.Join(dir, "ids.txt")); err != nil {
		t.Fatal(err)
	}
	if got := GroupsOf(cfg, "i-2"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("with a group that cannot be read: %q", got)
	}
}
