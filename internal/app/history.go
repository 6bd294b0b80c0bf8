package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"zecpower/internal/config"
	"zecpower/internal/store"
)

// HistoryValues encodes q for a request to the control socket; [ParseHistory] decodes it.
func HistoryValues(q store.Query) url.Values {
	v := url.Values{}
	set := func(key, value string) {
		if value != "" {
			v.Set(key, value)
		}
	}
	set("schedule", q.Schedule)
	set("group", q.Group)
	set("instance", q.Instance)
	set("actor", q.Actor)
	if q.ByHand {
		set("by_hand", "true")
	}
	if !q.Since.IsZero() {
		set("since", q.Since.Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		set("until", q.Until.Format(time.RFC3339Nano))
	}
	if q.Limit > 0 {
		set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// ParseHistory reads what HistoryValues wrote.
func ParseHistory(v url.Values) (q store.Query, err error) {
	q = store.Query{Schedule: v.Get("schedule"), Group: v.Get("group"), Instance: v.Get("instance"), Actor: v.Get("actor"), ByHand: v.Get("by_hand") == "true"}
	for key, into := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		text := v.Get(key)
		if text == "" {
			continue
		}
		if *into, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return q, fmt.Errorf("%s: %w", key, err)
		}
	}
	if text := v.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 {
			return q, fmt.Errorf("limit %q: a number from 1", text)
		}
	}
	return q, q.Check()
}

// HistoryTimeout bounds one query. It is less than the time for which a client waits.
const HistoryTimeout = 25 * time.Second

// historyError says what to do where a query took too long.
func historyError(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("%v: it took longer than %s: ask for less, with --since, or for one --schedule", err, HistoryTimeout)
	}
	return err.Error()
}

func (d *Daemon) historyHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := ParseHistory(r.URL.Query())
		if err != nil {
			http.Error(w, brief(err), http.StatusBadRequest)
			return
		}
		if q.Instance != "" {
			q.InstanceGroups = GroupsOf(d.current.Load(), q.Instance)
		}
		ctx, cancel := context.WithTimeout(r.Context(), HistoryTimeout)
		defer cancel()
		entries, err := d.store.History(ctx, q)
		switch {
		case r.Context().Err() != nil:
			return // the client has left
		case err != nil:
			d.log.Error("history cannot be read", zap.Error(err))
			http.Error(w, historyError(err), http.StatusInternalServerError)
			return
		}
		writeJSON(w, entries)
	})
}

// GroupsOf names the groups that hold an instance in the present configuration. It omits a group
// that cannot be read: the store still knows its past.
func GroupsOf(cfg *config.Config, instance string) []string {
	var names []string
	for _, g := range cfg.Groups {
		if ids, err := g.IDs(); err == nil && slices.Contains(ids, instance) {
			names = append(names, g.Name)
		}
	}
	return names
}
