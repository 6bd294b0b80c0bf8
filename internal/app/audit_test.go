package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"zecpower/internal/store"
)

// actStore is a store of acts alone.
type actStore struct {
	store.Store
	acts []store.Act
}

func (s *actStore) RecordAct(_ context.Context, a store.Act) error {
	s.acts = append(s.acts, a)
	return nil
}

func newTestAudit() (*audit, *actStore) {
	s := &actStore{}
	return newAudit(&Daemon{log: zap.NewNop(), store: s}), s
}

// A client that asks nonsense in a loop for an hour leaves a bounded number of records, which stand for
// all that it asked; another person's are recorded one by one beside it.
func TestRefusedOrdersAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, s := newTestAudit()
		try := func(actor string, n int) {
			a.refused(store.Act{Kind: store.ActStart, Actor: actor}, &badOrder{fmt.Errorf("no such group %d", n)})
		}
		const tries = 3600 * 5
		for n := range tries {
			try("alice", n)
			time.Sleep(time.Second / 5)
		}
		if n, most := len(s.acts), refusalsAtOnce+int(time.Hour/refusalEvery); n > most || n < most-1 {
			t.Errorf("%d records in an hour, want %d", n, most)
		}
		time.Sleep(refusalEvery)
		try("alice", tries)
		stood := 0
		for _, act := range s.acts {
			stood += act.Count
		}
		if stood != tries+1 {
			t.Errorf("the records stand for %d refusals, want %d", stood, tries+1)
		}
		try("bob", 0)
		if last := s.acts[len(s.acts)-1]; last.Actor != "bob" || last.Count != 1 {
			t.Errorf("the last record is %+v", last)
		}
	})
}

// However many names one host has, what is kept of them is bounded.
func TestPersonsAreBounded(t *testing.T) {
	t.Parallel()
	a, _ := newTestAudit()
	now := time.Now()
	for n := range 3 * maxActors {
		a.admit(fmt.Sprint("uid ", n), now)
	}
	if n := len(a.refuses); n > maxActors+1 {
		t.Errorf("%d persons are kept", n)
	}
	if a.admit("one more", now.Add(refusalsAtOnce*refusalEvery)) == 0 || a.refuses["one more"] == nil {
		t.Error("a person has no limit of her own once others were forgotten")
	}
}

// What a client sends reaches no terminal as it is, and no record in any length. What may be done later
// is no line: the client asks again.
func TestRefusedOrdersAreShownInBounds(t *testing.T) {
	t.Parallel()
	a, s := newTestAudit()
	groups := make([]string, 3*maxActGroups)
	a.refused(store.Act{Actor: "alice", Groups: groups, Subject: "\x1b[2J" + strings.Repeat("ö", maxReason)}, &badOrder{errors.New("a\nb" + strings.Repeat("x", maxRefusal))})
	a.refused(store.Act{Actor: "alice"}, errors.New("the daemon is stopping"))
	if len(s.acts) != 1 {
		t.Fatalf("%d records", len(s.acts))
	}
	act := s.acts[0]
	if len(act.Groups) != maxActGroups || len(act.Subject) > maxSubject || len(act.Refused) > maxRefusal ||
		!strings.HasPrefix(act.Refused, "a bx") || !strings.HasPrefix(act.Subject, " [2Jö") || !strings.HasSuffix(act.Subject, "ö…") {
		t.Errorf("recorded %+v", act)
	}
}

func TestAReasonIsOneLineOfText(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"": true, "INC-7: Größe prüfen": true, strings.Repeat("x", maxReason): true, strings.Repeat("x", maxReason+1): false,
		"two\nlines": false, "\x1b[31m": false, "\xff": false, "a\u202eb": false,
	} {
		if err := CheckReason(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
