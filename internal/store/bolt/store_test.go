package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
	"zecpower/internal/store"
)

var morning = powertest.Morning

func open(t testing.TB, dir string, change ...func(*Config)) *Store {
	t.Helper()
	cfg := Config{Dir: dir, LockWait: 100 * time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var bg = context.Background()

func runAt(nominal time.Time) store.Run { return runOf("wake", nominal) }

func runOf(schedule string, nominal time.Time) store.Run {
	return store.Run{
		ID: schedule + "/" + nominal.Format(time.RFC3339), Schedule: schedule, Action: "start", Groups: []string{"db", "web"},
		Nominal: nominal, Planned: nominal, Deadline: nominal.Add(30 * time.Minute),
	}
}

func notRun(kind store.Kind, nominal time.Time) store.Note {
	r := runAt(nominal)
	return store.Note{
		ID: r.ID, Schedule: r.Schedule, Action: r.Action, Groups: r.Groups, Kind: kind, Nominal: nominal, Last: nominal, Count: 1,
	}
}

// decide records runs and notes, in a round at the last one's time.
func decide(t testing.TB, l *Store, items ...any) []string {
	t.Helper()
	var r store.Round
	for _, item := range items {
		mark := store.Watermark{Spec: "spec"}
		switch item := item.(type) {
		case store.Run:
			r.Claims = append(r.Claims, item)
			mark.Schedule, mark.Through = item.Schedule, item.Nominal
		case store.Note:
			r.Notes = append(r.Notes, item)
			mark.Schedule, mark.Through = item.Schedule, item.Nominal
		}
		r.At, r.Watermarks = mark.Through, []store.Watermark{mark}
	}
	held, err := l.Claim(bg, r)
	must(t, err)
	return held
}

func accept(l *Store, id, group, request string, ids ...string) error {
	return l.RecordProgress(bg, []store.Facts{{RunID: id, Group: group, Key: request, Requests: 1, Accepted: ids}})
}

// end records outcomes.
func end(l *Store, id, group string, results ...power.InstanceResult) error {
	return l.RecordProgress(bg, []store.Facts{{RunID: id, Group: group, Key: store.ChunkKey(results), Final: results}})
}

// begin records a beginning.
func begin(l *Store, b store.Beginning) error {
	_, err := l.Claim(bg, store.Round{Begins: []store.Beginning{b}})
	return err
}

// roundOf claims runs.
func roundOf(runs ...store.Run) store.Round {
	return store.Round{At: runs[len(runs)-1].Nominal, Claims: runs}
}

func load(t testing.TB, l *Store) store.State {
	t.Helper()
	state, err := l.Load(bg, morning.Add(-24*time.Hour))
	must(t, err)
	return state
}

func report(runID string, groups ...power.GroupReport) power.Report {
	for i, g := range groups {
		groups[i].Total, groups[i].Done, groups[i].Failed = 0, 0, 0
		for _, r := range g.Results {
			groups[i].Total++
			switch r.Outcome {
			case power.OutcomeFailed:
				groups[i].Failed++
			default:
				groups[i].Done++
			}
		}
	}
	return power.Report{RunID: runID, Schedule: "wake", Action: "start", ScheduledAt: morning, StartedAt: morning, Groups: groups}
}

func finish(t testing.TB, l *Store, run store.Run, groups ...power.GroupReport) {
	t.Helper()
	r := report(run.ID, groups...)
	must(t, l.Finish(bg, run, store.End{At: run.Nominal.Add(time.Minute), Result: r.Result(), Report: &r}))
}

func TestClaimedRunIsUnfinishedUntilItsEnd(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	d := runAt(morning)
	decide(t, l, d)
	must(t, l.Close())

	l = open(t, dir)
	state := load(t, l)
	want := d
	if len(state.Unfinished) != 1 || !reflect.DeepEqual(state.Unfinished[0], want) {
		t.Fatalf("unfinished: %+v, want %+v", state.Unfinished, want)
	}
	if m := state.Watermarks["wake"]; !m.Through.Equal(morning) || m.Spec != "spec" || !state.DecidedThrough.Equal(morning) {
		t.Errorf("marks %+v, decided through %s", state.Watermarks, state.DecidedThrough)
	}
	if got := state.Ran["wake"]; len(got) != 1 || !got[0].Equal(morning) {
		t.Errorf("ran: %v", got)
	}
	finish(t, l, d, power.GroupReport{Group: "web", Results: []power.InstanceResult{powertest.Started("i-1")}})
	state = load(t, l)
	if len(state.Unfinished) != 0 {
		t.Errorf("still unfinished: %+v", state.Unfinished)
	}
	if last := state.Last["wake"]; last.Result != power.ResultOK || !last.LastSuccess.Equal(morning.Add(time.Minute)) {
		t.Errorf("last: %+v", last)
	}
	next := runAt(morning.Add(24 * time.Hour))
	decide(t, l, next)
	finish(t, l, next, power.GroupReport{Group: "web", Results: []power.InstanceResult{powertest.Failed("i-1", power.ReasonAuth)}})
	if last := load(t, l).Last["wake"]; last.Result != power.ResultFailed || !last.LastSuccess.Equal(morning.Add(time.Minute)) {
		t.Errorf("a failure loses the last success: %+v", last)
	}
}

func TestQueuedRunGetsItsTimesWhenItBegins(t *testing.T) {
	l := open(t, t.TempDir())
	d := runAt(morning)
	d.Waits = "turn"
	decide(t, l, d)
	if f := load(t, l).Unfinished[0]; f.Waits != "turn" {
		t.Errorf("claimed: %+v", f)
	}
	f := d
	f.Waits, f.Planned, f.Deadline, f.CatchUp = "", morning.Add(time.Hour), morning.Add(2*time.Hour), true
	f.Groups = []string{"renamed"}
	_, err := l.Claim(bg, store.Round{Updates: []store.Run{f}})
	must(t, err)
	if got := load(t, l).Unfinished[0]; !reflect.DeepEqual(got, f) {
		t.Errorf("begun: %+v, want %+v", got, f)
	}
}

func TestRepeatedWritesChangeNothing(t *testing.T) {
	l := open(t, t.TempDir())
	d := runAt(morning)
	if held := decide(t, l, d); len(held) != 0 {
		t.Errorf("held at first: %v", held)
	}
	if held := decide(t, l, d); len(held) != 1 || held[0] != d.ID {
		t.Errorf("held again: %v", held)
	}
	results := []power.InstanceResult{powertest.Started("i-1"), powertest.Failed("i-2", power.ReasonRecycled)}
	for range 2 {
		must(t, end(l, d.ID, "web", results...))
	}
	p, err := l.Progress(bg, d.ID)
	must(t, err)
	if !reflect.DeepEqual(p.Final["web"], results) {
		t.Errorf("final %+v", p.Final)
	}
	for range 2 {
		finish(t, l, d, power.GroupReport{Group: "web", Results: results})
	}
	if held := decide(t, l, d); len(held) != 1 || len(load(t, l).Unfinished) != 0 {
		t.Error("a late claim reopened a run that had ended")
	}
	must(t, end(l, d.ID, "web", results...))
	if p, _ := l.Progress(bg, d.ID); len(p.Final) != 0 {
		t.Errorf("progress of a run that has ended: %+v", p)
	}
	skipped := notRun(store.KindPaused, morning.Add(time.Hour))
	for range 2 {
		decide(t, l, skipped)
	}
	entries, err := l.History(bg, store.Query{})
	must(t, err)
	if len(entries) != 2 || entries[0].Count > 1 {
		t.Errorf("history: %+v", entries)
	}
}

func TestRunReplacesTheNoteOfItsTimeAndNotTheOtherWayRound(t *testing.T) {
	l := open(t, t.TempDir())
	missed := notRun(store.KindMissed, morning)
	missed.Reason = "clock_step"
	decide(t, l, missed)
	if held := decide(t, l, runAt(morning)); len(held) != 0 {
		t.Errorf("a note keeps the run from happening: %v", held)
	}
	decide(t, l, missed)
	entries, err := l.History(bg, store.Query{})
	must(t, err)
	if len(entries) != 1 || entries[0].Kind != store.KindRun {
		t.Errorf("history: %+v", entries)
	}
}

func TestAttemptsCount(t *testing.T) {
	l := open(t, t.TempDir())
	id := runAt(morning).ID
	for range 2 { // a request counts once, however often it is written
		must(t, accept(l, id, "web", "a", "i-1", "i-2"))
	}
	must(t, accept(l, id, "web", "b", "i-2"))
	must(t, accept(l, id, "web-2", "a", "i-1"))
	p, err := l.Progress(bg, id)
	must(t, err)
	want := map[string]map[string]int{"web": {"i-1": 1, "i-2": 2}, "web-2": {"i-1": 1}}
	if !reflect.DeepEqual(p.Accepted, want) {
		t.Errorf("got %v, want %v", p.Accepted, want)
	}
	if err := accept(l, "a\x00b", "web", "a", "i-1"); err == nil {
		t.Error("a run id that would break the keys was taken")
	}
}

func TestPausedAllDayIsOneEntry(t *testing.T) {
	l := open(t, t.TempDir())
	for i := range 5 {
		decide(t, l, notRun(store.KindPaused, morning.Add(time.Duration(i)*10*time.Second)))
	}
	decide(t, l, notRun(store.KindPaused, morning.Add(24*time.Hour)))
	entries, err := l.History(bg, store.Query{})
	must(t, err)
	if len(entries) != 2 || entries[1].Count != 5 || !entries[1].LastTime.Equal(morning.Add(40*time.Second)) {
		t.Errorf("history: %+v", entries)
	}
}

func TestAbandonedRunKeepsWhatItDid(t *testing.T) {
	l := open(t, t.TempDir())
	d := runAt(morning)
	decide(t, l, d)
	must(t, end(l, d.ID, "web", powertest.Started("i-1"), powertest.Failed("i-2", power.ReasonRecycled)))
	round := store.Round{Abandons: []store.Abandonment{
		{Run: d, Kind: store.KindInterrupted, Reason: "interrupted", At: morning.Add(2 * time.Hour)},
	}}
	for range 2 {
		_, err := l.Claim(bg, round)
		must(t, err)
	}
	if got := load(t, l).DecidedThrough; !got.Equal(morning) {
		t.Errorf("a round without a time moved DecidedThrough to %s", got)
	}
	if state := load(t, l); len(state.Unfinished) != 0 {
		t.Errorf("unfinished: %+v", state.Unfinished)
	}
	entries, err := l.History(bg, store.Query{})
	must(t, err)
	if len(entries) != 1 || entries[0].Kind != store.KindInterrupted || len(entries[0].Results) != 1 || entries[0].Results[0].Failed != 1 {
		t.Errorf("history: %+v", entries)
	}
}

func TestWhyWasThisMachineNotOn(t *testing.T) {
	l := open(t, t.TempDir())
	day := func(n int) time.Time { return morning.Add(time.Duration(n) * 24 * time.Hour) }
	web := func(r power.InstanceResult) power.GroupReport {
		return power.GroupReport{Group: "web", Results: []power.InstanceResult{powertest.Started("i-0"), r}}
	}
	d := runAt(day(0))
	decide(t, l, d)
	finish(t, l, d, web(powertest.Started("i-7")))
	d = runAt(day(1))
	decide(t, l, d)
	finish(t, l, d, web(powertest.Failed("i-7", power.ReasonRecycled)))
	excluded := notRun(store.KindExcluded, day(2))
	excluded.Calendar = "sg-holidays"
	missed := notRun(store.KindMissed, day(3))
	missed.Reason = "down"
	decide(t, l, excluded, missed)
	d = runAt(day(4))
	decide(t, l, d)
	finish(t, l, d, power.GroupReport{Group: "web", Err: "open web.txt: no such file"})
	other := runOf("other", day(5))
	other.Groups = []string{"db"}
	decide(t, l, other)
	finish(t, l, other, power.GroupReport{Group: "db", Results: []power.InstanceResult{powertest.Started("i-9")}})
	d = runAt(day(6))
	decide(t, l, d)
	must(t, accept(l, d.ID, "web", "a", "i-7"))

	entries, err := l.History(bg, store.Query{Instance: "i-7"})
	must(t, err)
	var got []string
	for _, e := range entries {
		text := e.NominalTime.Format("Mon ") + string(e.Kind) + " " + string(e.Reason) + e.Calendar
		if e.Instance != nil {
			text += string(e.Instance.Outcome) + string(e.Instance.Reason) + fmt.Sprint(e.Instance.Attempts)
		}
		if len(e.Results) > 0 {
			text += e.Results[0].Err
		}
		got = append(got, text)
	}
	want := []string{
		"Mon run 1", "Sat run open web.txt: no such file", "Fri missed down", "Thu excluded sg-holidays",
		"Wed run failedrecycled1", "Tue run started1",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if entries, err = l.History(bg, store.Query{Instance: "i-unheard-of", InstanceGroups: []string{"web"}, Limit: 2}); err != nil || len(entries) != 2 {
		t.Errorf("an instance new to its group: %v, %+v", err, entries)
	}
	if entries, err = l.History(bg, store.Query{Instance: "i-unheard-of"}); err != nil || len(entries) != 0 {
		t.Errorf("an unknown instance: %v, %+v", err, entries)
	}
}

func TestHistoryFilters(t *testing.T) {
	l := open(t, t.TempDir())
	for i := range 10 {
		a, b := runAt(morning.Add(time.Duration(i)*time.Hour)), runOf("other", morning.Add(time.Duration(i)*time.Hour))
		b.Groups = []string{"db"}
		decide(t, l, a)
		decide(t, l, b)
	}
	for _, tc := range []struct {
		query store.Query
		want  int
	}{
		{store.Query{}, 20},
		{store.Query{Limit: 3}, 3},
		{store.Query{Schedule: "wake"}, 10},
		{store.Query{Group: "web"}, 10},
		{store.Query{Group: "db"}, 20},
		{store.Query{Since: morning.Add(7 * time.Hour)}, 6},
		{store.Query{Until: morning.Add(2 * time.Hour)}, 6},
		{store.Query{Until: morning.Add(-time.Second)}, 0},
		{store.Query{Since: morning.Add(2 * time.Hour), Until: morning.Add(3 * time.Hour), Schedule: "other"}, 2},
	} {
		entries, err := l.History(bg, tc.query)
		must(t, err)
		if len(entries) != tc.want {
			t.Errorf("%+v: %d entries, want %d", tc.query, len(entries), tc.want)
		}
		for i := 1; i < len(entries); i++ {
			if entries[i].NominalTime.After(entries[i-1].NominalTime) {
				t.Errorf("%+v: not newest first", tc.query)
			}
		}
	}
}

func TestFailuresAreListedUpToABound(t *testing.T) {
	l := open(t, t.TempDir())
	d := runAt(morning)
	decide(t, l, d)
	results := make([]power.InstanceResult, 300)
	for i := range results {
		results[i] = powertest.Failed(fmt.Sprintf("i-%03d", i), power.ReasonRecycled)
	}
	finish(t, l, d, power.GroupReport{Group: "web", Results: results})
	entries, err := l.History(bg, store.Query{})
	must(t, err)
	g := entries[0].Results[0]
	if len(g.Failures) != store.DefaultMaxFailures || g.Omitted != 100 || g.Failures[0].RequestID != "T-i-000" || g.Failures[0].Reason != power.ReasonRecycled {
		t.Errorf("%d failures, %d omitted, first %+v", len(g.Failures), g.Omitted, g.Failures[0])
	}
}

func TestManualRunIsRecordedAndNeverResumed(t *testing.T) {
	l := open(t, t.TempDir())
	r := report("manual/2026-11-17T07:45:00Z", power.GroupReport{Group: "web", Results: []power.InstanceResult{powertest.Started("i-1")}})
	r.Schedule = ""
	run := store.Run{
		ID: r.RunID, Schedule: store.ManualSchedule, Action: r.Action, Groups: []string{"web"}, Nominal: r.ScheduledAt, Planned: r.StartedAt,
	}
	must(t, l.Finish(bg, run, store.End{At: morning.Add(time.Minute), Result: r.Result(), Report: &r}))
	entries, err := l.History(bg, store.Query{Schedule: store.ManualSchedule})
	must(t, err)
	if len(entries) != 1 || entries[0].RunID != r.RunID || entries[0].Result != power.ResultOK {
		t.Errorf("history: %+v", entries)
	}
	if state := load(t, l); len(state.Unfinished) != 0 || len(state.Last) != 0 || !state.DecidedThrough.IsZero() {
		t.Errorf("state: %+v", state)
	}
}

func TestSecondOwnerIsRefusedWithTheNameOfTheFirst(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	var held *HeldError
	if _, err := Open(Config{Dir: dir, LockWait: 100 * time.Millisecond}); !errors.As(err, &held) {
		t.Fatalf("a second one: %v", err)
	}
	if !held.Alive || held.Owner.PID != os.Getpid() || !strings.Contains(held.Error(), fmt.Sprint("pid ", os.Getpid())) {
		t.Errorf("reported: %v", held)
	}
	if _, err := OpenReadOnly(dir); !errors.As(err, &held) {
		t.Errorf("a reader: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, OwnerName), []byte(`{"pid":999999999,"host":"gone"}`), 0o600))
	if _, err := OpenReadOnly(dir); !errors.As(err, &held) || held.Alive || !strings.Contains(err.Error(), "does not run here") {
		t.Errorf("a stale name: %v", err)
	}
	must(t, l.Close())
	must(t, l.Close())
	if _, err := os.Stat(filepath.Join(dir, OwnerName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the name is left behind: %v", err)
	}
	r, err := OpenReadOnly(dir)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	if _, err := r.Claim(bg, store.Round{At: morning}); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("a write to a read-only store: %v", err)
	}
}

func TestNothingRecordedYet(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReadOnly(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, FileName), nil, 0o600))
	if _, err := OpenReadOnly(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty file: %v", err)
	}
}

func TestEmptyFileIsMadeAnewLoudly(t *testing.T) {
	for _, size := range []int{0, 16384, 100_000} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, FileName), make([]byte, size), 0o600))
		var warned []string
		l := open(t, dir, func(c *Config) { c.Warn = func(m string, _ error) { warned = append(warned, m) } })
		decide(t, l, runAt(morning))
		if len(warned) != 1 {
			t.Errorf("%d zeros: warned %q", size, warned)
		}
	}
}

