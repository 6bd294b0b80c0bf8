package members

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"zecpower/apiclient"
)

// probeShare bounds what finding out costs: the first page of each list is read to compare, where
// that is at most this part of the account's own pages.
const probeShare = 10

// Describe makes one DescribeInstances request, or several where it retries. It waits for the
// account's budget. It must be safe for concurrent use.
type Describe func(context.Context, apiclient.InstanceQuery) (apiclient.InstancePage, error)

// Lister reads the lists that groups of one account need. It keeps nothing between calls.
type Lister struct {
	describe Describe
	inFlight int
}

// NewLister makes a Lister. inFlight is how many pages it asks for at once, 1 or more.
func NewLister(describe Describe, inFlight int) (*Lister, error) {
	if describe == nil || inFlight < 1 {
		return nil, fmt.Errorf("lister: %d pages at once: it needs 1 or more, and a function that describes", inFlight)
	}
	return &Lister{describe, inFlight}, nil
}

// List reads what decides about the members of groups, with as few requests as can be foreseen. The
// result is by group. Groups that fail, fail alone. Named instances are read only where their rows
// decide whether they are excluded.
func (l *Lister) List(ctx context.Context, groups []*Group) []Listing {
	return l.list(ctx, groups, (*Group).needsRows, &recent{})
}

// ListWithNamed is List, and reads all named instances besides: to show them, and to find those
// that the API does not know.
func (l *Lister) ListWithNamed(ctx context.Context, groups []*Group) []Listing {
	return l.list(ctx, groups, func(g *Group) bool { return len(g.named) > 0 }, &recent{})
}

// list does both; byID reports whether the named instances of a group are read. What known has is not
// read again, and what is read is added to it.
func (l *Lister) list(ctx context.Context, groups []*Group, byID func(*Group) bool, known *recent) []Listing {
	n := needsOf(groups, byID)
	lists := known.find(n.queries)
	l.readMissing(ctx, n.queries, lists)
	known.add(lists)
	listings := make([]Listing, len(groups))
	sharing := map[*list][]int{} // the groups that have a list
	for i, g := range groups {
		listings[i] = n.listing(g, n.of[i], lists)
		if n.of[i] >= 0 && listings[i].Err == nil {
			of := lists[n.of[i]]
			sharing[of] = append(sharing[of], i)
		}
	}
	for shared, by := range sharing {
		shared.narrow(listings, groups, by)
	}
	return listings
}

// readMissing reads the lists that are not there yet.
func (l *Lister) readMissing(ctx context.Context, queries []apiclient.InstanceQuery, lists []*list) {
	var missing []apiclient.InstanceQuery
	for i, there := range lists {
		if there == nil {
			missing = append(missing, queries[i])
		}
	}
	if len(missing) == 0 {
		return
	}
	read := l.read(ctx, missing)
	for i, there := range lists {
		if there == nil {
			lists[i], read = read[0], read[1:]
		}
	}
}

// read answers each query, or all of them with the list of the account where that costs less.
func (l *Lister) read(ctx context.Context, queries []apiclient.InstanceQuery) []*list {
	readings := make([]*reading, len(queries))
	for i, q := range queries {
		readings[i] = newReading(q)
	}
	if len(queries) > 1 {
		account := newReading(apiclient.InstanceQuery{})
		l.page(ctx, account)
		if l.accountIsCheaper(ctx, account, readings) {
			return slices.Repeat([]*list{l.finish(ctx, account)}, len(queries))
		}
	}
	lists := make([]*list, len(queries))
	for i, r := range readings {
		lists[i] = l.finish(ctx, r)
	}
	return lists
}

// accountIsCheaper decides between the lists and the account's, whose first page was read.
//
// What a list costs is only known from its first page. Where those alone are more than a part of
// the account's pages, they are not read: they would cost more than they can save. Else they are,
// none of them in vain if the lists are read, and the pages that are left decide.
func (l *Lister) accountIsCheaper(ctx context.Context, account *reading, readings []*reading) bool {
	if account.failed() != nil || len(readings)*probeShare > account.left()+1 {
		return true
	}
	var wg sync.WaitGroup
	for worker := range min(l.inFlight, len(readings)) {
		wg.Go(func() {
			for i := worker; i < len(readings); i += l.inFlight {
				l.page(ctx, readings[i])
			}
		})
	}
	wg.Wait()
	left := 0
	for _, r := range readings {
		left += r.left()
	}
	return left > account.left()
}

// finish reads what is left of a list, again and again until it is whole or is given up.
func (l *Lister) finish(ctx context.Context, r *reading) *list {
	of := r.query
	of.PageSize = 0
	for {
		l.readOnce(ctx, r)
		if err := r.failed(); err != nil {
			return &list{err: fmt.Errorf("listing instances: %w", err)}
		}
		if rows, whole := r.result(); whole {
			return &list{of: of, began: r.began, rows: rows}
		}
		if !r.again() {
			return &list{err: fmt.Errorf("listing instances: %w", r.giveUp())}
		}
	}
}

// readOnce reads all pages that the list has, the first one alone, since it says how many there
// are.
func (l *Lister) readOnce(ctx context.Context, r *reading) {
	if r.begins() {
		l.page(ctx, r)
	}
	var wg sync.WaitGroup
	for range min(l.inFlight, r.left()) {
		wg.Go(func() {
			for l.page(ctx, r) {
			}
		})
	}
	wg.Wait()
}

// page reads the next page. False where none is left, or it failed.
func (l *Lister) page(ctx context.Context, r *reading) bool {
	q, ok := r.take()
	if !ok {
		return false
	}
	p, err := l.describe(ctx, q)
	if err == nil {
		err = r.add(q.PageNum, p)
	}
	if err != nil {
		r.fail(fmt.Errorf("page %d: %w", q.PageNum, err))
	}
	return err == nil
}
