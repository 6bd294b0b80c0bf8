package app

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"zecpower/internal/config"
	"zecpower/internal/power"
	"zecpower/internal/store"
	"zecpower/scheduler"
)

// ordersConfig is a configuration with two groups and a schedule.
func ordersConfig(t testing.TB) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	err := os.WriteFile(path, []byte("groups: {web: {instances: [i-1, i-2]}, db: {instances: [i-3]}}\n"+
		"schedules: {night: {cron: '0 20 * * *', action: stop, groups: [web]}}\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// Whatever a client sends is refused in one short line, or is a run that makes sense.
func FuzzOrder(f *testing.F) {
	const id = `"run_id":"manual/2026-11-25T07:50:00Z-5e1f0a"`
	for _, body := range []string{
		`{` + id + `,"action":"start","groups":["web"]}`, `{` + id + `,"schedule":"night","deadline_ns":60000000000}`,
		`{` + id + `,"action":"stop","groups":["web","db"],"force":true,"accept_membership":true,"sudo_user":"alice"}`,
		`{` + id + `,"action":"start","groups":["web","web"]}`, `{` + id + `,"action":"start","schedule":"night"}`,
		`{` + id + `,"action":"start","groups":["web"],"force":true}`, `{` + id + `,"action":"stop","groups":["web"],"deadline_ns":-1}`,
		`{` + id + `,"action":"stop","groups":["web"],"deadline_ns":9223372036854775807}`, `{"run_id":"web/2026-11-25T07:50:00Z"}`,
		`{` + id + `}{}`, `{` + id + `,"` + strings.Repeat("x", 5000) + `":1}`, "{\"a\\u0000\\n\\u001b[31m\":1}", `[]`, `null`, ``, `{`, "\xff\xfe",
	} {
		f.Add([]byte(body))
	}
	cfg := ordersConfig(f)
	now := time.Date(2026, 11, 25, 7, 50, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		var o Order
		err := decodeOrder(strings.NewReader(string(body)), &o)
		if err == nil {
			err = o.check(cfg)
		}
		if err != nil {
			if text := brief(err); len(text) > 256 || strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) {
				t.Errorf("%q", text)
			}
			return
		}
		r := o.run(cfg, alice, now)
		known := !r.Deadline.Before(now) && !r.Deadline.After(now.Add(maxDeadline)) && len(r.Names) > 0 && orderID.MatchString(r.ID)
		for _, name := range r.Names {
			if _, err := cfg.Group(name); err != nil {
				known = false
			}
		}
		if !known || r.Action != power.ActionStart && r.Action != power.ActionStop || r.Force && r.Action != power.ActionStop {
			t.Errorf("%s is %+v", body, r)
		}
	})
}

func FuzzAcceptOrder(f *testing.F) {
	for _, body := range []string{`{"members":{"web":["i-1"]}}`, `{"members":{"web":[""]}}`, `{"members":{}}`, `{"members":{"no":["i-1"]}}`, `{"members":null}`} {
		f.Add([]byte(body))
	}
	cfg := ordersConfig(f)
	for i := range cfg.Groups {
		cfg.Groups[i].Guard = &config.Guard{}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var o AcceptOrder
		if err := decodeOrder(strings.NewReader(string(body)), &o); err != nil {
			return
		}
		all, err := o.check(cfg, alice, time.Now())
		if (err == nil) != (len(all) > 0) || len(all) > 2 {
			t.Errorf("%s: %v, %v", body, all, err)
		}
		for _, a := range all {
			for _, id := range a.IDs {
				if config.CheckID(id) != nil {
					t.Errorf("%q was accepted", id)
				}
			}
		}
	})
}

// What a person ordered is what the next process goes on with, through the store's record.
func TestAResumedRunIsWhatWasOrdered(t *testing.T) {
	cfg := ordersConfig(t)
	o := Order{RunID: NewRunID(time.Now()), Action: power.ActionStop, Groups: []string{"web", "db"}, Force: true, AcceptMembership: true, Deadline: time.Hour}
	if err := o.check(cfg); err != nil {
		t.Fatal(err)
	}
	r := o.run(cfg, alice, time.Now().UTC())
	data, err := json.Marshal(store.NewClaim(record(r)))
	if err != nil {
		t.Fatal(err)
	}
	k := store.Record{ID: r.ID, Schedule: store.ManualSchedule, Nominal: r.Nominal}
	if err := json.Unmarshal(data, &k); err != nil {
		t.Fatal(err)
	}
	k.Update(store.Run{Groups: k.Groups, Planned: k.Planned, Deadline: k.Deadline, Cancelled: true}, "p")
	k.Update(record(r), "q")
	if !k.Run().Cancelled {
		t.Error("the cancel is lost")
	}
	got := resumed(cfg, scheduler.ByHand{Run: k.Run(), Superseded: map[string]string{"db": "night/1"}})
	if got.ID != r.ID || got.Action != r.Action || !got.Planned.Equal(r.Planned) || !got.Deadline.Equal(r.Deadline) || !got.Force || got.AcceptedBy != alice ||
		got.Actor != alice || len(got.Names) != 1 || got.Superseded["db"] != "night/1" || !got.Resumed || !got.Resumable {
		t.Errorf("%+v", got)
	}
}

// A repeated order and one of another time are told apart by the id that the client made.
func TestAnOrderSaysWhenItWasMade(t *testing.T) {
	at := time.Date(2026, 11, 25, 7, 50, 0, 0, time.UTC)
	for id, want := range map[string]time.Time{
		NewRunID(at): at, "manual/2026-02-31T07:50:00Z-5e1f0a": {}, "night/2026-11-25T07:50:00Z": {}, "": {},
	} {
		if got := orderedAt(id); !got.Equal(want) {
			t.Errorf("%q: %s", id, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		h, now := newHands(nil), time.Now()
		if h.started = now; h.mayRepeat(NewRunID(now.Add(-time.Hour))) == nil {
			t.Error("an order from before the process began is made before the store is read")
		}
		time.Sleep(recallPatience)
		if err := h.mayRepeat(NewRunID(now)); err != nil {
			t.Errorf("a new order waits for the store: %v", err)
		}
		h.resumeAll(nil, []string{"made"})
		if err := h.mayRepeat("made"); !errors.Is(err, errMade) {
			t.Error(err)
		}
		if err := h.mayRepeat(NewRunID(now.Add(-time.Hour))); err != nil {
			t.Error(err)
		}
		time.Sleep(orderKept)
		if _, bad := errors.AsType[*badOrder](h.mayRepeat(NewRunID(now))); !bad {
			t.Error("an order of yesterday is made")
		}
	})
}
