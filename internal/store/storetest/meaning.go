package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
	"zecpower/internal/store"
)

func testClaimsAndNotes(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, _ := open(t, newPlace)
	missed := noteOf(store.KindMissed, "wake", morning)
	note := func() {
		t.Helper()
		_, err := s.Claim(bg, store.Round{Notes: []store.Note{missed}})
		must(t, err)
	}
	note()
	if held := claim(t, s, runOf("wake", morning)); len(held) != 0 {
		t.Errorf("a note keeps the run from happening: %v", held)
	}
	note()
	if entries := history(t, s, store.Query{}); len(entries) != 1 || entries[0].Kind != store.KindRun {
		t.Errorf("history: %+v", entries)
	}
	if held := claim(t, s, runOf("wake", morning)); len(held) != 1 {
		t.Errorf("claimed twice: held %v", held)
	}
}

// testStretches pauses a schedule all day, over a restart of the daemon.
func testStretches(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, p := open(t, newPlace)
	for i := range 6 {
		paused := noteOf(store.KindPaused, "wake", morning.Add(time.Duration(i)*10*time.Second))
		for range 2 {
			_, err := s.Claim(bg, store.Round{Notes: []store.Note{paused}})
			must(t, err)
		}
		if i == 3 {
			s = restart(t, s, p)
		}
	}
	_, err := s.Claim(bg, store.Round{Notes: []store.Note{noteOf(store.KindPaused, "wake", morning.Add(24*time.Hour))}})
	must(t, err)
	entries := history(t, s, store.Query{})
	if len(entries) != 2 || entries[1].Count != 6 || !entries[1].LastTime.Equal(morning.Add(50*time.Second)) {
		t.Errorf("history: %+v", entries)
	}

	// Its times of another zone are a stretch of their own.
	moved := noteOf(store.KindPaused, "wake", morning.Add(24*time.Hour+time.Minute))
	moved.Timezone = "Asia/Tokyo"
	_, err = s.Claim(bg, store.Round{Notes: []store.Note{moved}})
	must(t, err)
	entries = history(t, s, store.Query{})
	if len(entries) != 3 || entries[0].Timezone != "Asia/Tokyo" || entries[1].Timezone != "Asia/Singapore" {
		t.Errorf("history: %+v", entries)
	}
}

func testEnds(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, _ := open(t, newPlace)
	r := runOf("wake", morning)
	claim(t, s, r)
	must(t, s.Finish(bg, r, endOf(r, powertest.Started("i-1"))))
	want := history(t, s, store.Query{})
	must(t, s.Finish(bg, r, endOf(r, failed("i-1"))))
	must(t, begin(bg, s, store.Beginning{Run: r, At: morning}))
	must(t, accept(bg, s, r.ID, "late", "i-1"))
	must(t, end(bg, s, r.ID, failed("i-1")))
	_, err := s.Claim(bg, store.Round{
		Claims: []store.Run{r}, Updates: []store.Run{r}, Abandons: []store.Abandonment{{Run: r, Kind: store.KindOverlap, At: morning}},
	})
	must(t, err)
	if got := history(t, s, store.Query{}); !reflect.DeepEqual(got, want) {
		t.Errorf("history: %+v, was %+v", got, want)
	}
	state, err := s.Load(bg, morning.Add(-time.Hour))
	if err != nil || len(state.Unfinished) != 0 {
		t.Errorf("unfinished: %+v, %v", state.Unfinished, err)
	}
	if p, err := s.Progress(bg, r.ID); err != nil || len(p.Final)+len(p.Accepted) != 0 {
		t.Errorf("progress: %+v, %v", p, err)
	}
}