// A disk that was full, or a power loss, may keep any part of what a new store begins with.
func TestHalfMadeFileIsMadeAnewLoudly(t *testing.T) {
	page := os.Getpagesize()
	made := newFile(t)
	for name, data := range map[string][]byte{
		"all of it": made, "one page": made[:page], "two pages": made[:2*page], "three pages": made[:3*page],
		"the second page": append(make([]byte, page), made[page:2*page]...),
		"the metas alone": append(bytes.Clone(made[:2*page]), make([]byte, 2*page)...),
		"a part of one":   made[:512],
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.WriteFile(filepath.Join(dir, FileName), data, 0o600))
			if _, err := OpenReadOnly(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a reader: %v", err)
			}
			var warned []string
			l := open(t, dir, func(c *Config) { c.Warn = func(m string, _ error) { warned = append(warned, m) } })
			decide(t, l, runAt(morning))
			if len(warned) != 1 || !strings.Contains(warned[0], "made anew") {
				t.Errorf("warned %q", warned)
			}
		})
	}
}

func TestFullDiskAtTheFirstStartHeals(t *testing.T) {
	dir := t.TempDir()
	half := newFile(t)[:2*os.Getpagesize()]
	synctest.Test(t, func(t *testing.T) {
		full := true
		var warned []string
		l := open(t, dir, func(c *Config) {
			c.Warn = func(m string, _ error) { warned = append(warned, m) }
			c.openFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
				f, err := os.OpenFile(name, flag, mode)
				if full && err == nil {
					_, err = f.Write(half)
					err = errors.Join(err, f.Close(), &fs.PathError{Op: "write", Path: name, Err: syscall.ENOSPC})
				}
				return f, err
			}
		})
		defer func() { must(t, l.Close()) }()
		for range 3 {
			time.Sleep(reopenEvery)
			if _, err := l.Claim(bg, store.Round{At: morning}); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("a write to a full disk: %v", err)
			}
		}
		full = false
		time.Sleep(reopenEvery)
		decide(t, l, runAt(morning))
		if l.Trouble() != nil || len(warned) != 3 { // in trouble, made anew, out of trouble
			t.Errorf("there is room again: trouble %v, warned %q", l.Trouble(), warned)
		}
	})
}

