package batcher

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestDurationsAreRightToTwoPercent(t *testing.T) {
	now := time.Now()
	for _, c := range []struct{ from, to time.Duration }{
		{54 * time.Second, 66 * time.Second}, {20 * time.Second, 300 * time.Second}, {300 * time.Millisecond, time.Second}, {time.Hour, 2 * time.Hour},
	} {
		var d durations
		r := rand.New(rand.NewPCG(1, 1))
		for range 10000 {
			d.note(spreadOf(c.from, c.to)(r), now)
		}
		from, until, ok := d.expected()
		spread := float64(c.to - c.from)
		wantFrom := float64(c.from) + durationTail*spread
		wantUntil := durationSlack * (float64(c.to) - durationTail*spread)
		if !ok || math.Abs(float64(from)/wantFrom-1) > 0.03 || math.Abs(float64(until)/wantUntil-1) > 0.03 {
			t.Errorf("%s to %s: expected from %s until %s", c.from, c.to, from, until)
		}
	}
}

func TestDurationsOutsideTheBucketsCount(t *testing.T) {
	var d durations
	if _, _, ok := d.expected(); ok {
		t.Error("something is expected of nothing")
	}
	d.note(time.Nanosecond, time.Now())
	d.note(1000*time.Hour, time.Now())
	if from, until, _ := d.expected(); from != durationLeast || until < 4*time.Hour {
		t.Errorf("expected from %s until %s", from, until)
	}
}

// What boots take changes with the image: the last weeks must not outweigh today.
func TestDurationsFade(t *testing.T) {
	var d durations
	now := time.Now()
	for range 1000 {
		d.note(time.Minute, now)
	}
	for range 12 {
		now = now.Add(24 * time.Hour)
		d.note(10*time.Second, now)
	}
	if _, until, _ := d.expected(); until > 30*time.Second {
		t.Errorf("expected until %s, the last days took 10 s", until)
	}
}
