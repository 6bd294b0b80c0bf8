package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/user"
	"regexp"
	"strconv"
	"time"

	"go.uber.org/zap"

	"zecpower/internal/store"
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

// readOrder decodes the body of a request strictly: a key that is not known may be one that a newer
// client relies on.
func readOrder(w http.ResponseWriter, r *http.Request, into any) bool {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	body.DisallowUnknownFields()
	if err := body.Decode(into); err != nil {
		http.Error(w, fmt.Sprintf("the request cannot be read: %v: client and daemon may be of different versions", err), http.StatusBadRequest)
		return false
	}
	return true
}

// runsHandler makes the run of an order, and follows it until it ends, a JSON object a line. With
// "detach" in the query it answers with the first line alone.
func (d *Daemon) runsHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var o Order
		if !readOrder(w, r, &o) {
			return
		}
		who, err := whoAsks(r, o.SudoUser)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		of, err := d.hands.order(o, who)
		if err != nil {
			d.refuse(w, "run", who, err)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		if r.URL.Query().Has("detach") {
			<-of.claimed // from here on a crash does not lose it
			u, _ := d.hands.look(of)
			_ = json.NewEncoder(w).Encode(u) // the client may have left
			return
		}
		d.follow(w, r, of)
	})
}

// refuse answers an order that is refused, and logs it: who tried what is worth knowing.
func (d *Daemon) refuse(w http.ResponseWriter, what, who string, err error) {
	d.log.Warn("refused by hand", zap.String("what", what), zap.String("actor", who), zap.Error(err))
	status := http.StatusServiceUnavailable
	if _, bad := errors.AsType[*badOrder](err); bad {
		status = http.StatusUnprocessableEntity
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
	SudoUser string `json:"sudo_user,omitempty"`
}

func (d *Daemon) cancelHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var o CancelOrder
		if !readOrder(w, r, &o) {
			return
		}
		who, err := whoAsks(r, o.SudoUser)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		if !d.hands.cancel(o.RunID) {
			d.refuse(w, "cancel", who, &badOrder{fmt.Errorf("no run by hand %s is in progress: zecpower status lists them", o.RunID)})
			return
		}
		d.log.Info("cancelled by hand", zap.String("run_id", o.RunID), zap.String("actor", who))
		w.WriteHeader(http.StatusNoContent)
	})
}

// AcceptOrder asks to record members as the accepted lists of groups.
type AcceptOrder struct {
	Members  map[string][]string `json:"members"`
	SudoUser string              `json:"sudo_user,omitempty"`
}

func (d *Daemon) acceptHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var o AcceptOrder
		if !readOrder(w, r, &o) {
			return
		}
		who, err := whoAsks(r, o.SudoUser)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		var all []store.Acceptance
		cfg := d.current.Load()
		for group, ids := range o.Members {
			g, err := cfg.Group(group)
			switch {
			case err != nil:
				d.refuse(w, "accept members", who, &badOrder{err})
				return
			case g.Guard == nil || len(ids) == 0:
				d.refuse(w, "accept members", who, &badOrder{fmt.Errorf("group %s has no guard, or no member was given", group)})
				return
			}
			all = append(all, store.Acceptance{Group: group, IDs: ids, At: time.Now(), By: who})
		}
		if err := d.store.AcceptMembers(r.Context(), all); err != nil {
			d.refuse(w, "accept members", who, err)
			return
		}
		for _, a := range all {
			d.log.Info("members accepted", zap.String("group", a.Group), zap.Int("members", len(a.IDs)), zap.String("actor", who))
		}
		d.ahead.reloaded()
		w.WriteHeader(http.StatusNoContent)
	})
}