// newFile is what bbolt makes of nothing.
func newFile(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "new.db")
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Close())
	data, err := os.ReadFile(path)
	must(t, err)
	return data
}

func TestDamagedFileIsLoudAndHealsOnceItIsMovedAway(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	must(t, os.WriteFile(path, []byte("-- SQLite format 3"), 0o600))
	synctest.Test(t, func(t *testing.T) {
		l := open(t, dir)
		if _, err := l.Claim(bg, store.Round{At: morning}); err == nil {
			t.Error("a damaged file was written to")
		}
		must(t, os.Rename(path, path+".bad"))
		time.Sleep(reopenEvery)
		decide(t, l, runAt(morning))
		if l.Trouble() != nil {
			t.Errorf("still in trouble: %v", l.Trouble())
		}
		must(t, l.Close())
	})
}

func TestDamagedFileIsRefusedAndKept(t *testing.T) {
	whole := func(t *testing.T) []byte {
		dir := t.TempDir()
		l := open(t, dir)
		for i := range 200 {
			d := runAt(morning.Add(time.Duration(i) * time.Hour))
			decide(t, l, d)
		}
		must(t, l.Close())
		data, err := os.ReadFile(filepath.Join(dir, FileName))
		must(t, err)
		return data
	}(t)
	for name, data := range map[string][]byte{
		"some other file": []byte("-- SQLite format 3"),
		"noise":           bytes.Repeat([]byte{7, 42}, 50_000),
		"cut short":       whole[:len(whole)/2/4096*4096],
		"cut to a page":   whole[:4096],
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, FileName)
			must(t, os.WriteFile(path, data, 0o600))
			var warned error
			l := open(t, dir, func(c *Config) { c.Warn = func(_ string, err error) { warned = err } })
			_, err := l.Claim(bg, store.Round{At: morning})
			for _, err := range []error{warned, l.Trouble(), err} {
				if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
					t.Errorf("error: %v", err)
				}
			}
			if _, err := l.Load(bg, morning); err == nil {
				t.Error("something was read from it")
			}
			must(t, l.Close())
			if kept, _ := os.ReadFile(path); !bytes.Equal(kept, data) {
				t.Error("the file was changed")
			}
			f, err := os.Open(path)
			must(t, err)
			defer func() { _ = f.Close() }()
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
				t.Errorf("the file is still locked: %v", err)
			}
		})
	}
}

