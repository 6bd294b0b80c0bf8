package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/power"
	"zecpower/internal/store"
)

const (
	// maxReason bounds what a person gives as a reason, maxRefusal what is recorded of the answer to a
	// refused order, and maxSubject what such an order was about, all in bytes.
	maxReason  = 500
	maxRefusal = 500
	maxSubject = 200
	// maxActGroups bounds the groups that the record of an act names.
	maxActGroups = 20
	// refusalsAtOnce is how many refused orders of one person are recorded one by one; of more, one each
	// refusalEvery, with how many it stands for. A client in a loop must not fill disk and log: at 2 KB
	// each, which is all that the bounds above allow, these are 50 MB in 90 days.
	refusalsAtOnce = 60
	refusalEvery   = 5 * time.Minute
	// maxActors is how many persons have a limit of their own for refused orders.
	maxActors = 1000
)

// CheckReason refuses a reason that cannot be shown on one line, or is too long.
func CheckReason(text string) error {
	switch {
	case len(text) > maxReason:
		return fmt.Errorf("the reason has %d bytes: it may have %d", len(text), maxReason)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unprintable):
		return errors.New("the reason must be one line of printable text")
	}
	return nil
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// audit records and logs what people do and try. It is safe for concurrent use.
type audit struct {
	daemon *Daemon

	mu      sync.Mutex           // guards refuses
	refuses map[string]*refusals // by actor
}

// refusals are the refused orders of one person.
type refusals struct {
	limit   *rate.Limiter
	dropped int // since the last one that was recorded
}

func newAudit(d *Daemon) *audit { return &audit{daemon: d, refuses: map[string]*refusals{}} }

// begun logs an order whose run begins. The run has a record of its own.
func (a *audit) begun(act store.Act, runID string) {
	act.Subject = runID
	a.daemon.log.Info("done by hand", fields(act)...)
}

// done records what a person did.
func (a *audit) done(act store.Act) {
	a.daemon.log.Info("done by hand", fields(act)...)
	a.record(act)
}

// refused records an order that is refused with err.
func (a *audit) refused(act store.Act, err error) {
	_, bad := errors.AsType[*badOrder](err)
	if act.Count = a.admit(act.Actor, time.Now()); act.Count == 0 {
		return
	}
	act.Refused, act.Reason, act.Subject = shown(err.Error(), maxRefusal), shown(act.Reason, maxReason), shown(act.Subject, maxSubject)
	a.daemon.log.Warn("refused by hand", fields(act)...)
	if bad {
		a.record(act)
	}
}

// admit counts a refused order of a person. It returns how many the record of this one stands for; 0:
// there is none.
func (a *audit) admit(actor string, now time.Time) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuses[actor] == nil && !a.hasRoom(now) {
		actor = "" // those beyond maxActors share one limit
	}
	of := a.refuses[actor]
	if of == nil {
		of = &refusals{limit: rate.NewLimiter(rate.Every(refusalEvery), refusalsAtOnce)}
		a.refuses[actor] = of
	}
	if !of.limit.AllowN(now, 1) {
		of.dropped++
		return 0
	}
	n := 1 + of.dropped
	of.dropped = 0
	return n
}

// hasRoom makes room for the refused orders of one more person, by forgetting those whose limit is
// unused again. False: there is none. The caller holds mu.
func (a *audit) hasRoom(now time.Time) bool {
	if len(a.refuses) < maxActors {
		return true
	}
	maps.DeleteFunc(a.refuses, func(_ string, of *refusals) bool {
		return of.dropped == 0 && of.limit.TokensAt(now) >= refusalsAtOnce
	})
	return len(a.refuses) < maxActors
}

// record writes an act to the store. What was done stays done where the store fails.
func (a *audit) record(act store.Act) {
	act.ID, act.At, act.Groups = rand.Text(), time.Now(), act.Groups[:min(len(act.Groups), maxActGroups)]
	if err := a.daemon.store.RecordAct(context.Background(), act); err != nil {
		a.daemon.stream.Emit(event.StoreFailed{Op: "record what a person did", Err: err})
	}
}

// fields describe an act in the log.
func fields(act store.Act) []zap.Field {
	all := []zap.Field{zap.String("what", string(act.Kind)), zap.String("actor", act.Actor)}
	for _, f := range []struct{ key, value string }{
		{"schedule", act.Schedule},
		{"groups", strings.Join(act.Groups[:min(len(act.Groups), maxActGroups)], ",")},
		{"run_id", act.Subject},
		{"reason", act.Reason},
		{"error", act.Refused},
	} {
		if f.value != "" {
			all = append(all, zap.String(f.key, f.value))
		}
	}
	if act.Count > 1 {
		all = append(all, zap.Int("times", act.Count))
	}
	return all
}

// shown is a text of at most so many bytes, without what a terminal would obey.
func shown(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) <= most {
		return text
	}
	cut := most - len("…")
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// asked decodes what a person asks for, and says who it is; sudoUser is a part of what is decoded. False:
// the request is answered.
func (d *Daemon) asked(w http.ResponseWriter, r *http.Request, kind store.ActKind, into any, sudoUser *string) (who string, ok bool) {
	read := readOrder(w, r, into)
	who, err := whoAsks(r, *sudoUser)
	switch {
	case !read && err == nil:
		d.audit.refused(store.Act{Kind: kind, Actor: who}, &badOrder{errors.New("the request could not be read")})
	case read && err != nil:
		http.Error(w, err.Error(), http.StatusForbidden)
	}
	return who, read && err == nil
}

// act describes an order, as far as it makes sense.
func (o *Order) act(cfg *config.Config, who string) store.Act {
	a := store.Act{Kind: store.ActRun, Actor: who, Groups: knownGroups(cfg, o.Groups), Reason: o.Reason}
	switch {
	case o.Schedule != "":
		a.Kind = store.ActTrigger
		aboutSchedule(&a, cfg, o.Schedule)
	case o.Action == power.ActionStart:
		a.Kind = store.ActStart
	case o.Action == power.ActionStop:
		a.Kind = store.ActStop
	}
	return a
}

// aboutSchedule says of an act that it is about a schedule, where the configuration has that.
func aboutSchedule(a *store.Act, cfg *config.Config, name string) {
	if s, err := cfg.Schedule(name); err == nil {
		a.Schedule, a.Groups, a.Timezone = s.Name, s.Groups, s.Zone.String()
	}
}

// knownGroups are those of names that the configuration has.
func knownGroups(cfg *config.Config, names []string) (known []string) {
	for _, name := range names {
		if _, err := cfg.Group(name); err == nil {
			known = append(known, name)
		}
	}
	return known
}
