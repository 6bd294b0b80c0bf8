package storetest

import (
	"testing"
	"time"

	"zecpower/internal/store"
)

// testMovedAway expects that a write to a file that is gone fails, rather than being lost with it.
func testMovedAway(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, p := open(t, newPlace)
	if p.MoveAway == nil {
		return
	}
	claim(t, s, runOf("wake", morning))
	p.MoveAway(t)
	if _, err := s.Claim(bg, store.Round{Claims: []store.Run{runOf("wake", morning.Add(time.Hour))}}); err == nil {
		t.Error("a write to a file that is gone passed")
	}
	if s.Trouble() == nil {
		t.Error("no trouble")
	}
	if state, err := s.Load(bg, morning.Add(-time.Hour)); err != nil || len(state.Unfinished) != 1 {
		t.Errorf("what was recorded before cannot be read: %+v, %v", state, err)
	}
}

// testFullDisk fills the disk. What was acknowledged must be there, before and after a restart.
func testFullDisk(t *testing.T, newPlace func(*testing.T, Options) Place) {
	p := newPlace(t, Options{SmallDisk: true})
	if p.Open == nil {
		return
	}
	s := p.Open(t)
	t.Cleanup(func() { _ = s.Close() })
	r := runOf("wake", morning)
	claim(t, s, r)
	acknowledged := 0
	var err error
	for err == nil && acknowledged < 100 {
		if err = write(s, r, acknowledged); err == nil {
			acknowledged++
		}
	}
	if err == nil {
		t.Fatal("the disk never filled")
	}
	for _, when := range []string{"before a restart", "after it"} {
		done, err := s.Progress(bg, r.ID)
		if err != nil || done.Requests["web"] != acknowledged {
			t.Errorf("%s: %d requests of %d, %v", when, done.Requests["web"], acknowledged, err)
		}
		s = restart(t, s, p)
	}
}

// testFrozenDisk expects that a write returns though the disk does not, that reads go on, and that
// writes are made again once it answers.
func testFrozenDisk(t *testing.T, newPlace func(*testing.T, Options) Place) {
	s, p := open(t, newPlace)
	if p.Freeze == nil {
		return
	}
	claim(t, s, runOf("wake", morning))
	thaw := p.Freeze(t, s)
	begin := time.Now()
	if _, err := s.Claim(bg, store.Round{Claims: []store.Run{runOf("wake", morning.Add(time.Hour))}}); err == nil {
		t.Error("a write to a frozen disk passed")
	}
	if took := time.Since(begin); took > patience {
		t.Errorf("the caller was held up for %s", took)
	}
	if n := len(history(t, s, store.Query{})); n != 1 {
		t.Errorf("%d entries", n)
	}
	thaw()
	r := runOf("wake", morning.Add(2*time.Hour))
	eventually(t, func() error {
		_, err := s.Claim(bg, store.Round{Claims: []store.Run{r}})
		return err
	})
	state, err := s.Load(bg, morning.Add(-time.Hour))
	must(t, err)
	if n := len(state.Ran["wake"]); n != 2 && n != 3 { // the write that was given up may have been made
		t.Errorf("%d runs", n)
	}
}