func TestDamagedPageCostsTheRecordNotTheDaemon(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	decide(t, l, runAt(morning))
	must(t, l.Close())
	path := filepath.Join(dir, FileName)
	data, err := os.ReadFile(path)
	must(t, err)
	for i := 2 * 4096; i < len(data); i++ {
		data[i] = 0xee // everything but the two meta pages
	}
	must(t, os.WriteFile(path, data, 0o600))
	l = open(t, dir)
	if err := l.Trouble(); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("trouble: %v", err)
	}
	if _, err := OpenReadOnly(dir); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("a reader got %v", err)
	}
	if _, err := l.Load(bg, morning); err == nil {
		t.Error("noise was read as a store")
	}
	if _, err := l.Claim(bg, store.Round{At: morning}); err == nil {
		t.Error("noise was written to")
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	must(t, l.update(bg, "test", func(tx *bbolt.Tx) error { return putJSON(tx.Bucket(bucketMeta), keySchema, schemaVersion+1) }))
	must(t, l.Close())
	if err := open(t, dir).Trouble(); err == nil || !strings.Contains(err.Error(), "newer zecpower") {
		t.Errorf("got %v", err)
	}
	if _, err := OpenReadOnly(dir); err == nil || !strings.Contains(err.Error(), "newer zecpower") {
		t.Errorf("a reader got %v", err)
	}
}

