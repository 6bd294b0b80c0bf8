package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
	"zecpower/batcher"
	"zecpower/internal/event"
	"zecpower/internal/members"
	"zecpower/internal/power"
	"zecpower/internal/store"
)

// listed is an account whose instances are listed.
type listed struct {
	fakeAccount
	rows  []apiclient.Instance
	err   error
	hangs bool // no list comes before its context ends
}

func (a listed) ListMembers(ctx context.Context, groups []*members.Group) []members.Listing {
	if a.hangs {
		<-ctx.Done()
		a.err = context.Cause(ctx)
	}
	l, err := members.NewLister(func(_ context.Context, q apiclient.InstanceQuery) (apiclient.InstancePage, error) {
		return apiclient.InstancePage{TotalCount: len(a.rows), Instances: a.rows}, a.err
	}, 1)
	if err != nil {
		panic(err)
	}
	return l.List(context.WithoutCancel(ctx), groups)
}

// byTag defines a group as the instances with its name as the tag "role".
func byTag(group string) (Definition, error) {
	return Definition{Guard: &Guard{MaxInstances: 100}, Rules: func() (*members.Group, error) {
		return members.New(members.Rules{Selector: members.Selector{Tags: map[string][]string{"role": {group}}}})
	}}, nil
}

func roles(role string, ids ...string) (rows []apiclient.Instance) {
	for _, id := range ids {
		rows = append(rows, apiclient.Instance{InstanceID: id, State: apiclient.StateStopped, Tags: apiclient.Tags{{Key: "role", Value: role}}})
	}
	return rows
}

func TestGroupsThatTheAPIKnowsAreListed(t *testing.T) {
	down := errors.New("503")
	known := map[string]store.Membership{"web": accepted([]string{"i-1", "i-7"})}
	web := roles("web", "i-1", "i-2")
	for name, c := range map[string]struct {
		account  listed
		action   power.Action
		schedule string // of the run; empty: it is a check ahead of runs
		lists    map[string]store.Membership
		want     string
		says     string
		takes    time.Duration
	}{
		"a start":           {account: listed{rows: web}, action: power.ActionStart, schedule: "am", want: "web:i-1,i-2"},
		"a stop":            {account: listed{rows: web}, action: power.ActionStop, schedule: "pm", want: "web:i-1,i-2"},
		"no instance is in": {account: listed{rows: roles("db", "i-1")}, action: power.ActionStart, schedule: "am", want: "web: no instance of account default is a member: see zecpower groups web", lists: known},
		"a start whose list fails uses the accepted one": {
			account: listed{err: down}, action: power.ActionStart, schedule: "am", lists: known, want: "web:i-1,i-7", says: "web: 2 accepted, listing instances: page 1: 503",
		},
		"a start without any list fails": {
			account: listed{err: down}, action: power.ActionStart, schedule: "am", want: "web: listing instances: page 1: 503; nothing of it was sent",
		},
		"a stop whose list fails does": {
			account: listed{err: down}, action: power.ActionStop, schedule: "pm", lists: known, want: "web: listing instances: page 1: 503; nothing of it was sent",
		},
		"a list that hangs": {
			account: listed{hangs: true}, action: power.ActionStart, schedule: "am", lists: known, takes: 2 * time.Minute,
			want: "web:i-1,i-7", says: "web: 2 accepted, listing instances: page 1: its instances could not be listed within 2 minutes",
		},
		"a check ahead of runs uses no other list": {
			account: listed{err: down}, action: power.ActionStart, lists: known, want: "web: listing instances: page 1: 503; nothing of it was sent",
			says: "web: 0 accepted, listing instances: page 1: 503; nothing of it was sent",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent batcher.Run
				var says []string
				c.account.fakeAccount = func(r batcher.Run) power.Report { sent = r; return power.Report{} }
				m := New(Config{
					Account:  func(string) (Account, error) { return c.account, nil },
					Accepted: func(_ context.Context, group string) (store.Membership, error) { return c.lists[group], nil },
					Emit: func(e event.Event) {
						if e, ok := e.(event.MembersNotListed); ok {
							says = append(says, fmt.Sprintf("%s: %d accepted, %v", e.Group, e.Accepted, e.Err))
						}
					},
				})
				begun := time.Now()
				r := Run{Schedule: c.schedule, Action: c.action, Names: []string{"web"}, Define: byTag}
				if c.schedule != "" {
					r.ID = c.schedule + "/1"
				}
				m.Prepare(t.Context(), r).Make(t.Context())
				if got := words(sent); got != c.want || strings.Join(says, "; ") != c.says || time.Since(begun) != c.takes {
					t.Errorf("%s after %v, want %s after %v\nsaid %q, want %q", got, time.Since(begun), c.want, c.takes, says, c.says)
				}
			})
		})
	}
}

// Groups of two accounts are listed at the same time, and one that fails costs its own groups alone.
func TestAnAccountThatCannotBeListedCostsItsOwnGroups(t *testing.T) {
	var mu sync.Mutex
	var sent []string
	note := func(r batcher.Run) power.Report {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, words(r))
		return power.Report{Groups: []power.GroupReport{{Group: r.Groups[0].Name}}}
	}
	accounts := map[string]Account{
		power.DefaultAccount: listed{fakeAccount: note, rows: roles("web", "i-1")}, "hk": listed{fakeAccount: note, err: errors.New("503")},
	}
	m := New(Config{Account: func(name string) (Account, error) { return accounts[name], nil }})
	m.Prepare(t.Context(), Run{
		ID: "am/1", Action: power.ActionStart, Names: []string{"web", "far"}, Define: byTag,
		AccountOf: func(group string) string { return map[string]string{"web": power.DefaultAccount, "far": "hk"}[group] },
	}).Make(t.Context())
	slices.Sort(sent)
	if got := strings.Join(sent, " | "); got != "far: listing instances: page 1: 503; nothing of it was sent | web:i-1" {
		t.Error(got)
	}
}

// What a run that begins with others asks the API first does not hold the others up.
func TestARunThatListsHoldsUpNoOtherOfItsRound(t *testing.T) {
	round := batcher.Gather(2)
	m := New(Config{Account: func(string) (Account, error) {
		return listed{fakeAccount: func(r batcher.Run) power.Report {
			if r.Gathering != nil {
				t.Error("it waits for the others")
			}
			return power.Report{}
		}, rows: roles("web", "i-1")}, nil
	}})
	m.Prepare(t.Context(), Run{ID: "am/1", Action: power.ActionStart, Names: []string{"web"}, Define: byTag, Gathering: round}).Make(t.Context())
}

// A plan sends nothing, so it knows no members that only the API knows.
func TestAPlanListsNothing(t *testing.T) {
	p := New(Config{}).Plan(t.Context(), Run{ID: "am/1", Action: power.ActionStart, Names: []string{"web"}, Define: byTag}, 100, 10, 10)
	if len(p.Groups) != 1 || !strings.Contains(fmt.Sprint(p.Groups[0].Err), "zecpower groups") {
		t.Errorf("%+v", p)
	}
}
