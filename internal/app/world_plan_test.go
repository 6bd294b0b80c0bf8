package app

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"zecpower/internal/power"
)

// plan is what the configuration of a world says. A world never changes one: an edit makes another.
type plan struct {
	batch     batchPlan
	accounts  []accountPlan // the first is the default one
	groups    []groupPlan
	schedules []schedulePlan
}

type batchPlan struct {
	size, attempts    int
	poll, bootTimeout time.Duration
}

type accountPlan struct {
	name     string
	rate     float64
	burst    int
	inFlight int
	timeout  time.Duration
}

type groupPlan struct {
	name    string
	account int
	ids     []string
}

type schedulePlan struct {
	name     string
	minutes  []int // of the hour from 7 on
	action   power.Action
	groups   []string
	catchUp  time.Duration
	jitter   time.Duration
	overlap  string
	deadline time.Duration
	paused   bool
}

func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

func upTo(r *rand.Rand, from, to time.Duration) time.Duration {
	return (from + time.Duration(r.Int64N(int64(to-from)))).Round(time.Millisecond)
}

func (p plan) clone() plan {
	p.accounts = slices.Clone(p.accounts)
	p.groups = slices.Clone(p.groups)
	p.schedules = slices.Clone(p.schedules)
	return p
}

// config is the configuration file.
func (p plan) config() string {
	var b strings.Builder
	api := func(a accountPlan, port int) string {
		return fmt.Sprintf("endpoint: \"http://127.0.0.1:%d\", timeout: %s, requests_per_second: %g, burst: %d, max_in_flight: %d",
			port, a.timeout, a.rate, a.burst, a.inFlight)
	}
	fmt.Fprintf(&b, "api: {%s}\n", api(p.accounts[0], 1))
	fmt.Fprintf(&b, "batch: {batch_size: %d, attempts: %d, poll_interval: %s, boot_timeout: %s, backoff: {initial: 200ms, max: 10s}}\n",
		p.batch.size, p.batch.attempts, p.batch.poll, p.batch.bootTimeout)
	if len(p.accounts) > 1 {
		fmt.Fprintln(&b, "accounts:")
	}
	for i, a := range p.accounts[1:] {
		fmt.Fprintf(&b, "  %s: {credential: %s, %s}\n", a.name, a.name, api(a, i+2))
	}
	fmt.Fprintln(&b, "groups:")
	for _, g := range p.groups {
		fmt.Fprintf(&b, "  %s: {account: %s, instances: [%s]}\n", g.name, p.accounts[g.account].name, strings.Join(g.ids, ", "))
	}
	fmt.Fprintln(&b, "schedules:")
	for _, s := range p.schedules {
		fmt.Fprintf(&b, "  %s: {cron: %q, action: %s, groups: [%s], catch_up: %s, jitter: %s, overlap: %s, deadline: %s, paused: %v}\n",
			s.name, s.cron(), s.action, strings.Join(s.groups, ", "), s.catchUp, s.jitter, s.overlap, s.deadline, s.paused)
	}
	return b.String()
}

func (s schedulePlan) cron() string {
	minutes := make([]string, len(s.minutes))
	for i, m := range s.minutes {
		minutes[i] = fmt.Sprint(m)
	}
	return strings.Join(minutes, ",") + " 7 * * *"
}

func (p plan) schedule(name string) (schedulePlan, bool) {
	i := slices.IndexFunc(p.schedules, func(s schedulePlan) bool { return s.name == name })
	if i < 0 {
		return schedulePlan{}, false
	}
	return p.schedules[i], true
}

func (p plan) group(name string) (groupPlan, bool) {
	i := slices.IndexFunc(p.groups, func(g groupPlan) bool { return g.name == name })
	if i < 0 {
		return groupPlan{}, false
	}
	return p.groups[i], true
}

func instanceID(account, i int) string { return fmt.Sprintf("i-%d-%04d", account, i) }

// drawPlan draws the first configuration. sizes are the instances of each account. hot are minutes
// around which most happens.
func drawPlan(r *rand.Rand, sizes, hot []int) plan {
	poll := upTo(r, 2*time.Second, 6*time.Second)
	p := plan{batch: batchPlan{
		size: pick(r, 100, 100, 1+r.IntN(100), 10), attempts: pick(r, 3, 3, 1, 5), poll: poll, bootTimeout: upTo(r, 3*time.Minute, 8*time.Minute),
	}}
	for i := range sizes {
		p.accounts = append(p.accounts, drawAccount(r, i))
	}
	for i := range 1 + r.IntN(12) {
		p.groups = append(p.groups, drawGroup(r, fmt.Sprintf("group-%d", i), sizes))
	}
	for i := range 1 + r.IntN(8) {
		p.schedules = append(p.schedules, drawSchedule(r, fmt.Sprintf("schedule-%d", i), p.groups, hot))
	}
	return p
}

