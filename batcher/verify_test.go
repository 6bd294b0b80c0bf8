package batcher

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/power"
)

// The goal: 10,000 instances that boot in 60 s ± 10 %, an account of no more, 50 ms a request, the
// default settings.
func TestVerifyingIsCheapAndPrompt(t *testing.T) {
	for _, c := range verifyCases() {
		if c.account > c.n || c.name == "20-300s" {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := c.run(t, 3)
				if f.describes > 200 || f.late > 2*time.Second {
					t.Errorf("%d describes, the report %s after the last boot; want at most 200 and 2 s", f.describes, f.late)
				}
				if f.rested > 5*time.Second+100*time.Millisecond { // and a request's way there and back
					t.Errorf("an instance was left alone for %s after the first boot", f.rested)
				}
			})
		})
	}
}

// Where the account is ten times as large pages are not cheaper: one finds that out.
func TestLargeAccountIsDescribedByID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newBootingAPI(2000, 100000, spreadOf(54*time.Second, 66*time.Second), 1)
		if g := newTestAccount(t, api).Run(t.Context(), startRun(fleet(2000))).Groups[0]; g.Done != 2000 || api.pages != 1 {
			t.Errorf("%d started, %d pages", g.Done, api.pages)
		}
	})
}

// Until a boot is seen one request a poll interval is enough, however many are on their way.
func TestNothingExpectedCostsOneDescribeAPollInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(5000))
		api.bootTime = 90 * time.Second
		began := time.Now()
		newTestAccount(t, api).Run(t.Context(), startRun(fleet(5000)))
		before := 0
		for k, at := range api.describeArrivals {
			if at.Sub(began) < 90*time.Second {
				before++
				if n := len(api.describes[k]); n != 100 {
					t.Errorf("a describe of %d after %s", n, at.Sub(began))
				}
			}
		}
		if before < 16 || before > 18 {
			t.Errorf("%d describes in 90 s", before)
		}
	})
}

// One that falls back is started again within a poll interval once boots are expected, though
// thousands of others are on their way.
func TestFallenBackIsNoticedWithinAPollInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(3000)
		api := newFakeAPI(ids)
		api.bootTime = 60 * time.Second
		var fell, again time.Time
		api.onStart = func(_ int, asked []string) ([]string, error, bool) {
			if slices.Contains(asked, ids[2900]) && !fell.IsZero() {
				again = time.Now()
			}
			return nil, nil, false
		}
		api.onStatus = func(int, []string) (apiclient.StatusPage, error, bool) {
			if now := time.Now(); fell.IsZero() && now.After(api.bootAt[ids[0]].Add(2*time.Second)) {
				fell, api.states[ids[2900]] = now, apiclient.StateStopped
			}
			return apiclient.StatusPage{}, nil, false
		}
		report := newTestAccount(t, slowest{api, ids[2900]}).Run(t.Context(), startRun(ids))
		if got := listing(report); got != "3000 started" {
			t.Fatal(got)
		}
		// A backoff of at most half a second goes before the second start.
		if late := again.Sub(fell); again.IsZero() || late > 5*time.Second+700*time.Millisecond {
			t.Errorf("it fell back and was started again %s later", late)
		}
	})
}

// slowest is an account of which one instance takes an hour to boot, where it is started with others.
type slowest struct {
	*fakeAPI
	id string
}

func (s slowest) StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error) {
	reply, err := s.fakeAPI.StartInstances(ctx, ids)
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(ids, s.id) && len(ids) > 1 {
		s.bootAt[s.id] = time.Now().Add(time.Hour)
	}
	return reply, err
}

// An instance that hangs costs one describe a poll interval, not five, and ends by its timeout.
func TestInstanceThatHangsIsPolledSteadily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(200)
		api := newFakeAPI(ids)
		began := time.Now()
		api.bootTime = 30 * time.Second
		report := newTestAccount(t, slowest{api, ids[7]}).Run(t.Context(), startRun(ids))
		took := time.Since(began)
		if got := listing(report); got != "1 boot_timeout, 199 started" || took > 10*time.Minute+6*time.Second {
			t.Errorf("%s after %s", got, took)
		}
		if n := len(api.describes); n > 10+20+120 {
			t.Errorf("%d describes in ten minutes", n)
		}
	})
}

