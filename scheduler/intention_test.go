package scheduler

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/store"
)

func stops(s *Schedule) { s.Action = power.ActionStop }

func over(groups ...string) func(*Schedule) { return func(s *Schedule) { s.Groups = groups } }

func TestIntentionsAreRanked(t *testing.T) {
	at := func(second int) time.Time { return at("05 08:00").Add(time.Duration(second) * time.Second) }
	// From the highest to the lowest.
	ranked := []intention{
		{planned: at(2), action: power.ActionStop, schedule: "a", runID: "a/2"},
		{planned: at(1), action: power.ActionStop, schedule: store.ManualSchedule, runID: "manual/1"},
		{planned: at(1), action: power.ActionStart, schedule: "a", runID: "z/1"},
		{planned: at(1), action: power.ActionStart, schedule: "a", runID: "a/1"},
		{planned: at(1), action: power.ActionStop, schedule: "z", runID: "zz/1"},
	}
	for i, a := range ranked {
		for j, b := range ranked {
			if got := a.outranks(b); got != (i < j) {
				t.Errorf("%s %s outranks %s %s: %v", a.action, a.runID, b.action, b.runID, got)
			}
		}
	}
}

// The rows of two schedules over one group, with the bastion down over both, and their neighbours.
func TestTheNewestIntentionWins(t *testing.T) {
	morning, night := "0 8 * * *", "59 7 * * *"
	for name, tc := range map[string]struct {
		schedules func(t *testing.T) []Schedule
		down      string // until when there is no daemon, from 07:30 on; empty: it is up
		until     string
		want      []string
	}{
		"a stop, then a start, both missed": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "night", night, stops), mustSchedule(t, "morning", morning)}
			},
			"05 08:10", "05 08:20",
			[]string{"missed night superseded", "run morning"},
		},
		"a start, then a stop, both missed": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "night", "5 8 * * *", stops), mustSchedule(t, "morning", morning)}
			},
			"05 08:10", "05 08:20",
			[]string{"missed morning superseded", "run night"},
		},
		"the newer one is outside its window": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "night", night, stops), mustSchedule(t, "morning", morning, catchUp(0))}
			},
			"05 08:10", "05 08:20",
			[]string{"missed morning catch_up_off", "missed night superseded"},
		},
		"the same action: the newer one is made": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "first", night), mustSchedule(t, "second", morning)}
			},
			"05 08:10", "05 08:20",
			[]string{"missed first superseded", "run second"},
		},
		"the same action: the newer one is outside its window": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "first", night), mustSchedule(t, "second", morning, catchUp(0))}
			},
			"05 08:10", "05 08:20",
			[]string{"missed second catch_up_off", "run first"},
		},
		"at one time a start wins": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "night", morning, stops), mustSchedule(t, "morning", morning)}
			},
			"", "05 08:10",
			[]string{"missed night superseded", "run morning"},
		},
		"at one time two of the same action run": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "first", morning), mustSchedule(t, "second", morning)}
			},
			"", "05 08:10",
			[]string{"run first", "run second"},
		},
		"an excluded time is no intention": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "night", night, stops), mustSchedule(t, "morning", morning, excluding(t, "day-off", "2026-01-05"))}
			},
			"05 08:10", "05 08:20",
			[]string{"run night", "skipped morning excludedday-off"},
		},
		"a paused time is no intention": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "night", night, stops), mustSchedule(t, "morning", morning, paused)}
			},
			"05 08:10", "05 08:20",
			[]string{"run night", "skipped morning paused"},
		},
		"jitter counts": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "night", "5 8 * * *", stops), mustSchedule(t, "shifted", morning, jitter(40*time.Minute))}
			},
			"05 08:50", "05 08:52",
			[]string{"missed night superseded", "run shifted"},
		},
		"other groups have nothing to do with it": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "night", night, stops, over("db")), mustSchedule(t, "morning", morning)}
			},
			"05 08:10", "05 08:20",
			[]string{"run morning", "run night"},
		},
		"some groups are wanted": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "night", night, stops, over("db", "web")), mustSchedule(t, "morning", morning)}
			},
			"05 08:10", "05 08:20",
			[]string{"run morning", "run night without web"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, "05 07:00", func(t *testing.T, w *world) {
				schedules := tc.schedules(t)
				w.start(schedules...)
				w.until("05 07:30")
				if tc.down != "" {
					w.kill()
					w.until(tc.down)
					w.start(schedules...)
				}
				w.until(tc.until)
				if got := w.summary(); !slices.Equal(got, tc.want) {
					t.Errorf("got  %q\nwant %q", got, tc.want)
				}
			})
		})
	}
}

