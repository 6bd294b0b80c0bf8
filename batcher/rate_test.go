package batcher

import (
	"testing"
	"time"
)

// rateStory drives an adaptive rate: one request after the other, as it lets them.
type rateStory struct {
	*adaptiveRate
	now    time.Time
	serial int
}

func newRateStory(ceiling float64) *rateStory {
	return &rateStory{newAdaptiveRate(ceiling), time.Date(2026, 11, 23, 7, 45, 0, 0, time.UTC), 0}
}

// passes lets time pass in which every request is served at once, and returns the rate after it.
func (s *rateStory) passes(d time.Duration) float64 {
	for end := s.now.Add(d); ; {
		at := s.opens(s.now)
		if at.Equal(s.now) { // the ceiling's bucket would not let more leave
			s.leave(s.now)
			s.answered()
			s.serial++
			at = s.now.Add(spread(1, s.ceiling))
		}
		if !at.Before(end) {
			s.now = end
			s.climb(s.now)
			return s.present
		}
		s.now = at
	}
}

// refused is a request that leaves and is throttled.
func (s *rateStory) refused() bool {
	s.serial++
	s.leave(s.now)
	return s.throttled(s.now, s.serial, s.serial, s.present)
}

func near(t *testing.T, when string, got, want, tolerance float64) {
	t.Helper()
	if diff := got - want; diff > tolerance || diff < -tolerance {
		t.Fatalf("%s it is %.3f, want %.3f", when, got, want)
	}
}

// The story of one action: under its ceiling, throttled, found, lifted.
func TestRateFollowsTheCurve(t *testing.T) {
	s := newRateStory(40)
	near(t, "undisturbed", s.passes(time.Minute), 40, 0)
	s.refused()
	near(t, "throttled though all was served so far, the plateau", s.plateau, 40, 0.5)
	near(t, "the rate", s.present, 28, 0.5)
	near(t, "after the time in which the curve levels out, cbrt(12) s,", s.passes(2300*time.Millisecond), 40, 0.6)
	near(t, "and then at the ceiling", s.passes(time.Minute), 40, 0)

	s = newRateStory(100)
	s.passes(time.Second)
	s.refused()
	s.passes(time.Second)
	s.refused() // it had climbed to no more than the plateau
	plateau := s.plateau
	level := s.passes(2800 * time.Millisecond)
	near(t, "level", level, plateau, 1)
	near(t, "two seconds later, 2³ more", s.passes(2*time.Second), plateau+8, 2.5)
	near(t, "and soon", s.passes(4*time.Second), 100, 0)
}

// What was served is believed as much as what was sent.
func TestPlateauLiesBetweenWhatWasServedAndWhatWasSent(t *testing.T) {
	s := newRateStory(40)
	s.leave(s.now)
	for range 5 { // of 20, in a second
		s.answered()
	}
	s.now = s.now.Add(time.Second)
	s.refused()
	near(t, "5 a second were served and 40 sent: the plateau", s.plateau, 22.5, 1e-9)
	near(t, "the rate", s.present, 0.7*22.5, 1e-9)
}

func TestRateIsCutOnceForWhatLeftBefore(t *testing.T) {
	s := newRateStory(40)
	s.passes(time.Second)
	if !s.throttled(s.now, s.serial, s.serial+8, 40) {
		t.Fatal("the first throttle cut nothing")
	}
	was := s.present
	for k := range 9 {
		if s.throttled(s.now, s.serial+k, s.serial+8, 40) {
			t.Fatalf("request %d of 8 in flight cut once more", k)
		}
	}
	if !s.throttled(s.now, s.serial+9, s.serial+9, s.present) || s.present >= was {
		t.Error("a request that left after the cut did not cut again")
	}
}

// Where little is allowed, time alone does not lift the rate.
func TestRateWaitsForProofBeforeItClimbs(t *testing.T) {
	s := newRateStory(40)
	s.refused()
	s.refused()
	s.now = s.now.Add(time.Hour)
	s.climb(s.now)
	if s.present > s.plateau {
		t.Errorf("it climbed to %g past its plateau %g although nothing was served", s.present, s.plateau)
	}
	if got := s.passes(time.Minute); got != 40 {
		t.Errorf("with the limit lifted it is %g, want the ceiling", got)
	}
}

// A burst against an API that has just refused one would be refused, too.
func TestNothingIsSavedUpAfterAThrottle(t *testing.T) {
	s := newRateStory(40)
	s.refused()
	s.passes(time.Minute) // at the ceiling again
	s.now = s.now.Add(5 * time.Second)
	s.leave(s.now)
	if at := s.opens(s.now); !at.After(s.now) {
		t.Error("two requests leave at once")
	}
	s.now = s.now.Add(2 * rateIdle)
	s.leave(s.now)
	if at := s.opens(s.now); at.After(s.now) {
		t.Error("the estimate outlives a long rest at the ceiling")
	}
}

func TestRateNeverLeavesItsBounds(t *testing.T) {
	for _, ceiling := range []float64{1e-6, 0.05, 0.5, 3, 10000} {
		s := newRateStory(ceiling)
		for k := range 10000 {
			s.now = s.now.Add(time.Duration(k%7) * 300 * time.Millisecond)
			if s.opens(s.now).Before(s.now) {
				t.Fatal("a request may leave in the past")
			}
			if k%3 == 0 {
				s.pause(s.now, time.Duration(k%2)*time.Second)
				s.refused()
			} else {
				s.leave(s.now)
				s.answered()
			}
			if s.present <= 0 || s.present > s.ceiling {
				t.Fatalf("after %d steps it is %g, ceiling %g", k, s.present, s.ceiling)
			}
			if k == 5000 {
				s.limit(s.now, 25)
			}
		}
	}
}

func TestCeilingOfARateMoves(t *testing.T) {
	s := newRateStory(40)
	s.limit(s.now, 50)
	near(t, "a rate at the ceiling follows it:", s.passes(time.Second), 50, 0)
	s.refused()
	s.limit(s.now, 3)
	near(t, "a lower one holds at once:", s.present, 3, 0)
}