// Nothing boots at all: each ends by a describe that left after its timeout.
func TestTimeoutsOfAFleetThatHangsAreJudgedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(3000))
		api.bootTime = time.Hour
		began := time.Now()
		report := newTestAccount(t, api).Run(t.Context(), startRun(fleet(3000)))
		if got := listing(report); got != "3000 boot_timeout" {
			t.Fatal(got)
		}
		if took := time.Since(began); took > 10*time.Minute+10*time.Second {
			t.Errorf("given up after %s", took)
		}
		if n := len(api.describes); n > 160 {
			t.Errorf("%d describes of a fleet that never boots", n)
		}
	})
}

// A hundred that hang do not make another run's instances be described before they can be there.
func TestOtherRunsThatHangMakeNothingExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung, others := newFakeAPI(fleet(100)), newFakeAPI(nil)
		hung.bootTime, others.bootTime = time.Hour, time.Minute
		var ids []string
		for _, id := range fleet(1000) {
			ids = append(ids, "j-"+id)
			others.states["j-"+id] = apiclient.StateStopped
		}
		a := newTestAccount(t, routed{hung, others})
		first := startRun(ids)
		first.RunID = "yesterday"
		a.Run(t.Context(), first)
		for id := range others.states {
			others.states[id] = apiclient.StateStopped
		}
		ctx, cancel := context.WithCancel(t.Context())
		var beside sync.WaitGroup
		beside.Go(func() { a.Run(ctx, startRun(fleet(100))) })
		time.Sleep(3 * time.Minute)
		others.describes = nil
		began := time.Now()
		second := startRun(ids)
		second.RunID = "today"
		if got := listing(a.Run(t.Context(), second)); got != "1000 started" {
			t.Error(got)
		}
		if late := time.Since(began) - time.Minute; late > 2*time.Second {
			t.Errorf("the report came %s after the last boot", late)
		}
		if n := len(others.describes); n > 40 {
			t.Errorf("%d describes of 1000 instances whose boots take as long as yesterday's", n)
		}
		cancel()
		beside.Wait()
	})
}

// Stops take a time of their own.
func TestStopsAreExpectedApartFromBoots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(1000)
		c := newCloud(ids, apiclient.StateRunning)
		a := newTestAccount(t, c)
		run := func(id string, action power.Action, takes time.Duration) int {
			c.takes, c.requests["describe"] = takes, 0
			r := startRun(ids)
			r.RunID, r.Action, r.Planned = id, action, time.Now()
			if g := a.Run(t.Context(), r).Groups[0]; g.Done != 1000 {
				t.Fatalf("%s: %d done", id, g.Done)
			}
			return c.requests["describe"]
		}
		run("1", power.ActionStop, 10*time.Second)
		run("2", power.ActionStart, time.Minute)
		run("3", power.ActionStop, 10*time.Second)
		if n := run("4", power.ActionStart, time.Minute); n > 30 {
			t.Errorf("%d describes of boots that take a minute, where stops take 10 s", n)
		}
	})
}

// pagedAPI answers pages otherwise than the account is.
type pagedAPI struct {
	*bootingAPI
	answer func(n int, page apiclient.StatusPage) (apiclient.StatusPage, error)
	hangs  int // the number of the one that takes 15 s, as they are asked for; 0: none

	asking sync.Mutex // guards asked, and is held while answer is called
	asked  int
}

func (p *pagedAPI) DescribeInstancesStatus(ctx context.Context, q apiclient.StatusQuery) (apiclient.StatusPage, error) {
	page, err := p.bootingAPI.DescribeInstancesStatus(ctx, q)
	if len(q.InstanceIDs) > 0 {
		return page, err
	}
	p.asking.Lock()
	p.asked++
	n := p.asked
	page, err = p.answer(n, page)
	p.asking.Unlock()
	if n == p.hangs {
		time.Sleep(15 * time.Second)
	}
	return page, err
}

