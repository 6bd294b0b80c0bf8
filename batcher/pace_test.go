package batcher

import (
	"testing"
	"time"
)

// The story of one account: under its ceiling, throttled, lost, found, lifted.
func TestPaceTellsTheStoryOfAnAccount(t *testing.T) {
	now := time.Date(2026, 11, 23, 7, 45, 0, 0, time.UTC)
	p := newPace(40)
	step := func(d time.Duration) float64 { // time passes, and every request is answered
		for end := now.Add(d); now.Before(end); {
			now = now.Add(paceWindow)
			p.advance(now)
			p.left()
			p.answered(p.rate)
		}
		return p.rate
	}
	is := func(when string, got, want float64) {
		t.Helper()
		if diff := got - want; diff > 1e-9 || diff < -1e-9 {
			t.Fatalf("%s the rate is %g, want %g", when, got, want)
		}
	}
	is("undisturbed", step(time.Minute), 40)
	p.throttled(now, now, 40)
	is("throttled, nothing known,", p.rate, 20)
	is("after one window", step(paceWindow), 20)
	is("with a first, quick step", step(paceWindow), 28)
	p.throttled(now, now, 28)
	is("throttled by the probe", p.rate, 14)
	is("back at what worked", step(paceWindow), 20)
	is("staying there", step(2*paceWindow), 20)
	for p.step == 0 {
		step(paceWindow)
	}
	is("probing in small steps", p.rate, 20.94)
	is("that grow", step(paceWindow), 20.94+1.9*0.94)
	p.throttled(now, now, 20.94) // the reply to the step before comes late
	is("halved from the rate that was throttled", p.rate, 10.47)
	is("and back", step(paceWindow), 20)
	p.throttled(now, now, 20)
	is("what worked is doubted", step(paceWindow), 19)
	p.throttled(now, now, 19)
	is("then given up: the limit has moved", step(paceWindow), 9.5)
	if got := step(5 * time.Minute); got != 40 {
		t.Fatalf("with the limit lifted the rate is %g, want the ceiling", got)
	}
	p.limit(30)
	is("a lower ceiling holds at once", p.rate, 30)
	p.limit(50)
	is("a rate at the ceiling follows it", p.rate, 50)
}

func TestPaceWaitsForWordBeforeItClimbs(t *testing.T) {
	now := time.Now()
	p := newPace(40)
	p.throttled(now, now, 40)
	p.left()
	p.advance(now.Add(3 * paceWindow))
	if p.rate != 20 {
		t.Errorf("the rate climbed to %g although no request at 20 was answered", p.rate)
	}
	p.advance(now.Add(20 * paceWindow))
	if p.rate == 20 {
		t.Error("the rate waits for ever for an answer that may never come")
	}
}

func TestPaceNeverLeavesItsBounds(t *testing.T) {
	now := time.Now()
	p := newPace(0.05)
	for k := range 10000 {
		now = now.Add(time.Duration(k%7) * paceWindow)
		p.advance(now)
		if k%3 == 0 {
			p.throttled(now, now.Add(time.Duration(k%2)*time.Second), p.rate)
		}
		if p.rate <= 0 || p.rate > p.ceiling {
			t.Fatalf("after %d steps the rate is %g, ceiling %g", k, p.rate, p.ceiling)
		}
		if k == 5000 {
			p.limit(25)
		}
	}
}
