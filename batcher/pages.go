package batcher

import (
	"time"

	"zecpower/apiclient"
)

// pagesFor is how long the size of the account is believed, and how long pages are not asked for once
// they proved useless.
const pagesFor = time.Hour

// pages describes instances by pages of the account instead of by id, where that takes fewer
// requests. A page has no order: what is on it depends on what else is in the account, so it proves
// only what it lists. The instances that a sweep leaves out stay in their lists and are described by
// id.
type pages struct {
	total int       // instances of the account, as the newest page counts them
	known time.Time // until when that is believed
	off   time.Time // until when pages are not asked for
	sweep *sweep    // in progress; nil: none
	swept time.Time // when the last sweep began: what is left alone since then it left out
}

// sweep is one pass over all pages.
type sweep struct {
	began  time.Time
	ends   time.Time // what it has not listed by then is described by id
	left   []int     // pages to ask for
	asked  int       // pages that were asked for once
	flying int
	wanted int // instances that it was to list
}

// count is how many pages the account has; ok is false where that is not known.
func (p *pages) count(now time.Time) (n int, ok bool) {
	if now.Before(p.off) || !now.Before(p.known) {
		return 0, false
	}
	return max(1, requests(p.total, apiclient.MaxPageSize)), true
}

// todo reports whether a page of a sweep is to be asked for.
func (p *pages) todo() bool { return p.sweep != nil && len(p.sweep.left) > 0 }

// until is when an instance that is left alone since a time may be described by id: not while a
// sweep may still list it.
func (p *pages) until(since, now time.Time) time.Time {
	if s := p.sweep; s != nil && !since.After(s.began) {
		return s.ends
	}
	return now
}

// begin begins a sweep of so many pages.
func (p *pages) begin(now time.Time, interval time.Duration, count, wanted int) {
	s := &sweep{began: now, ends: now.Add(interval), wanted: wanted}
	s.extend(count)
	p.sweep, p.swept = s, now
}

// extend adds the pages up to count that were not asked for.
func (s *sweep) extend(count int) {
	for s.asked < count {
		s.asked++
		s.left = append(s.left, s.asked)
	}
}

// next takes the next page.
func (s *sweep) next() int {
	page := s.left[0]
	s.left = s.left[1:]
	s.flying++
	return page
}

// pagesPay reports whether pages take fewer requests than ids do, and how many. Where the size of the
// account is not known one page finds out. What the last sweep left out is described by id. So is
// everything while credentials are probed: a page names no single id.
func (a *Account) pagesPay(now time.Time) (count int, ok bool) {
	p := &a.pages
	if now.Before(p.off) || p.sweep != nil || a.budget.credentials.active() {
		return 0, false
	}
	if count, ok = p.count(now); !ok {
		count = 1
	}
	return count, count < requests(a.sweepSize(now), a.settings.Size) && !a.leftOut(p.swept)
}

// leftOut reports whether a sweep that began at a time has not listed some instance so far.
func (a *Account) leftOut(began time.Time) bool {
	for list := range listDenied {
		since, ok := a.polls[list].front()
		if ok && !since.After(began) && a.wasSwept(list) {
			return true
		}
	}
	return false
}

// nextPage takes the next page of the sweep; nil: the sweep is given up.
func (a *Account) nextPage(now time.Time) *request {
	s := a.pages.sweep
	if a.budget.credentials.active() || !now.Before(s.ends) || !a.leftOut(s.began) {
		s.left = nil
		a.endSweep(now)
		return nil
	}
	return &request{priority: PriorityPoll, sweep: s, page: s.next()}
}

// takeListed makes the instances that a page lists the works of its request, so that they are decided
// about like those of any describe. One that was accepted, or described, after the page left is not
// among them: of it the page may show what was before.
func (a *Account) takeListed(r *request, page apiclient.StatusPage, asked time.Time) {
	r.works = make([]*work, 0, len(page.Instances))
	for _, s := range page.Instances {
		w := a.works[s.InstanceID]
		if w == nil || w.at != inPolls || w.list == listDenied || !w.wanted() {
			continue
		}
		if left := instantOf(asked); w.acceptedAt > left || w.seenAt > left {
			continue
		}
		w.move(nowhere, nil)
		r.works = append(r.works, w)
	}
	r.runs = append(r.runs, runsOf(r.works)...)
}

// seeListed decides about the instances of a page. Those that it took are nowhere.
func (a *Account) seeListed(p reply, now time.Time) {
	var s sighting
	for _, row := range p.status.Instances {
		if w := a.works[row.InstanceID]; w != nil && w.at == nowhere {
			a.see(&s, p.request, w, row.State, true, p.sent, now)
		}
	}
	a.follow(p.request, &s, now)
}

// handlePage evaluates the reply to a page. What a page that failed would have listed is described by
// id, but a throttled one goes again. Where the API refuses pages, be it for the credentials, that is
// no refusal of describes.
func (a *Account) handlePage(p reply, e *apiclient.Error, now time.Time) {
	s := p.request.sweep
	switch {
	case e == nil:
		a.pages.total, a.pages.known = p.status.TotalCount, now.Add(pagesFor)
		a.seeListed(p, now)
		if count, ok := a.pages.count(now); ok && a.pages.sweep == s && count < requests(s.wanted, a.settings.Size) {
			s.extend(count)
		}
	case e.Class == apiclient.ClassThrottled:
		s.left = append(s.left, p.request.page)
	case e.Class != apiclient.ClassTransient && e.Class != apiclient.ClassBlocked:
		a.pages.off, s.left = now.Add(pagesFor), nil
	}
	if e != nil {
		a.observeRetry(p.request, e, e.Class)
	}
	s.flying--
	a.endSweep(now)
}

// endSweep ends a sweep whose pages have all been answered, or that took too long. Where it left most
// out, pages are useless.
func (a *Account) endSweep(now time.Time) {
	s := a.pages.sweep
	if s == nil || now.Before(s.ends) && (s.flying > 0 || len(s.left) > 0) {
		return
	}
	a.pages.sweep = nil
	complete := s.flying == 0 && len(s.left) == 0 && s.asked >= requests(a.pages.total, apiclient.MaxPageSize)
	out := 0
	for list := range listDenied {
		if a.wasSwept(list) {
			out += a.polls[list].alone(s.began)
		}
	}
	if complete && 2*out > s.wanted {
		a.pages.off = now.Add(pagesFor)
	}
}