// A page proves only what it lists, and one that fails proves nothing.
func TestPagesAreTakenForWhatTheyAre(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	refused := func(class apiclient.Class, status int, code apiclient.Code) error {
		return &apiclient.Error{Action: apiclient.ActionDescribeInstancesStatus, Class: class, HTTPStatus: status, Code: code}
	}
	for name, tc := range map[string]struct {
		answer    func(n int, page apiclient.StatusPage) (apiclient.StatusPage, error)
		most      int // pages
		describes int
	}{
		"rows left out, and repeated": {func(_ int, page apiclient.StatusPage) (apiclient.StatusPage, error) {
			kept := page.Instances[:0]
			for _, row := range page.Instances {
				if rng.IntN(10) > 0 {
					kept = append(kept, row)
				}
			}
			page.Instances = append(kept, kept[:10]...)
			return page, nil
		}, 45, 110},
		"some never listed": {func(_ int, page apiclient.StatusPage) (apiclient.StatusPage, error) {
			page.Instances = slices.DeleteFunc(page.Instances, func(row apiclient.InstanceStatus) bool { return position(row.InstanceID)%50 == 0 })
			return page, nil
		}, 45, 90},
		"none of them listed": {func(_ int, page apiclient.StatusPage) (apiclient.StatusPage, error) {
			page.Instances = nil
			return page, nil
		}, 3, 160},
		"an account that counts none": {func(int, apiclient.StatusPage) (apiclient.StatusPage, error) {
			return apiclient.StatusPage{}, nil
		}, 1, 160},
		"strangers alone": {func(_ int, page apiclient.StatusPage) (apiclient.StatusPage, error) {
			for k := range page.Instances {
				page.Instances[k].InstanceID += "-another"
			}
			return page, nil
		}, 3, 160},
		"no right to list the account": {func(int, apiclient.StatusPage) (apiclient.StatusPage, error) {
			return apiclient.StatusPage{}, refused(apiclient.ClassCredentials, 403, "AUTHFAILURE_UNAUTHORIZED_OPERATION")
		}, 1, 160},
		"pages refused": {func(int, apiclient.StatusPage) (apiclient.StatusPage, error) {
			return apiclient.StatusPage{}, refused(apiclient.ClassUnknown, 400, "INVALID_PARAMETER_PAGE")
		}, 1, 160},
		"every third fails": {func(n int, page apiclient.StatusPage) (apiclient.StatusPage, error) {
			if n%3 == 0 {
				return apiclient.StatusPage{}, refused(apiclient.ClassTransient, 503, "")
			}
			return page, nil
		}, 45, 150},
		"the first are throttled": {func(n int, page apiclient.StatusPage) (apiclient.StatusPage, error) {
			if n <= 3 {
				return apiclient.StatusPage{}, refused(apiclient.ClassThrottled, 429, "")
			}
			return page, nil
		}, 30, 50},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 3000
				api := &pagedAPI{bootingAPI: newBootingAPI(n, n, spreadOf(54*time.Second, 66*time.Second), 1), answer: tc.answer}
				a := newTestAccount(t, api)
				report := a.Run(t.Context(), startRun(fleet(n)))
				if got := listing(report); got != "3000 started" {
					t.Fatal(got)
				}
				if late := time.Since(api.last); late > 5*time.Second {
					t.Errorf("the report came %s after the last boot", late)
				}
				if api.asked == 0 || api.asked > tc.most || api.describes > tc.describes {
					t.Errorf("%d pages, %d describes in all; want at most %d and %d", api.asked, api.describes, tc.most, tc.describes)
				}
				if rested := api.longestRest(); rested > 5*time.Second+100*time.Millisecond {
					t.Errorf("an instance was left alone for %s after the first boot", rested)
				}
			})
		})
	}
}

// What a page shows of an instance that was accepted, or described, after it left is older than what
// is known.
func TestPageThatLeftBeforeIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestAccount(t, newFakeAPI(nil))
		left := time.Now()
		put := func(id string, accepted time.Time, seen time.Time) {
			w := &work{instance: instance{id: id, stage: stageAccepted, acceptedAt: instantOf(accepted), seenAt: instantOf(seen)}, lane: a.lanes[laneStart]}
			w.runs = []ref{{run: a.newRun(startRun([]string{id}))}}
			a.works[id] = w
			a.poll(w, time.Now())
		}
		put("before", left.Add(-time.Minute), left.Add(-time.Second))
		put("accepted since", left.Add(time.Second), time.Time{})
		put("described since", left.Add(-time.Minute), left.Add(time.Second))
		r := &request{sweep: &sweep{}}
		a.takeListed(r, apiclient.StatusPage{Instances: []apiclient.InstanceStatus{
			{InstanceID: "before"}, {InstanceID: "accepted since"}, {InstanceID: "described since"}, {InstanceID: "before"}, {InstanceID: "stranger"},
		}}, left)
		if got := idsOf(r.works); !slices.Equal(got, []string{"before"}) {
			t.Errorf("taken from the page: %v", got)
		}
	})
}

