package batcher

import (
	"context"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/event"
	"zecpower/internal/power"
)

// Lister describes instances with their names, tags and zones. *apiclient.Client implements it. What
// is said of API holds for it, too.
type Lister interface {
	DescribeInstances(ctx context.Context, q apiclient.InstanceQuery) (apiclient.InstancePage, error)
}

// Listing is one page of DescribeInstances that a run needs before it has instances.
type Listing struct {
	Query apiclient.InstanceQuery
	// UnprovenKey and FirstContact are as in Run: what would end such a run ends the listing.
	UnprovenKey, FirstContact bool
}

// ListingError says why a page was not read.
type ListingError struct {
	// Last is what the last request met; nil: none was answered.
	Last *apiclient.Error
	// Cause is the end of the caller's context; nil: trying again would not have helped.
	Cause error
}

// Reason is the same as an instance would fail for.
func (e *ListingError) Reason() power.Reason {
	if e.Last == nil {
		return power.ReasonAPIError
	}
	switch e.Last.Class {
	case apiclient.ClassCredentials:
		return power.ReasonAuth
	case apiclient.ClassThrottled:
		return power.ReasonThrottled
	case apiclient.ClassBlocked:
		return power.ReasonBlocked
	case apiclient.ClassInstance, apiclient.ClassUnknown:
		return power.ReasonRejected
	case apiclient.ClassRequest:
		return power.ReasonInvalidRequest
	}
	return power.ReasonAPIError
}

// Error implements error. It begins with the reason.
func (e *ListingError) Error() string {
	text := string(e.Reason()) + ": "
	switch {
	case e.Last == nil:
		return text + "no request was answered in time: " + e.Cause.Error()
	case e.Cause != nil:
		text += e.Cause.Error() + ", and the last try: "
	}
	text += e.Last.Error()
	if e.Reason() == power.ReasonAuth {
		text += ": check key, permissions and this host's clock"
	}
	return text
}

// Unwrap gives both.
func (e *ListingError) Unwrap() (all []error) {
	if e.Last != nil {
		all = append(all, e.Last)
	}
	if e.Cause != nil {
		all = append(all, e.Cause)
	}
	return all
}

// page is a Listing on its way. Its account owns it; done is closed once page or err is set.
type page struct {
	Listing
	done     chan struct{}
	page     apiclient.InstancePage
	err      *apiclient.Error
	left     bool // its caller does not wait any more
	since    time.Time
	ready    time.Time // not before; for the backoff
	failures int       // in a row, of an API that does not work
	refusals int       // of this very request
	last     *apiclient.Error
	denied   time.Time // the first refusal of the credentials; zero: none
}

// List makes one request for a page of instances, through the account's budget, at the priority of a
// describe that decides what to send. It is tried again until ctx ends, unless the API refuses it as
// often as one instance may fail, or refuses the credentials three times over at least 30 s. The
// error is a *ListingError.
func (a *Account) List(ctx context.Context, l Listing) (apiclient.InstancePage, error) {
	p := &page{Listing: l, done: make(chan struct{}), since: time.Now()}
	a.do(func(time.Time) {
		a.listings = append(a.listings, p)
		a.work()
	})
	select {
	case <-p.done:
	case <-ctx.Done():
		err := &ListingError{Cause: context.Cause(ctx)}
		a.do(func(time.Time) { p.left, err.Last = true, p.last })
		return apiclient.InstancePage{}, err
	}
	if p.err != nil {
		return apiclient.InstancePage{}, &ListingError{Last: p.err}
	}
	return p.page, nil
}

// listingReady is the first listing that may go now. It drops those whose callers have left.
func (a *Account) listingReady(now time.Time) int {
	kept := a.listings[:0]
	for _, p := range a.listings {
		if !p.left {
			kept = append(kept, p)
		}
	}
	clear(a.listings[len(kept):])
	a.listings = kept
	for i, p := range a.listings {
		if !p.ready.After(now) {
			return i
		}
	}
	return -1
}

// listingOpens is when the backoff of the next listing ends; zero: none waits.
func (a *Account) listingOpens(now time.Time) (at time.Time) {
	for _, p := range a.listings {
		if p.ready.After(now) {
			at = earlier(at, p.ready)
		}
	}
	return at
}

// nextListing takes the next listing; nil: none may go.
func (a *Account) nextListing(now time.Time) *request {
	i := a.listingReady(now)
	if i < 0 {
		return nil
	}
	p := a.listings[i]
	a.listings = append(a.listings[:i:i], a.listings[i+1:]...)
	return &request{priority: PriorityDiagnose, listing: p}
}

// handleListing evaluates the reply to a listing.
func (a *Account) handleListing(r reply, e *apiclient.Error, now time.Time) {
	p := r.request.listing
	p.last = e
	switch {
	case e == nil:
		p.page = r.list
		close(p.done)
	case p.left: // its caller has gone
	case a.givesUp(p, e, now):
		p.err = e
		close(p.done)
	default:
		a.emit(event.RequestRetried{Account: a.cfg.Name, APIAction: e.Action, Refusal: refusalOf(e, e.Class)})
		a.delay(p, e, now)
		a.listings = append(a.listings, p)
	}
}

// givesUp reports whether trying p again does not help.
func (a *Account) givesUp(p *page, e *apiclient.Error, now time.Time) bool {
	switch e.Class {
	case apiclient.ClassInstance, apiclient.ClassUnknown, apiclient.ClassRequest:
		p.refusals++
		return p.refusals >= a.settings.Attempts
	case apiclient.ClassCredentials:
		if p.denied.IsZero() {
			p.denied = now
		}
		p.refusals++
		final := e.ClockSkew == 0 && p.refusals >= credentialRefusals && now.Sub(p.denied) >= credentialSpan
		return final || p.UnprovenKey && !a.budget.credentials.accepted
	}
	p.failures++
	return p.FirstContact && !a.contact && e.Unreachable() && p.failures >= unreachedErrors && now.Sub(p.since) >= unreachedSpan
}

// delay keeps p back before it is tried again. What the budget slows down by itself needs no more.
func (a *Account) delay(p *page, e *apiclient.Error, now time.Time) {
	switch {
	case e.Class == apiclient.ClassThrottled:
	case e.Class == apiclient.ClassCredentials:
		slowly := Backoff{Initial: credentialFloor, Max: credentialTopFloor}
		p.ready = now.Add(halfFixed(slowly.ceiling(p.refusals), a.rng))
	default:
		p.ready = now.Add(a.settings.Backoff.delay(p.failures+p.refusals-1, a.rng))
	}
}