func TestReadOnlyFolderIsLoudAndHeals(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	decide(t, l, runAt(morning))
	must(t, l.Close())
	synctest.Test(t, func(t *testing.T) {
		readOnly := true
		var warned []string
		l := open(t, dir, func(c *Config) {
			c.Warn = func(m string, _ error) { warned = append(warned, m) }
			c.openFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
				if readOnly && flag&os.O_RDWR != 0 {
					return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EROFS}
				}
				return os.OpenFile(name, flag, mode)
			}
		})
		defer func() { must(t, l.Close()) }()
		if l.Trouble() == nil || len(warned) != 1 {
			t.Fatalf("trouble %v, warned %q", l.Trouble(), warned)
		}
		if state := load(t, l); len(state.Unfinished) != 1 {
			t.Errorf("what was recorded before is not read: %+v", state)
		}
		next := store.Round{At: morning, Claims: []store.Run{runAt(morning.Add(time.Hour))}}
		if _, err := l.Claim(bg, next); !errors.Is(err, syscall.EROFS) {
			t.Errorf("a write: %v", err)
		}
		readOnly = false
		if _, err := l.Claim(bg, next); err == nil {
			t.Error("tried again at once")
		}
		time.Sleep(reopenEvery)
		if _, err := l.Claim(bg, next); err != nil || l.Trouble() != nil || len(warned) != 2 {
			t.Errorf("after the folder is writable: %v, trouble %v, warned %q", err, l.Trouble(), warned)
		}
		if state := load(t, l); len(state.Unfinished) != 2 {
			t.Errorf("unfinished: %+v", state.Unfinished)
		}
	})
}