// A page that hangs keeps what it may list from being described for a poll interval, no longer. The
// report waits for it, as for any request in flight.
func TestPageThatHangsHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3000
		api := &pagedAPI{bootingAPI: newBootingAPI(n, n, spreadOf(54*time.Second, 66*time.Second), 1), hangs: 2}
		api.answer = func(_ int, page apiclient.StatusPage) (apiclient.StatusPage, error) { return page, nil }
		if got := listing(newTestAccount(t, api).Run(t.Context(), startRun(fleet(n)))); got != "3000 started" {
			t.Fatal(got)
		}
		if late := time.Since(api.last); late > 5*time.Second || api.longestRest() > 8*time.Second {
			t.Errorf("the report came %s after the last boot; one rested for %s", late, api.longestRest())
		}
	})
}

// The interval, by what is pending and for how long boots are expected.
func TestIntervalFollowsWhatADescribeOfAllCosts(t *testing.T) {
	for _, tc := range []struct {
		name    string
		n       int // instances expected
		since   time.Duration
		rate    float64
		account int // its size; 0: unknown
		want    time.Duration
	}{
		{"a few, just expected", 5, 0, 10, 0, time.Second},
		{"a few, for long", 5, time.Hour, 10, 0, time.Second},
		{"three requests, for long", 300, time.Hour, 10, 0, 1500 * time.Millisecond},
		{"many, just expected", 1000, time.Second, 10, 0, time.Second},
		{"many, for 30 s", 1000, 30 * time.Second, 10, 0, 3 * time.Second},
		{"many, for long", 1000, time.Hour, 10, 0, 5 * time.Second},
		{"more than the budget takes", 20000, time.Hour, 10, 0, 10 * time.Second},
		{"as many by pages", 20000, 30 * time.Second, 10, 20000, 3 * time.Second},
		{"a slow account", 1000, 0, 0.5, 0, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAccountAt(t, newFakeAPI(nil), tc.rate)
			now := time.Now()
			a.polls[listStart].live = tc.n
			a.watches[listStart] = watch{expected: true, since: now.Add(-tc.since), judgeAt: now.Add(time.Hour)}
			if tc.account > 0 {
				a.pages.total, a.pages.known = tc.account, now.Add(time.Hour)
			}
			if got := a.interval(listStart, now).Round(time.Millisecond); got != tc.want {
				t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
			}
		})
	}
}

// A page that is in no order may list all at once: no more of them are asked for then, least of all
// when the run has ended.
func TestSweepEndsOnceAllAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(3000)
		api := newFakeAPI(ids)
		pages := 0
		api.onStatus = func(_ int, asked []string) (apiclient.StatusPage, error, bool) {
			if len(asked) > 0 {
				return apiclient.StatusPage{}, nil, false
			}
			pages++
			return api.page(ids), nil, true
		}
		a := newTestAccount(t, api)
		if got := listing(a.Run(t.Context(), startRun(ids))); got != "3000 started" {
			t.Error(got)
		}
		if pages == 0 || pages > 12 {
			t.Errorf("%d pages that list all", pages)
		}
	})
}

// A page names no single id, so it cannot find out whether a key has no right to one.
func TestNoPageIsAProbeOfTheCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, now := newTestAccount(t, newFakeAPI(nil)), time.Now()
		w := &work{instance: instance{id: "i-1"}, lane: a.lanes[laneStart]} // not booting, so polled steadily
		w.runs = []ref{{run: a.newRun(startRun([]string{"i-1"}))}}
		a.poll(w, now)
		a.polls[listSteady].live = 5000
		if _, pay := a.pagesPay(now); !pay {
			t.Fatal("a page is not worth 50 describes")
		}
		a.budget.credentials.action = apiclient.ActionDescribeInstancesStatus
		if _, pay := a.pagesPay(now); pay {
			t.Error("a sweep begins while credentials are probed")
		}
		a.pages.begin(now, 5*time.Second, 5, 5000)
		a.budget.credentials.lift()
		if r := a.nextPage(now); r == nil {
			t.Fatal("no page is asked for though one instance is left out")
		}
		a.pages.sweep.flying = 0
		a.budget.credentials.action = apiclient.ActionDescribeInstancesStatus
		if r := a.nextPage(now); r != nil || a.pages.sweep != nil {
			t.Errorf("a page is asked for while they are probed; the sweep goes on as %+v", a.pages.sweep)
		}
	})
}

