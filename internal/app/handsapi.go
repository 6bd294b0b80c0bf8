package app

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap"

	"zecpower/internal/config"
	"zecpower/internal/store"
	"zecpower/internal/strictyaml"
	"zecpower/internal/web"
)

const (
	// updateEvery is how often a client that follows a run hears of it at least, so that it notices a
	// daemon that is gone, and how often at most.
	updateEvery = time.Second
	updatePause = 100 * time.Millisecond
	// maxOrder bounds the body of a request in bytes: 10,000 groups fit.
	maxOrder = 1 << 20
)

// sudoName is a login name that may stand in a record.
var sudoName = regexp.MustCompile(`^[a-z_][a-z0-9_.-]{0,31}\$?$`)

// whoAsks names the person at the other end of a request. sudoUser is what root's environment says.
func whoAsks(r *http.Request, sudoUser string) (string, error) {
	uid, err := web.PeerUID(r)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("uid %d", uid)
	if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
		name = fmt.Sprintf("%s (uid %d)", u.Username, uid)
	}
	if uid == 0 && sudoName.MatchString(sudoUser) {
		name = fmt.Sprintf("root (sudo: %s, as she says)", sudoUser)
	}
	return name, nil
}

// readOrder decodes the body of a request strictly, because a key that is not known may be one that a
// newer client relies on. What it answers names no more of the body than fits a line.
func readOrder(w http.ResponseWriter, r *http.Request, into any) bool {
	err := decodeOrder(http.MaxBytesReader(w, r.Body, maxOrder), into)
	if err == nil {
		return true
	}
	status := http.StatusBadRequest
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		status = http.StatusRequestEntityTooLarge
	}
	http.Error(w, fmt.Sprintf("the request cannot be read: %s: client and daemon may be of different versions", brief(err)), status)
	return false
}

// decodeOrder decodes the one JSON object of a body.
func decodeOrder(body io.Reader, into any) error {
	lines := json.NewDecoder(body)
	lines.DisallowUnknownFields()
	if err := lines.Decode(into); err != nil {
		return err
	}
	if _, err := lines.Token(); !errors.Is(err, io.EOF) {
		return cmp.Or(err, errors.New("something follows the order"))
	}
	return nil
}

// brief is the text of an error that may hold what a client sent: on one line, and cut where it is long.
func brief(err error) string {
	const most = 200
	text := strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '?'
	}, err.Error())
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}

// runsHandler makes the run of an order, and follows it until it ends, a JSON object a line. With
// "detach" in the query it answers with the first line alone.
func (d *Daemon) runsHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var o Order
		who, ok := d.asked(w, r, store.ActRun, &o, &o.SudoUser)
		if !ok {
			return
		}
		of, err := d.hands.order(o, who)
		if err != nil {
			d.refuse(w, o.act(d.current.Load(), who), err)
			return
		}
		if <-of.claimed; of.refused != nil { // from here on a crash does not lose it
			d.refuse(w, o.act(d.current.Load(), who), of.refused)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		if r.URL.Query().Has("detach") {
			u, _ := d.hands.look(of)
			_ = json.NewEncoder(w).Encode(u) // the client may have left
			return
		}
		d.follow(w, r, of)
	})
}

// refuse answers an order that is refused, logs it and records it: who tried what is worth knowing.
// What may be done later is not recorded, since its client asks again.
func (d *Daemon) refuse(w http.ResponseWriter, act store.Act, err error) {
	d.audit.refused(act, err)
	status := http.StatusServiceUnavailable
	if _, bad := errors.AsType[*badOrder](err); bad {
		status = http.StatusUnprocessableEntity
	}
	if errors.Is(err, errMade) {
		status = http.StatusConflict
	}
	http.Error(w, err.Error(), status)
}

// follow writes how far a run is until it ends, or the client leaves.
func (d *Daemon) follow(w http.ResponseWriter, r *http.Request, of *handRun) {
	out, lines := http.NewResponseController(w), json.NewEncoder(w)
	for {
		u, changed := d.hands.look(of)
		_ = out.SetWriteDeadline(time.Now().Add(30 * time.Second))
		if lines.Encode(u) != nil || out.Flush() != nil || u.over() {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		case <-time.After(updateEvery):
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(updatePause):
		}
	}
}

// CancelOrder asks for the end of a run by hand.
type CancelOrder struct {
	RunID    string `json:"run_id"`
	Reason   string `json:"reason,omitempty"` // see [CheckReason]
	SudoUser string `json:"sudo_user,omitempty"`
}

func (d *Daemon) cancelHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var o CancelOrder
		who, ok := d.asked(w, r, store.ActCancel, &o, &o.SudoUser)
		if !ok {
			return
		}
		act := store.Act{Kind: store.ActCancel, Actor: who, Subject: o.RunID, Reason: o.Reason}
		if err := CheckReason(o.Reason); err != nil {
			d.refuse(w, act, &badOrder{err})
			return
		}
		groups, found := d.hands.cancel(o.RunID)
		if !found {
			d.refuse(w, act, &badOrder{fmt.Errorf("no run by hand %s is in progress: zecpower status lists them", strictyaml.Quote(o.RunID))})
			return
		}
		act.Groups = groups
		d.audit.done(act)
		w.WriteHeader(http.StatusNoContent)
	})
}

// AcceptOrder asks to record members as the accepted lists of groups.
type AcceptOrder struct {
	Members  map[string][]string `json:"members"`
	Reason   string              `json:"reason,omitempty"` // see [CheckReason]
	SudoUser string              `json:"sudo_user,omitempty"`
}

// check refuses an order that makes no sense, and describes what it accepts.
func (o *AcceptOrder) check(cfg *config.Config, who string, now time.Time) (all []store.Acceptance, err error) {
	if err := CheckReason(o.Reason); err != nil {
		return nil, &badOrder{err}
	}
	for group, ids := range o.Members {
		g, err := cfg.Group(group)
		switch {
		case err != nil:
			return nil, &badOrder{err}
		case g.Guard == nil || len(ids) == 0:
			return nil, &badOrder{fmt.Errorf("group %s has no guard, or no member was given", group)}
		}
		for _, id := range ids {
			if err := config.CheckID(id); err != nil {
				return nil, &badOrder{fmt.Errorf("group %s: %w", group, err)}
			}
		}
		all = append(all, store.Acceptance{Group: group, IDs: ids, At: now, By: who})
	}
	if len(all) == 0 {
		return nil, &badOrder{errors.New("name at least one group")}
	}
	return all, nil
}

func (d *Daemon) acceptHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var o AcceptOrder
		who, ok := d.asked(w, r, store.ActAccept, &o, &o.SudoUser)
		if !ok {
			return
		}
		cfg := d.current.Load()
		act := store.Act{Kind: store.ActAccept, Actor: who, Groups: knownGroups(cfg, slices.Sorted(maps.Keys(o.Members))), Reason: o.Reason}
		all, err := o.check(cfg, who, time.Now())
		if err == nil {
			err = d.store.AcceptMembers(r.Context(), all)
		}
		if err != nil {
			d.refuse(w, act, err)
			return
		}
		d.audit.done(act)
		for _, a := range all {
			d.log.Info("members accepted", zap.String("group", a.Group), zap.Int("members", len(a.IDs)), zap.String("actor", who))
		}
		d.ahead.reloaded()
		w.WriteHeader(http.StatusNoContent)
	})
}