// Neither can lock the file: it is damaged, or there is none and nowhere to put it.
func TestSecondOwnerIsRefusedWhereTheStoreCannotBeWritten(t *testing.T) {
	readOnly := func(name string, _ int, _ os.FileMode) (*os.File, error) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EROFS}
	}
	for name, prepare := range map[string]func(dir string, c *Config){
		"read-only": func(_ string, c *Config) { c.openFile = readOnly },
		"damaged": func(dir string, _ *Config) {
			must(t, os.WriteFile(filepath.Join(dir, FileName), []byte("-- SQLite format 3"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cfg := Config{Dir: dir, LockWait: 100 * time.Millisecond}
			prepare(dir, &cfg)
			first, err := Open(cfg)
			must(t, err)
			if first.Trouble() == nil {
				t.Fatal("no trouble")
			}
			var held *HeldError
			if second, err := Open(cfg); !errors.As(err, &held) {
				t.Errorf("the second one: %v", err)
				must(t, second.Close())
			}
			must(t, first.Close())
			third, err := Open(cfg)
			must(t, err)
			must(t, third.Close())
		})
	}
}

func TestStateFolderThatIsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	l := open(t, filepath.Join(file, "state"))
	if l.Trouble() == nil {
		t.Error("no trouble")
	}
	if _, err := l.Load(bg, morning); err == nil {
		t.Error("loaded from nothing")
	}
	if _, err := l.Claim(bg, store.Round{At: morning}); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a write: %v", err)
	}
}