// A run that was claimed, and then missed, keeps no older one of the same action from being made up
// for.
func TestAClaimThatWasMissedDoesNotStand(t *testing.T) {
	story(t, "05 07:00", func(t *testing.T, w *world) {
		schedules := []Schedule{
			mustSchedule(t, "first", "1 8 * * *", catchUp(2*time.Hour)),
			mustSchedule(t, "shifted", "0 8 * * *", jitter(40*time.Minute), catchUp(0)),
		}
		w.start(schedules...)
		w.until("05 08:00:30") // the claim waits for its time
		w.kill()
		w.until("05 08:50")
		w.start(schedules...)
		w.until("05 08:55")
		if got, want := w.summary(), []string{"missed shifted catch_up_off", "run first"}; !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// A run that lost a group to a newer intention keeps the next time of its schedule from nothing.
func TestARunThatLostAGroupDoesNotCountAsGoing(t *testing.T) {
	for name, tc := range map[string]struct {
		groups []string // of the other schedule
		want   []string
	}{
		"it lost one":  {[]string{"web"}, []string{"run morning", "run night", "run night"}},
		"it lost none": {[]string{"other"}, []string{"run morning", "run night", "skipped night overlap"}},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, "05 07:30", func(t *testing.T, w *world) {
				w.runFor = func(Firing) time.Duration { return 20 * time.Minute }
				w.start(mustSchedule(t, "night", "0,10 8 * * *", stops, over("db", "web")), mustSchedule(t, "morning", "5 8 * * *", over(tc.groups...)))
				w.until("05 08:12")
				if got := w.summary(); !slices.Equal(got, tc.want) {
					t.Errorf("got  %q\nwant %q", got, tc.want)
				}
			})
		})
	}
}

// summary lists, in order, what ran, without which groups, and what did not and why.
func (w *world) summary() (lines []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		line := "run " + c.Schedule
		if c.Resumed {
			line += " resumed"
		}
		if len(c.Superseded) > 0 {
			line += " without " + strings.Join(slices.Sorted(maps.Keys(c.Superseded)), " ")
		}
		lines = append(lines, line)
	}
	for _, line := range w.log {
		if f := strings.Fields(line); f[2] == "missed" || f[2] == "skipped" {
			lines = append(lines, f[2]+" "+f[3]+" "+f[6])
		}
	}
	slices.Sort(lines)
	return lines
}

// What was claimed before a newer intention does not begin after it, and does not go on.
func TestAClaimHeedsANewerIntention(t *testing.T) {
	for name, tc := range map[string]struct {
		schedules func(t *testing.T) []Schedule
		killed    bool // from 07:45 to 08:10
		want      []string
	}{
		"a queued stop": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "night", "35,40 7 * * *", stops, overlap(OverlapQueue)), mustSchedule(t, "morning", "50 7 * * *")}
			},
			false,
			[]string{"missed night superseded", "run morning", "run night"},
		},
		"a stop that waits for its jitter, over a start that comes later": {
			func(t *testing.T) []Schedule {
				night := mustSchedule(t, "night", "35 7 * * *", stops, jitter(time.Hour))                  // at 08:01
				return []Schedule{night, mustSchedule(t, "morning", "50 7 * * *", jitter(20*time.Minute))} // at 08:06
			},
			true,
			[]string{"missed night superseded", "run morning"},
		},
		"a stop that a crash cut off": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "night", "35 7 * * *", stops), mustSchedule(t, "morning", "50 7 * * *")}
			},
			true,
			[]string{"missed night superseded", "run morning", "run night"},
		},
		"a stop that a crash cut off, of two groups": {
			func(t *testing.T) []Schedule {
				return []Schedule{mustSchedule(t, "night", "35 7 * * *", stops, over("db", "web")), mustSchedule(t, "morning", "50 7 * * *")}
			},
			true,
			[]string{"run morning", "run night", "run night resumed without web"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, "05 07:00", func(t *testing.T, w *world) {
				w.runFor = func(f Firing) time.Duration {
					if f.Schedule == "night" {
						return 25 * time.Minute
					}
					return time.Minute
				}
				schedules := tc.schedules(t)
				w.start(schedules...)
				w.until("05 07:45")
				if tc.killed {
					w.kill()
					w.until("05 08:10")
					w.start(schedules...)
				}
				w.until("05 09:00")
				if got := w.summary(); !slices.Equal(got, tc.want) {
					t.Errorf("got  %q\nwant %q", got, tc.want)
				}
			})
		})
	}
}