// While pages are in flight, what they may list is not described by id as well.
func TestWhatASweepMayListIsNotDescribedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3000
		api := newBootingAPI(n, n, spreadOf(54*time.Second, 66*time.Second), 1)
		api.latency = 2 * time.Second
		if got := listing(newTestAccount(t, api).Run(t.Context(), startRun(fleet(n)))); got != "3000 started" {
			t.Error(got)
		}
		if byID := api.describes - api.pages; byID > 45 {
			t.Errorf("%d describes by id beside %d pages", byID, api.pages)
		}
	})
}

// One that booted in no time yesterday does not make all be described early today.
func TestOneQuickBootIsNotExpectedOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		quick := true
		api := newBootingAPI(n, n, func(*rand.Rand) time.Duration {
			if quick {
				quick = false
				return 3 * time.Second
			}
			return time.Minute
		}, 1)
		a := newTestAccount(t, api)
		a.Run(t.Context(), startRun(fleet(n)))
		time.Sleep(24 * time.Hour)
		api.again()
		a.Run(t.Context(), startRun(fleet(n)))
		if api.describes > 30 {
			t.Errorf("%d describes", api.describes)
		}
	})
}

// When another actor began a boot is unknown, so that teaches nothing.
func TestBootsOfOthersTeachNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(fleet(10))
		for id := range api.states {
			api.boot(id)
		}
		a := newTestAccount(t, api)
		got := listing(a.Run(t.Context(), startRun(fleet(10))))
		synctest.Wait() // the loop ends
		if learned := a.watches[listStart].learned.total; got != "10 already_running" || learned != 0 {
			t.Errorf("%s; %d boots were learned", got, learned)
		}
	})
}

// The same where an earlier process did.
func TestBootsOfAnEarlierProcessTeachNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(10)
		api := newFakeAPI(ids)
		for _, id := range ids {
			api.boot(id)
		}
		r := startRun(ids)
		r.Resumed = true
		r.Groups[0].Attempted = map[string]int{}
		for _, id := range ids {
			r.Groups[0].Attempted[id] = 1
		}
		a := newTestAccount(t, api)
		got := listing(a.Run(t.Context(), r))
		synctest.Wait() // the loop ends
		if learned := a.watches[listStart].learned.total; got != "10 started" || learned != 0 {
			t.Errorf("%s; %d boots were learned", got, learned)
		}
	})
}

// Among a thousand that boot, what waits for another state is described each poll interval.
func TestWhatWaitsForAStateIsPolledSteadily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(1000)
		api := newFakeAPI(ids)
		api.bootTime = time.Minute
		api.states[ids[500]] = "REBUILDING"
		ready := time.Now().Add(20 * time.Second)
		api.turns(ids[500], apiclient.StateStopped, ready)
		var again time.Time
		api.onStart = func(n int, asked []string) ([]string, error, bool) {
			if n > 10 && slices.Contains(asked, ids[500]) {
				again = time.Now()
			}
			return nil, nil, false
		}
		if got := listing(newTestAccount(t, api).Run(t.Context(), startRun(ids))); got != "1000 started" {
			t.Error(got)
		}
		if late := again.Sub(ready); again.IsZero() || late > 6*time.Second {
			t.Errorf("it was ready and started %s later", late)
		}
	})
}

// A graceful stop that another run raises to a forced one is watched until the force can be sent.
func TestRaisedStopIsPolledSteadily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := fleet(1000)
		c := newCloud(ids, apiclient.StateRunning)
		c.takes = time.Minute
		a := newTestAccount(t, c)
		var all sync.WaitGroup
		stop := func(id string, ids []string, force bool) {
			r := startRun(ids)
			r.RunID, r.Action, r.Force = id, power.ActionStop, force
			a.Run(t.Context(), r)
		}
		all.Go(func() { stop("graceful", ids, false) })
		time.Sleep(3 * time.Second)
		all.Go(func() { stop("forced", ids[900:901], true) })
		time.Sleep(8 * time.Second)
		c.mu.Lock()
		c.states[ids[900]] = apiclient.StateRunning // the guest refused
		c.mu.Unlock()
		fell := time.Now()
		all.Wait()
		if forced := c.times["force"]; len(forced) != 1 || forced[0].Sub(fell) > 6*time.Second {
			t.Errorf("forced at %v, it fell back at %s", forced, fell)
		}
	})
}
