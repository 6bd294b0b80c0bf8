package batcher

import (
	"math"
	"time"
)

const (
	// durationLeast is the end of the first bucket, and durationStep the ratio of two ends: a quantile
	// is right to 2 %. The last bucket of durationBuckets ends after four hours.
	durationLeast   = 100 * time.Millisecond
	durationStep    = 1.02
	durationBuckets = 600
	// durationFades is after how long what was counted before counts half.
	durationFades = time.Hour
	// durationTail is the share at each end that is left out: an instance that something else delayed
	// says little about the others.
	durationTail = 0.01
	// durationSlack is how many times the longest of the rest an instance may take and still be
	// expected.
	durationSlack = 1.5
)

// durations are how long the boots, or the stops, of an account took: counts in buckets of equal
// ratio, from which quantiles are read (C. Masson and others, "DDSketch", VLDB 2019). They take 2.4
// KB, however many they count.
type durations struct {
	counts [durationBuckets]uint32
	total  uint32
	halved time.Time
}

// note counts one.
func (d *durations) note(took time.Duration, now time.Time) {
	if now.Sub(d.halved) >= durationFades {
		d.halve(now)
	}
	bucket := math.Ceil(math.Log(float64(took)/float64(durationLeast)) / math.Log(durationStep))
	d.counts[int(min(max(bucket, 0), durationBuckets-1))]++
	d.total++
}

func (d *durations) halve(now time.Time) {
	d.halved, d.total = now, 0
	for k := range d.counts {
		d.counts[k] /= 2
		d.total += d.counts[k]
	}
}

// expected is how long an instance is expected to take, at least and at most; ok is false while
// nothing was counted.
func (d *durations) expected() (from, until time.Duration, ok bool) {
	if d.total == 0 {
		return 0, 0, false
	}
	longest := endOf(d.bucket(1 - durationTail))
	return endOf(d.bucket(durationTail)), time.Duration(durationSlack * float64(longest)), true
}

// bucket is the one in which a share of the counts is reached.
func (d *durations) bucket(share float64) int {
	left := share * float64(d.total)
	for k, n := range d.counts {
		if left -= float64(n); left < 0 {
			return k
		}
	}
	return durationBuckets - 1
}

// endOf is the end of a bucket.
func endOf(bucket int) time.Duration {
	return time.Duration(float64(durationLeast) * math.Pow(durationStep, float64(bucket)))
}