// testBeginnings follows one run through its phases: claimed, going, cut off, going on.
func testBeginnings(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, p := open(t, newPlace)
	r := runOf("wake", morning)
	check := func(phase string, want store.Entry, group *store.GroupEntry) {
		t.Helper()
		e := history(t, s, store.Query{})[0]
		if e.Begun != want.Begun || e.Going != want.Going || e.Resumes != want.Resumes || e.Timezone != r.Timezone || !e.BegunAt.Equal(want.BegunAt) {
			t.Errorf("%s: %+v, want %+v", phase, e, want)
		}
		if group == nil && len(e.Results) > 0 || group != nil && (len(e.Results) != 2 || !reflect.DeepEqual(e.Results[1], *group)) {
			t.Errorf("%s: %+v, want %+v", phase, e.Results, group)
		}
	}
	claim(t, s, r)
	check("claimed", store.Entry{}, nil)
	targets := []store.Targets{{Group: "db", Err: "no such file"}, {Group: "web", IDs: []string{"i-1", "i-2", "i-3", "i-2"}}}
	must(t, begin(bg, s, store.Beginning{Run: r, At: morning, Groups: targets}))
	check("begun", store.Entry{Begun: true, Going: true, BegunAt: morning}, &store.GroupEntry{Group: "web", Total: 3})
	for i, ids := range [][]string{{"i-1", "i-2"}, {"i-2", "i-3"}} {
		must(t, accept(bg, s, r.ID, fmt.Sprint(i), ids...))
	}
	must(t, end(bg, s, r.ID, powertest.Started("i-1")))
	done := &store.GroupEntry{Group: "web", Total: 3, Done: 1, Requests: 2, Accepted: 3}
	check("under way", store.Entry{Begun: true, Going: true, BegunAt: morning}, done)

	s = restart(t, s, p)
	check("cut off", store.Entry{Begun: true, BegunAt: morning}, done)
	known, err := s.Progress(bg, r.ID)
	must(t, err)
	targets[1].IDs = targets[1].IDs[:3] // the same id twice counts once
	if !reflect.DeepEqual(known.Groups, targets) {
		t.Errorf("it began with %+v, want %+v", known.Groups, targets)
	}
	r.Resumed = true
	_, err = s.Claim(bg, store.Round{Updates: []store.Run{r}})
	must(t, err)
	must(t, begin(bg, s, store.Beginning{Run: r, At: morning.Add(time.Minute), Groups: targets}))
	check("resumed", store.Entry{Begun: true, Going: true, BegunAt: morning, Resumes: 1}, done)
	must(t, s.Finish(bg, r, endOf(r, powertest.Started("i-1"), powertest.Started("i-2"), powertest.Started("i-3"))))
	if e := history(t, s, store.Query{})[0]; e.Begun || e.Going || e.Result != power.ResultOK || e.Results[0].Done != 3 || e.Results[0].Requests != 0 {
		t.Errorf("ended: %+v", e)
	}
}

// testOpaqueIDs uses ids of no form at all.
func testOpaqueIDs(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, p := open(t, newPlace)
	ids := []string{"x", "a/b/c", "manual/2026-11-17T07:45:00Z-0a1b2c", "manual/2026-11-17T07:45:00Z-ffffff", "läuft", "x/"}
	for _, id := range ids {
		r := runOf("wake", morning)
		r.ID = id
		if held := claim(t, s, r); len(held) != 0 {
			t.Errorf("%q is taken for another: %v", id, held)
		}
		must(t, accept(bg, s, id, "1", "of "+id))
		must(t, end(bg, s, id, powertest.Started("of "+id)))
	}
	s = restart(t, s, p)
	for _, id := range ids {
		done, err := s.Progress(bg, id)
		must(t, err)
		if len(done.Final["web"]) != 1 || done.Final["web"][0].InstanceID != "of "+id || done.Accepted["web"]["of "+id] != 1 {
			t.Errorf("%q: progress %+v", id, done)
		}
		r := runOf("wake", morning)
		r.ID = id
		must(t, s.Finish(bg, r, endOf(r, powertest.Started("of "+id))))
	}
	found := map[string]bool{}
	for _, e := range history(t, s, store.Query{}) {
		found[e.RunID] = e.Result == power.ResultOK && e.Results[0].Done == 1
	}
	for _, id := range ids {
		if !found[id] {
			t.Errorf("%q is not in the history, or wrong", id)
		}
	}
	bad := runOf("wake", morning)
	bad.ID = ""
	if _, err := s.Claim(bg, store.Round{Claims: []store.Run{bad}}); err == nil {
		t.Error("a run without an id was claimed")
	}
}

// testCalendars reads a calendar's files twice, cannot read them once, and removes the calendar.
func testCalendars(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, p := open(t, newPlace)
	first := store.CalendarDates{ReadAt: morning, Dates: []string{"2026-12-24..2026-12-26", "2027-01-01"}}
	second := store.CalendarDates{ReadAt: morning.Add(time.Hour), Zones: map[string][]string{"UTC": {"2026-12-25"}}, Endless: true}
	type records = map[string]store.CalendarDates
	for _, write := range []struct {
		name string
		read records
		keep []string
		want records
	}{
		{"nothing", nil, nil, records{}},
		{"read", records{"holidays": first, "office": first}, nil, records{"holidays": first, "office": first}},
		{"read anew", records{"holidays": second}, []string{"office"}, records{"holidays": second, "office": first}},
		{"none can be read", nil, []string{"office", "holidays", "new"}, records{"holidays": second, "office": first}},
		{"removed", nil, []string{"office"}, records{"office": first}},
	} {
		must(t, s.RecordCalendars(bg, write.read, write.keep))
		s = restart(t, s, p)
		got, err := s.Calendars(bg)
		must(t, err)
		if !reflect.DeepEqual(got, write.want) {
			t.Errorf("%s: %+v, want %+v", write.name, got, write.want)
		}
	}
}

