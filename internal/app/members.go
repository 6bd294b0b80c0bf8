package app

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/members"
	"zecpower/internal/run"
	"zecpower/internal/store"
	"zecpower/internal/store/bolt"
)

// define says of groups what cfg says of them.
func define(cfg *config.Config) func(group string) (run.Definition, error) {
	return func(group string) (run.Definition, error) {
		g, err := cfg.Group(group)
		if err != nil {
			return run.Definition{}, err
		}
		d := run.Definition{IDs: g.IDs, Named: g.Named()}
		if g.Selects() {
			d.Rules = g.Rules
		}
		if g.Guard != nil {
			guard := run.Guard(*g.Guard)
			d.Guard = &guard
		}
		return d, nil
	}
}

// ListMembers implements run.Account: groups that are listed at about the same time share their pages.
func (a *account) ListMembers(ctx context.Context, groups []*members.Group) []members.Listing {
	a.caller.Load().refresh()
	return a.shared.List(ctx, groups)
}

// describe makes one request for a page of instances.
func (a *account) describe(ctx context.Context, q apiclient.InstanceQuery) (apiclient.InstancePage, error) {
	return a.batch.List(ctx, batcher.Listing{Query: q, UnprovenKey: a.hand.unprovenKey, FirstContact: a.hand.is})
}

// byHand is what holds of an account that one run by hand uses.
type byHand struct{ is, unprovenKey bool }

// newLister makes what reads the lists of an account's groups.
func (a *account) newLister(cfg *config.Config) (*members.Lister, error) {
	return members.NewLister(a.describe, cfg.Account(a.name).API.MaxInFlight)
}

// membersHandler answers with the accepted list of the group that the request names.
func (d *Daemon) membersHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list, err := d.store.Membership(r.Context(), r.URL.Query().Get("group"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		writeJSON(w, list)
	})
}

// groupsHandler answers who is in the groups that the request names, in all where it names none.
func (d *Daemon) groupsHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cfg, names := d.current.Load(), r.URL.Query()["group"]
		for _, name := range names {
			if _, err := cfg.Group(name); err != nil {
				http.Error(w, err.Error(), http.StatusUnprocessableEntity)
				return
			}
		}
		if len(names) == 0 {
			names = cfg.GroupNames()
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(inspectFor + time.Minute))
		writeJSON(w, Inspection{Config: cfg, Groups: names, Accepted: d.store.Membership}.with(r.Context(), d.accounts.Load()))
	})
}

// AcceptedOnRecord is the accepted list of a group in the store of a state folder; zero where there is
// no store.
func AcceptedOnRecord(ctx context.Context, stateDir, group string) (list store.Membership, err error) {
	l, err := bolt.OpenReadOnly(stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil
	}
	if err != nil {
		return list, err
	}
	list, err = l.Membership(ctx, group)
	return list, errors.Join(err, l.Close())
}

// AcceptMembers records in the store of a state folder that the person who runs this process accepts
// the members of groups, and what the person gave for it. A *bolt.HeldError says that a daemon holds it.
func AcceptMembers(ctx context.Context, stateDir string, members map[string][]string, reason string) (err error) {
	l, err := bolt.Open(bolt.Config{Dir: stateDir, LockWait: recordWait})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	var all []store.Acceptance
	for group, ids := range members {
		all = append(all, store.Acceptance{Group: group, IDs: ids, At: time.Now(), By: actor()})
	}
	act := store.Act{ID: rand.Text(), At: time.Now(), Actor: actor(), Kind: store.ActAccept, Groups: slices.Sorted(maps.Keys(members)), Reason: reason}
	if err := l.AcceptMembers(ctx, all); err != nil {
		return err
	}
	return l.RecordAct(ctx, act)
}
