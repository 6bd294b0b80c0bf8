package store

import (
	"maps"
	"slices"
	"time"
)

// leftKept is how long an instance that left its group stays on the accepted list, so that one bad
// evening does not shrink it.
const leftKept = 30 * 24 * time.Hour

// Membership is the accepted list of a group: whom the guard lets pass as no newcomer. The zero
// value is no list.
type Membership struct {
	At   time.Time            // when it was last confirmed; zero: there is no list
	By   string               // who accepted it last by hand; empty: runs alone have
	IDs  []string             // the members by then, sorted, each once
	Left map[string]time.Time // earlier ones, and since when they are no members: less than 30 days
}

// Acceptance is the members of a group that a run powered, or that a person accepted.
type Acceptance struct {
	Group string
	IDs   []string // in any order; the same id twice counts once
	At    time.Time
	// By is the person who accepted them by hand: then all others leave the list at once.
	By string
}

// After is the list once a has been accepted.
func (m Membership) After(a Acceptance) Membership {
	next := Membership{At: a.At, By: m.By, IDs: SortedIDs(a.IDs)}
	if a.By != "" {
		next.By = a.By
		return next
	}
	left := maps.Clone(m.Left)
	for _, id := range m.Gone(next.IDs) {
		if left == nil {
			left = map[string]time.Time{}
		}
		left[id] = a.At
	}
	maps.DeleteFunc(left, func(id string, since time.Time) bool { return next.member(id) || a.At.Sub(since) >= leftKept })
	if len(left) > 0 {
		next.Left = left
	}
	return next
}

func (m Membership) member(id string) bool {
	_, found := slices.BinarySearch(m.IDs, id)
	return found
}

// Has reports whether an instance is on the list at a time, be it that it left meanwhile.
func (m Membership) Has(id string, now time.Time) bool {
	if m.member(id) {
		return true
	}
	since, left := m.Left[id]
	return left && now.Sub(since) < leftKept
}

// Size is how many instances are on the list at a time.
func (m Membership) Size(now time.Time) int {
	n := len(m.IDs)
	for _, since := range m.Left {
		if now.Sub(since) < leftKept {
			n++
		}
	}
	return n
}

// Gone are the members that are not among ids, which must be sorted.
func (m Membership) Gone(ids []string) []string { return without(m.IDs, ids) }

// Unknown are those of ids, which must be sorted, that are not on the list at a time.
func (m Membership) Unknown(ids []string, now time.Time) []string {
	unknown := without(ids, m.IDs)
	return slices.DeleteFunc(unknown, func(id string) bool { return m.Has(id, now) })
}

// without are those of ids that others lack, in a list of their own. Both must be sorted.
func without(ids, others []string) (rest []string) {
	k := 0
	for _, id := range ids {
		for k < len(others) && others[k] < id {
			k++
		}
		if k == len(others) || others[k] != id {
			rest = append(rest, id)
		}
	}
	return rest
}

// SortedIDs are ids in order, each once. They are ids itself where that is so already: a list may have
// a million.
func SortedIDs(ids []string) []string {
	inOrder := true
	for i := 1; i < len(ids) && inOrder; i++ {
		inOrder = ids[i-1] < ids[i]
	}
	if inOrder {
		return ids
	}
	return slices.Compact(slices.Sorted(slices.Values(ids)))
}

// MembershipValue is a list as an implementation keeps it: what changes with each run, and the ids.
type MembershipValue struct {
	At   time.Time            `json:"at"`
	By   string               `json:"by,omitempty"`
	Sum  []byte               `json:"sum"` // identifies the ids
	Left map[string]time.Time `json:"left,omitempty"`
	ids  []byte               // not encoded
}

// EncodeMembership returns a list as it is kept. Pack encodes its ids.
func EncodeMembership(m Membership) MembershipValue {
	ids := joinIDs(m.IDs)
	return MembershipValue{At: m.At, By: m.By, Sum: listHash(ids), Left: m.Left, ids: ids}
}

// Pack encodes the ids.
func (v MembershipValue) Pack() ([]byte, error) { return pack(v.ids) }

// Decode returns the list whose encoded ids are packed.
func (v MembershipValue) Decode(packed []byte) (Membership, error) {
	ids, err := unpack(packed)
	return Membership{At: v.At, By: v.By, IDs: splitIDs(ids), Left: v.Left}, err
}