// testMembership follows the accepted list of a group over a month: who left stays on it for 30 days,
// unless a person accepts it anew.
func testMembership(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, p := open(t, newPlace)
	day := func(n int) time.Time { return morning.AddDate(0, 0, n) }
	for _, c := range []struct {
		name   string
		accept store.Acceptance
		want   store.Membership
	}{
		{
			"the first",
			store.Acceptance{IDs: []string{"i-2", "i-1", "i-2"}, At: day(0)},
			store.Membership{At: day(0), IDs: []string{"i-1", "i-2"}},
		},
		{
			"one joins, one leaves",
			store.Acceptance{IDs: []string{"i-1", "i-3"}, At: day(1)},
			store.Membership{At: day(1), IDs: []string{"i-1", "i-3"}, Left: map[string]time.Time{"i-2": day(1)}},
		},
		{
			"all leave",
			store.Acceptance{At: day(20)},
			store.Membership{At: day(20), Left: map[string]time.Time{"i-1": day(20), "i-2": day(1), "i-3": day(20)}},
		},
		{
			"one comes back, one has left for 30 days",
			store.Acceptance{IDs: []string{"i-3"}, At: day(31)},
			store.Membership{At: day(31), IDs: []string{"i-3"}, Left: map[string]time.Time{"i-1": day(20)}},
		},
		{
			"a person accepts",
			store.Acceptance{IDs: []string{"i-9"}, At: day(32), By: "alice"},
			store.Membership{At: day(32), By: "alice", IDs: []string{"i-9"}},
		},
		{
			"and the next run",
			store.Acceptance{IDs: []string{"i-9"}, At: day(33)},
			store.Membership{At: day(33), By: "alice", IDs: []string{"i-9"}},
		},
	} {
		c.accept.Group = "web"
		must(t, s.AcceptMembers(bg, []store.Acceptance{c.accept}))
		s = restart(t, s, p)
		got, err := s.Membership(bg, "web")
		must(t, err)
		if len(got.IDs) == 0 {
			got.IDs = nil
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if other, err := s.Membership(bg, "db"); err != nil || !other.At.IsZero() {
		t.Errorf("a group that no run has had: %+v, %v", other, err)
	}
	if s.AcceptMembers(bg, []store.Acceptance{{IDs: []string{"i-1"}, At: morning}}) == nil {
		t.Error("members of no group were accepted")
	}
}

// testLargeRound records more than one transaction holds.
func testLargeRound(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, p := open(t, newPlace)
	r := store.Round{At: morning, Watermarks: []store.Watermark{{Schedule: "wake", Through: morning}}}
	for i := range store.PartSize + 100 {
		r.Claims = append(r.Claims, runOf("wake", morning.Add(-time.Duration(i)*time.Minute)))
		r.Notes = append(r.Notes, noteOf(store.KindMissed, fmt.Sprint("s-", i), morning))
	}
	for range 2 {
		held, err := s.Claim(bg, r)
		must(t, err)
		if n := len(held); n != 0 && n != len(r.Claims) {
			t.Errorf("%d held", n)
		}
	}
	s = restart(t, s, p)
	state, err := s.Load(bg, morning.Add(-time.Hour))
	must(t, err)
	if len(state.Unfinished) != len(r.Claims) || !state.DecidedThrough.Equal(morning) || len(state.Watermarks) != 1 {
		t.Errorf("%d unfinished, decided through %s, %d watermarks", len(state.Unfinished), state.DecidedThrough, len(state.Watermarks))
	}
	if entries := history(t, s, store.Query{Since: morning, Limit: store.MaxLimit}); len(entries) != len(r.Notes)+1 {
		t.Errorf("%d entries", len(entries))
	}
}

// testRetention passes an hour of rounds after 30 days of runs, with a retention of 10 days.
func testRetention(t *testing.T, newPlace func(*testing.T, Options) Place) {
	p := newPlace(t, Options{Retention: 10 * 24 * time.Hour})
	s := p.Open(t)
	defer func() { must(t, s.Close()) }()
	const days = 30
	for i := range days {
		r := runOf("wake", morning.Add(time.Duration(i)*24*time.Hour))
		claim(t, s, r)
		if i != 3 { // one that never ended
			e := endOf(r, powertest.Started(fmt.Sprint("i-", i/12)))
			e.Accepted = []store.Acceptance{{Group: map[bool]string{true: "old", false: "web"}[i < 12], IDs: []string{"i-1"}, At: r.Nominal}}
			must(t, s.Finish(bg, r, e))
		}
	}
	now := morning.Add((days - 1) * 24 * time.Hour)
	for i := range 90 {
		_, err := s.Claim(bg, store.Round{At: now.Add(time.Duration(i) * time.Minute)})
		must(t, err)
	}
	eventually(t, func() error {
		entries := history(t, s, store.Query{})
		if len(entries) != 11 || entries[10].Result != "" {
			return fmt.Errorf("%d entries, the oldest %+v", len(entries), entries[len(entries)-1])
		}
		return nil
	})
	for group, kept := range map[string]bool{"old": false, "web": true} {
		if m, err := s.Membership(bg, group); err != nil || m.At.IsZero() == kept {
			t.Errorf("the accepted members of %s: %+v, %v", group, m, err)
		}
	}
	if held := claim(t, s, runOf("wake", morning)); len(held) != 0 {
		t.Errorf("a run that was removed is held: %v", held)
	}
}