// A schedule that was added after a time did not want anything at that time, also not for the next
// process.
func TestAScheduleHasNoIntentionsFromBeforeItWasAdded(t *testing.T) {
	for _, restart := range []bool{false, true} {
		story(t, "05 07:00", func(t *testing.T, w *world) {
			start := mustSchedule(t, "morning", "0 8 * * *", jitter(40*time.Minute), catchUp(2*time.Hour))
			stop := mustSchedule(t, "night", "50 7 * * *", stops)
			late := mustSchedule(t, "late", "1 8 * * *", stops)
			w.start(start)
			w.until("05 08:00:30")
			w.clock.step(time.Minute)
			if err := w.loop.Reload([]Schedule{start, stop, late}); err != nil {
				t.Fatal(err)
			}
			if restart {
				w.kill()
				w.start(start, stop, late)
			}
			w.until("05 09:00")
			want := []string{"run morning"}
			if restart {
				want[0] += " resumed"
			}
			if got := w.summary(); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// What a person did by hand counts as a schedule's time does.
func TestARunByHandIsAnIntention(t *testing.T) {
	for at, want := range map[string][]string{
		"05 07:50": {"run night"},
		"05 08:00": {"missed night superseded"},
	} {
		story(t, "05 07:00", func(t *testing.T, w *world) {
			night := mustSchedule(t, "night", "55 7 * * *", stops)
			w.start(night)
			w.until("05 07:30")
			w.kill()
			asked := parseAt(at)
			w.store.runs["manual/1"] = &memoryRun{
				run: store.Run{
					ID: "manual/1", Schedule: store.ManualSchedule, Action: power.ActionStart, Groups: []string{"web"}, Nominal: asked, Planned: asked,
				},
				result: power.ResultOK,
			}
			w.until("05 08:10")
			w.start(night)
			w.until("05 08:20")
			if got := w.summary(); !slices.Equal(got, want) {
				t.Errorf("by hand at %s: got %q, want %q", at, got, want)
			}
		})
	}
}

// parseAt is at, under a name that a loop variable does not hide.
func parseAt(text string) time.Time { return at(text) }

// newestDue is held against a walk through all times.
func TestNewestDueIsTheLastOfAWalk(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 5))
	specs := []string{"* * * * *", "*/7 * * * *", "0 8 * * MON", "@every 90s", "30 3 1 * *", "0 0 1 1 *"}
	for range 400 {
		s := mustSchedule(t, "s", specs[rng.IntN(len(specs))], excluding(t, "off", "2026-01-06..2026-01-09"))
		after := at("05 00:00").Add(time.Duration(rng.Int64N(int64(20 * 24 * time.Hour))))
		until := after.Add(time.Duration(rng.Int64N(int64(9 * 24 * time.Hour))))
		var want Occurrence
		for o := range s.Occurrences(after, until) {
			if o.Status == StatusDue {
				want = o
			}
		}
		got, ok := s.newestDue(after, until)
		if got != want || ok != !want.Nominal.IsZero() {
			t.Fatalf("seed %d: %s in (%s, %s]: got %v %v, want %v", seed, fmt.Sprint(s.Timetable), after, until, got, ok, want)
		}
	}
}

// A run by hand that begins beside the loop counts at once: a stop that waits in the queue is not made
// after a newer start by hand, and one that lost a group to it does not count as going.
func TestARunByHandCountsWhileTheLoopRuns(t *testing.T) {
	for name, tc := range map[string]struct {
		minutes string
		overlap Overlap
		group   string // that the person started
		want    []string
	}{
		"the queued stop of its group": {"35,40", OverlapQueue, "web", []string{"missed night superseded", "run night"}},
		"the queued stop of another":   {"35,40", OverlapQueue, "db", []string{"run night", "run night"}},
		"a stop that lost its group":   {"35,58", OverlapSkip, "web", []string{"run night", "run night"}},
		"a stop that lost none":        {"35,58", OverlapSkip, "db", []string{"run night", "skipped night overlap"}},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, "05 07:00", func(t *testing.T, w *world) {
				w.runFor = func(Firing) time.Duration { return 25 * time.Minute }
				w.start(mustSchedule(t, "night", tc.minutes+" 7 * * *", stops, over("web"), overlap(tc.overlap)))
				w.until("05 07:50")
				asked := parseAt("05 07:50")
				w.loop.NoteByHand(store.Run{
					ID: "manual/1", Schedule: store.ManualSchedule, Action: power.ActionStart, Groups: []string{tc.group}, Nominal: asked, Planned: asked,
				})
				w.until("05 08:20")
				if got := w.summary(); !slices.Equal(got, tc.want) {
					t.Errorf("got  %q\nwant %q", got, tc.want)
				}
			})
		})
	}
}
