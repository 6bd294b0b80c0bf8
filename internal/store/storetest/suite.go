package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
	"zecpower/internal/store"
)

// Options are what a test asks of a place.
type Options struct {
	Retention time.Duration // 0: the implementation's own
	// SmallDisk asks for a place with room for less than a megabyte. A maker that cannot do it
	// returns a Place without Open, and the test does not apply.
	SmallDisk bool
}

// Place is where one store is kept.
type Place struct {
	// Open opens the store as a new process would. At most one is open at a time.
	Open func(t testing.TB) store.Store

	// What follows may be nil: the implementation has no file then.

	// MoveAway moves the file away, under the open store.
	MoveAway func(t testing.TB)
	// Freeze makes the disk of the open store hang until thaw is called.
	Freeze func(t testing.TB, s store.Store) (thaw func())
	// HoldRead calls during inside of one read of the open store.
	HoldRead func(t testing.TB, s store.Store, during func())
}

// patience bounds what must happen soon, on a machine that is busy.
const patience = 30 * time.Second

// Run tests the implementation whose places newPlace makes. Each call makes an empty one.
func Run(t *testing.T, newPlace func(t *testing.T, o Options) Place) {
	for name, test := range map[string]func(*testing.T, func(*testing.T, Options) Place){
		"every write fails in every way":             testFaults,
		"a restart after every write":                testRestarts,
		"concurrent claims":                          testConcurrentClaims,
		"a claim replaces a note, never the reverse": testClaimsAndNotes,
		"a stretch is one record":                    testStretches,
		"what has ended stays ended":                 testEnds,
		"a run that is going, or was cut off":        testBeginnings,
		"ids are opaque":                             testOpaqueIDs,
		"the dates of calendars":                     testCalendars,
		"the accepted members of groups":             testMembership,
		"what people do is a record each":            testActs,
		"the times that people leave out":            testSkips,
		"a large round is recorded whole":            testLargeRound,
		"retention":                                  testRetention,
		"history obeys its context and its bounds":   testHistoryBounds,
		"readers beside writers":                     testReaders,
		"a long reader":                              testLongReader,
		"a file that is moved away":                  testMovedAway,
		"a full disk":                                testFullDisk,
		"a frozen disk":                              testFrozenDisk,
	} {
		t.Run(name, func(t *testing.T) { test(t, newPlace) })
	}
}

var (
	bg      = context.Background()
	morning = powertest.Morning
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens a new place's store for the length of a test.
func open(t *testing.T, newPlace func(*testing.T, Options) Place) (store.Store, Place) {
	t.Helper()
	p := newPlace(t, Options{})
	s := p.Open(t)
	t.Cleanup(func() { _ = s.Close() })
	return s, p
}

// restart closes a store and opens it again.
func restart(t testing.TB, s store.Store, p Place) store.Store {
	t.Helper()
	must(t, s.Close())
	s = p.Open(t)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func runOf(schedule string, nominal time.Time) store.Run {
	return store.Run{
		ID: schedule + "/" + nominal.Format(time.RFC3339), Schedule: schedule, Action: power.ActionStart,
		Groups: []string{"db", "web"}, Nominal: nominal, Planned: nominal, Deadline: nominal.Add(30 * time.Minute),
		Timezone: "Asia/Singapore",
	}
}

func noteOf(kind store.Kind, schedule string, nominal time.Time) store.Note {
	r := runOf(schedule, nominal)
	return store.Note{
		ID: r.ID, Schedule: schedule, Action: r.Action, Groups: r.Groups, Kind: kind, Nominal: nominal, Last: nominal, Count: 1,
		Timezone: r.Timezone,
	}
}

func claim(t testing.TB, s store.Store, runs ...store.Run) (held []string) {
	t.Helper()
	held, err := s.Claim(bg, store.Round{At: runs[len(runs)-1].Nominal, Claims: runs})
	must(t, err)
	return held
}

func begin(ctx context.Context, s store.Store, b store.Beginning) error {
	_, err := s.Claim(ctx, store.Round{Begins: []store.Beginning{b}})
	return err
}

// accept records one accepted request of the group web.
func accept(ctx context.Context, s store.Store, runID, request string, ids ...string) error {
	return s.RecordProgress(ctx, []store.Facts{{RunID: runID, Group: "web", Key: request, Requests: 1, Accepted: ids}})
}

// end records outcomes of the group web.
func end(ctx context.Context, s store.Store, runID string, results ...power.InstanceResult) error {
	return s.RecordProgress(ctx, []store.Facts{{RunID: runID, Group: "web", Key: store.ChunkKey(results), Final: results}})
}

func failed(id string) power.InstanceResult {
	return power.InstanceResult{
		InstanceID: id, Outcome: power.OutcomeFailed, Reason: power.ReasonRejected, Code: "SOLD_OUT", State: "STOPPED",
		RequestID: "T-" + id, HTTPStatus: 409, Attempts: 3,
	}
}

// endOf is an end with a report of one group.
func endOf(r store.Run, results ...power.InstanceResult) store.End {
	g := power.GroupReport{Group: "web", Total: len(results), Results: results}
	for _, result := range results {
		if result.Outcome == power.OutcomeFailed {
			g.Failed++
			continue
		}
		g.Done++
	}
	report := power.Report{RunID: r.ID, Action: r.Action, ScheduledAt: r.Nominal, StartedAt: r.Planned, Groups: []power.GroupReport{g}}
	return store.End{At: r.Planned.Add(time.Minute), Result: report.Result(), Report: &report}
}

func history(t testing.TB, s store.Store, q store.Query) []store.Entry {
	t.Helper()
	entries, err := s.History(bg, q)
	must(t, err)
	return entries
}

// eventually waits until check returns nil.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	err := check()
	for end := time.Now().Add(patience); err != nil && time.Now().Before(end); err = check() {
		time.Sleep(10 * time.Millisecond)
	}
	must(t, err)
}

// fleetIDs are n ids of the length that real ones have.
func fleetIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("13014739190%08d", i)
	}
	return ids
}
