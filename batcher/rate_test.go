package batcher

import (
	"testing"
	"time"
)

// The story of one account: under its ceiling, throttled, lost, found, lifted.
func TestPaceTellsTheStoryOfAnAccount(t *testing.T) {
	now := time.Date(2026, 11, 23, 7, 45, 0, 0, time.UTC)
	p := newAdaptiveRate(40)
	step := func(d time.Duration) float64 { // time passes, and every request is answered
		for end := now.Add(d); now.Before(end); {
			now = now.Add(rateWindow)
			p.advance(now)
			p.left()
			p.answered(p.present)
		}
		return p.present
	}
	is := func(when string, got, want float64) {
		t.Helper()
		if diff := got - want; diff > 1e-9 || diff < -1e-9 {
			t.Fatalf("%s the rate is %g, want %g", when, got, want)
		}
	}
	is("undisturbed", step(time.Minute), 40)
	p.throttled(now, now, 40)
	is("throttled, nothing known,", p.present, 20)
	is("after one window", step(rateWindow), 20)
	is("with a first, quick step", step(rateWindow), 28)
	p.throttled(now, now, 28)
	is("throttled by the probe", p.present, 14)
	is("back at what worked", step(rateWindow), 20)
	is("staying there", step(2*rateWindow), 20)
	for p.step == 0 {
		step(rateWindow)
	}
	is("probing in small steps", p.present, 20.94)
	is("that grow", step(rateWindow), 20.94+1.9*0.94)
	p.throttled(now, now, 20.94) // the reply to the step before comes late
	is("halved from the rate that was throttled", p.present, 10.47)
	is("and back", step(rateWindow), 20)
	p.throttled(now, now, 20)
	is("what worked is doubted", step(rateWindow), 19)
	p.throttled(now, now, 19)
	is("then given up: the limit has moved", step(rateWindow), 9.5)
	if got := step(5 * time.Minute); got != 40 {
		t.Fatalf("with the limit lifted the rate is %g, want the ceiling", got)
	}
	p.limit(30)
	is("a lower ceiling holds at once", p.present, 30)
	p.limit(50)
	is("a rate at the ceiling follows it", p.present, 50)
}

func TestPaceWaitsForWordBeforeItClimbs(t *testing.T) {
	now := time.Now()
	p := newAdaptiveRate(40)
	p.throttled(now, now, 40)
	p.left()
	p.advance(now.Add(3 * rateWindow))
	if p.present != 20 {
		t.Errorf("the rate climbed to %g although no request at 20 was answered", p.present)
	}
	p.advance(now.Add(20 * rateWindow))
	if p.present == 20 {
		t.Error("the rate waits for ever for an answer that may never come")
	}
}

func TestPaceNeverLeavesItsBounds(t *testing.T) {
	now := time.Now()
	p := newAdaptiveRate(0.05)
	for k := range 10000 {
		now = now.Add(time.Duration(k%7) * rateWindow)
		p.advance(now)
		if k%3 == 0 {
			p.throttled(now, now.Add(time.Duration(k%2)*time.Second), p.present)
		}
		if p.present <= 0 || p.present > p.ceiling {
			t.Fatalf("after %d steps the rate is %g, ceiling %g", k, p.present, p.ceiling)
		}
		if k == 5000 {
			p.limit(25)
		}
	}
}