func TestFullDiskFailsWritesAndKeepsTheRest(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, func(c *Config) { c.maxSize = 256 << 10 })
	decide(t, l, runAt(morning))
	long := make([]string, 5000)
	for i := range long {
		long[i] = fmt.Sprintf("i-%018d", i)
	}
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = accept(l, runAt(morning).ID, fmt.Sprint("g", i), "a", long...)
	}
	if err == nil {
		t.Fatal("the disk never filled")
	}
	if state := load(t, l); len(state.Unfinished) != 1 {
		t.Errorf("lost: %+v", state)
	}
}

func TestHangingDiskDoesNotHangTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, t.TempDir())
		hang := make(chan struct{})
		hung := l.update(bg, "hang", func(*bbolt.Tx) error { <-hang; return nil })
		if !errors.Is(hung, store.ErrSlow) {
			t.Errorf("got %v", hung)
		}
		begin := time.Now()
		if _, err := l.Claim(bg, store.Round{At: morning}); !errors.Is(err, store.ErrSlow) || time.Since(begin) > 0 {
			t.Errorf("the next one waited %s for %v", time.Since(begin), err)
		}
		close(hang)
		synctest.Wait()
		decide(t, l, runAt(morning))
		must(t, l.Close())
	})
}

func TestOneBadWriteDoesNotSpoilItsNeighbours(t *testing.T) {
	l := open(t, t.TempDir())
	good := func(tx *bbolt.Tx) error { return putJSON(tx.Bucket(bucketMeta), []byte("good"), 1) }
	bad := func(*bbolt.Tx) error { panic("boom") }
	group := []*request{{good, make(chan error, 1)}, {bad, make(chan error, 1)}}
	failing := func(*bbolt.Tx) error { return errors.New("no") }
	group[1].do = failing
	l.commit(group)
	if err := <-group[0].done; err != nil {
		t.Errorf("the good one: %v", err)
	}
	if err := <-group[1].done; err == nil {
		t.Error("the bad one passed")
	}
	if err := l.update(bg, "panic", bad); err == nil {
		t.Error("a panic passed")
	}
	decide(t, l, runAt(morning))
}