func drawAccount(r *rand.Rand, i int) accountPlan {
	name := "default"
	if i > 0 {
		name = fmt.Sprintf("account-%d", i)
	}
	return accountPlan{
		name: name, rate: pick(r, 10.0, 10, 2, 50), burst: pick(r, 10, 10, 1, 3), inFlight: pick(r, 8, 8, 1, 2), timeout: upTo(r, 3*time.Second, 15*time.Second),
	}
}

func drawGroup(r *rand.Rand, name string, sizes []int) groupPlan {
	g := groupPlan{name: name, account: r.IntN(len(sizes))}
	n := sizes[g.account]
	from := r.IntN(n)
	for i := from; i < from+1+r.IntN(n-from); i++ {
		g.ids = append(g.ids, instanceID(g.account, i))
	}
	return g
}

func drawSchedule(r *rand.Rand, name string, groups []groupPlan, hot []int) schedulePlan {
	s := schedulePlan{
		name: name, action: pick(r, power.ActionStart, power.ActionStop), catchUp: pick(r, time.Hour, time.Hour, 20*time.Minute, 3*time.Minute, 0),
		jitter: pick(r, 0, 0, 0, 90*time.Second, 6*time.Minute), overlap: pick(r, "skip", "queue", "allow"),
		deadline: pick(r, 30*time.Minute, 30*time.Minute, 10*time.Minute, 2*time.Minute), paused: r.IntN(12) == 0, minutes: drawMinutes(r, hot),
	}
	for range 1 + r.IntN(3) {
		if g := groups[r.IntN(len(groups))].name; !slices.Contains(s.groups, g) {
			s.groups = append(s.groups, g)
		}
	}
	return s
}

func drawMinutes(r *rand.Rand, hot []int) (minutes []int) {
	for range 1 + r.IntN(3) {
		m := pick(r, hot...) + pick(r, 0, 0, 0, 1, 2, -1)
		if !slices.Contains(minutes, m) {
			minutes = append(minutes, m)
		}
	}
	slices.Sort(minutes)
	return minutes
}

// edited is p after one or two edits.
func (p plan) edited(r *rand.Rand, sizes, hot []int) plan {
	p = p.clone()
	for range 1 + r.IntN(2) {
		p.edit(r, sizes, hot)
	}
	return p
}

func (p *plan) edit(r *rand.Rand, sizes, hot []int) {
	s := &p.schedules[r.IntN(len(p.schedules))]
	switch r.IntN(10) {
	case 0:
		s.minutes = drawMinutes(r, hot)
	case 1:
		s.action = pick(r, power.ActionStart, power.ActionStop)
	case 2:
		s.groups = drawSchedule(r, s.name, p.groups, hot).groups
	case 3:
		s.paused = !s.paused
	case 4:
		s.deadline, s.overlap, s.catchUp = drawTerms(r)
	case 5:
		if len(p.schedules) > 1 {
			p.schedules = slices.DeleteFunc(p.schedules, func(one schedulePlan) bool { return one.name == s.name })
		}
	case 6:
		name := fmt.Sprintf("schedule-%d", r.IntN(10))
		if _, ok := p.schedule(name); !ok {
			p.schedules = append(p.schedules, drawSchedule(r, name, p.groups, hot))
		}
	case 7:
		g := &p.groups[r.IntN(len(p.groups))]
		account := g.account
		for *g = drawGroup(r, g.name, sizes); g.account != account; {
			*g = drawGroup(r, g.name, sizes)
		}
	case 8:
		i := r.IntN(len(p.accounts))
		p.accounts[i] = drawAccount(r, i)
	case 9:
		p.dropGroup(p.groups[r.IntN(len(p.groups))].name)
	}
}

func drawTerms(r *rand.Rand) (time.Duration, string, time.Duration) {
	s := drawSchedule(r, "", []groupPlan{{}}, []int{1})
	return s.deadline, s.overlap, s.catchUp
}

// dropGroup removes a group, unless a schedule has no other.
func (p *plan) dropGroup(name string) {
	is := func(one string) bool { return one == name }
	for _, s := range p.schedules {
		if len(s.groups) == 1 && is(s.groups[0]) {
			return
		}
	}
	for i := range p.schedules {
		p.schedules[i].groups = slices.DeleteFunc(slices.Clone(p.schedules[i].groups), is)
	}
	if len(p.groups) > 1 {
		p.groups = slices.DeleteFunc(p.groups, func(g groupPlan) bool { return is(g.name) })
	}
}
