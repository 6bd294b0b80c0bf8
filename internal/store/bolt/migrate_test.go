package bolt

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/store"
	"zecpower/scheduler"
	"zecpower/scheduler/cron"
)

// cutOffRun is the run of the fixture that kill -9 ended.
const cutOffRun = "slow/2026-11-25T04:32:00Z"

// schema1 returns a state folder with the store that commit 611a387 wrote; see testdata/README.md.
func schema1(t *testing.T) (dir string) {
	t.Helper()
	packed, err := os.ReadFile("testdata/schema1.db.gz")
	must(t, err)
	r, err := gzip.NewReader(bytes.NewReader(packed))
	must(t, err)
	data, err := io.ReadAll(r)
	must(t, err)
	dir = t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, FileName), data, 0o600))
	return dir
}

// checkMigrated checks that the history reads as it did, but for what schema 1 did not show of the
// run that was cut off.
func checkMigrated(t *testing.T, l *Store) {
	t.Helper()
	entries, err := l.History(bg, store.Query{Limit: 1000})
	must(t, err)
	for i := range entries {
		if e := &entries[i]; e.RunID == cutOffRun {
			if !e.Begun || e.Going || e.Results[0].Requests != 3 || e.Results[0].Accepted != 12 {
				t.Errorf("the run that was cut off: %+v", e)
			}
			e.Begun, e.Results[0].Requests, e.Results[0].Accepted = false, 0, 0
		}
	}
	data, err := json.Marshal(entries)
	must(t, err)
	var got, want any
	must(t, json.Unmarshal(data, &got))
	data, err = os.ReadFile("testdata/schema1-history.json")
	must(t, err)
	must(t, json.Unmarshal(data, &want))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the history\n%v\nwas\n%v", got, want)
	}
}

func TestFileOfSchema1IsMigratedInPlace(t *testing.T) {
	dir := schema1(t)
	for range 2 { // the second time there is nothing to migrate
		l := open(t, dir)
		if l.Trouble() != nil {
			t.Fatal(l.Trouble())
		}
		checkMigrated(t, l)
		must(t, l.view(bg, "check", func(tx *bbolt.Tx) error {
			for _, name := range [][]byte{oldEntries, oldOpen, oldProgress, oldResults, oldMarks} {
				if tx.Bucket(name) != nil {
					t.Errorf("bucket %s is left over", name)
				}
			}
			return nil
		}))
		must(t, l.Close())
	}
}

func TestStateOfSchema1IsLoaded(t *testing.T) {
	l := open(t, schema1(t))
	state, err := l.Load(bg, time.Date(2026, 11, 25, 4, 31, 0, 0, time.UTC))
	must(t, err)
	at := func(clock string) time.Time {
		t.Helper()
		at, err := time.Parse(time.RFC3339Nano, "2026-11-25T"+clock+"Z")
		must(t, err)
		return at
	}
	want := []store.Run{{
		ID: cutOffRun, Schedule: "slow", Action: power.ActionStart, Groups: []string{"late"}, Nominal: at("04:32:00"),
		Planned: at("04:32:00.000511836"), Deadline: at("05:02:00.000511836"),
	}}
	if !reflect.DeepEqual(state.Unfinished, want) {
		t.Errorf("unfinished: %+v, want %+v", state.Unfinished, want)
	}
	if last := state.Last["wake"]; last.RunID != "wake/2026-11-25T04:32:00Z" || last.Result != power.ResultPartial || !last.LastSuccess.IsZero() {
		t.Errorf("last run: %+v", last)
	}
	if len(state.Watermarks) != 4 || state.Watermarks["wake"].Through.Before(at("04:32:00")) || state.Watermarks["wake"].Spec == "" || state.DecidedThrough.Before(at("04:32:00")) {
		t.Errorf("watermarks %+v, decided through %s", state.Watermarks, state.DecidedThrough)
	}
	if ran := state.Ran["wake"]; len(ran) != 3 || !ran[2].Equal(at("04:32:00")) {
		t.Errorf("ran: %v", ran)
	}
	held, err := l.Claim(bg, store.Round{Claims: want})
	if err != nil || len(held) != 1 {
		t.Errorf("a run of schema 1 was claimed again: %v, %v", held, err)
	}
}

// stillClock shows one moment of the wall clock.
type stillClock struct{ wall time.Time }

func (c stillClock) Read() scheduler.Reading { return scheduler.Reading{Wall: c.wall} }

func TestRunInProgressOfSchema1IsResumedWithItsProgress(t *testing.T) {
	l := open(t, schema1(t))
	timetable, err := cron.Parse("@every 60s", time.UTC)
	must(t, err)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var resumed scheduler.Firing
	loop, err := scheduler.New(scheduler.Config{
		Schedules: []scheduler.Schedule{{
			Name: "slow", Timetable: timetable, Zone: time.UTC, Action: "start", Groups: []string{"late"}, CatchUp: time.Hour,
			Deadline: 30 * time.Minute,
		}},
		Store: l, Emit: func(event.Event) {}, Clock: stillClock{time.Date(2026, 11, 25, 4, 32, 30, 0, time.UTC)},
		Prepare: func(_ context.Context, f scheduler.Firing) scheduler.Prepared {
			return scheduler.Prepared{Run: func(context.Context) scheduler.RunEnd {
				defer stop()
				resumed = f
				return scheduler.RunEnd{Result: power.ResultPartial, CutOff: true}
			}}
		},
	})
	must(t, err)
	must(t, loop.Run(ctx))
	if resumed.RunID != cutOffRun || !resumed.Resumed {
		t.Fatalf("resumed: %+v", resumed)
	}
	p, err := l.Progress(bg, resumed.RunID)
	must(t, err)
	if len(p.Final["late"]) != 5 || len(p.Accepted["late"]) != 12 || p.Requests["late"] != 3 {
		t.Errorf("progress: %+v", p)
	}
	for _, r := range p.Final["late"] {
		if r.Outcome != power.OutcomeStarted || r.Attempts != 1 || r.ReachedAt.IsZero() {
			t.Errorf("a result of schema 1: %+v", r)
		}
	}
}

func TestMigrationThatACrashCutOffBeginsAnew(t *testing.T) {
	dir := schema1(t)
	db, err := bbolt.Open(filepath.Join(dir, FileName), 0o600, nil)
	must(t, err)
	must(t, updateOf(db, func(tx *bbolt.Tx) error {
		if err := makeBuckets(tx); err != nil {
			return err
		}
		if err := putJSON(tx.Bucket(bucketRecords), []byte("12345678gone\x00gone"), store.Record{}); err != nil {
			return err
		}
		_, err := migrateRecords(tx, nil)
		return err
	}))
	must(t, db.Close())
	checkMigrated(t, open(t, dir))
}

func TestReaderMigratesAFileOfSchema1(t *testing.T) {
	dir := schema1(t)
	l, err := OpenReadOnly(dir)
	must(t, err)
	checkMigrated(t, l)
	must(t, l.Close())
}

func TestReaderThatMayNotWriteSaysWhoMigrates(t *testing.T) {
	cfg, err := Config{Dir: schema1(t), openFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
		if flag&os.O_RDWR != 0 {
			return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
		}
		return os.OpenFile(name, flag, mode)
	}}.withDefaults()
	must(t, err)
	_, _, err = openReadable(cfg)
	if !errors.Is(err, errOlder) {
		t.Fatal(err)
	}
	if _, err := openMigrated(cfg); err == nil || !strings.Contains(err.Error(), "start the daemon") {
		t.Errorf("got %v", err)
	}
}