func TestOldEntriesAreRemovedAndYoungOnesKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, t.TempDir(), func(c *Config) { c.Retention = 10 * 24 * time.Hour })
		const days = 30
		for i := range days {
			d := runAt(morning.Add(time.Duration(i) * 24 * time.Hour))
			decide(t, l, d)
			if i != 3 { // one that never ended
				finish(t, l, d, power.GroupReport{Group: "web", Results: []power.InstanceResult{powertest.Started(fmt.Sprint("i-", i/12))}})
			}
		}
		now := morning.Add((days - 1) * 24 * time.Hour)
		for i := range 90 {
			_, err := l.Claim(bg, store.Round{At: now.Add(time.Duration(i) * time.Minute)})
			must(t, err)
		}
		synctest.Wait()
		entries, err := l.History(bg, store.Query{})
		must(t, err)
		if len(entries) != 11 || entries[10].Result != "" {
			t.Errorf("%d entries, the oldest %+v", len(entries), entries[len(entries)-1])
		}
		must(t, l.view(bg, "count", func(tx *bbolt.Tx) error {
			for bucket, want := range map[string]int{
				"records": 11, "ids": 11, "outcomes": 10, "lists": 2, "seen": 2, "unfinished": 1,
			} {
				if got := tx.Bucket([]byte(bucket)).Stats().KeyN; got != want {
					t.Errorf("%s: %d, want %d", bucket, got, want)
				}
			}
			return nil
		}))
		must(t, l.Close())
	})
}

func TestClockSetAYearAheadForAMinuteKeepsTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, t.TempDir())
		decide(t, l, runAt(morning))
		for _, at := range []time.Duration{0, 50 * time.Minute, 365 * 24 * time.Hour, 365*24*time.Hour + time.Minute, 70 * time.Minute} {
			_, err := l.Claim(bg, store.Round{At: morning.Add(at)})
			must(t, err)
		}
		synctest.Wait()
		if entries, _ := l.History(bg, store.Query{}); len(entries) != 1 {
			t.Errorf("%d entries", len(entries))
		}
		must(t, l.Close())
	})
}
