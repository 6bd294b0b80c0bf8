package bolt

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
	"zecpower/internal/store"
)

// BenchmarkRun measures a whole run: its claim, a record a chunk of 100, its
// end. bytes/instance is what a run adds to the records once it is over (the
// list of ids is shared with the runs before it); file-MB is the file after it.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1_000, 200_000} {
		b.Run(map[int]string{1_000: "1k", 200_000: "200k"}[n], func(b *testing.B) {
			dir := b.TempDir()
			l := open(b, dir)
			results := powertest.Fleet(n)
			i := 0
			for b.Loop() {
				benchRun(b, l, morning.Add(time.Duration(i)*time.Hour), results)
				i++
			}
			b.StopTimer()
			var kept int
			must(b, l.view(bg, "measure", func(tx *bbolt.Tx) error {
				_, last := tx.Bucket(bucketOutcomes).Cursor().Last()
				kept = len(last)
				return nil
			}))
			info, err := os.Stat(filepath.Join(dir, FileName))
			must(b, err)
			b.ReportMetric(float64(kept)/float64(n), "bytes/instance")
			b.ReportMetric(float64(info.Size())/1e6, "file-MB")
		})
	}
}

func benchRun(b *testing.B, l *Store, nominal time.Time, results []power.InstanceResult) {
	d := runAt(nominal)
	decide(b, l, d)
	id := d.ID
	for at := 0; at < len(results); at += 100 {
		chunk := results[at:min(at+100, len(results))]
		must(b, accept(l, id, "web", fmt.Sprint(at), powertest.IDs(chunk)...))
		must(b, end(l, id, "web", chunk...))
	}
	finish(b, l, d, power.GroupReport{Group: "web", Results: results})
}

// due is a round in which n schedules fire.
func due(n int, nominal time.Time) store.Round {
	round := store.Round{At: nominal}
	for i := range n {
		r := runOf(powertest.InstanceID(i), nominal)
		round.Claims = append(round.Claims, r)
		round.Watermarks = append(round.Watermarks, store.Watermark{Schedule: r.Schedule, Through: nominal, Spec: "45 7 * * *"})
	}
	return round
}

// BenchmarkClaimAndBegin is what runs wait for: the claims of a round, then the beginning of each
// run over 100 instances, written at the same time.
func BenchmarkClaimAndBegin(b *testing.B) {
	targets := []store.Targets{{Group: "web", IDs: powertest.IDs(powertest.Fleet(100))}}
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := open(b, b.TempDir())
			i := 0
			for b.Loop() {
				round := due(n, morning.Add(time.Duration(i)*time.Hour))
				for _, r := range round.Claims {
					round.Begins = append(round.Begins, store.Beginning{Run: r, At: r.Planned, Groups: targets})
				}
				_, err := l.Claim(bg, round)
				must(b, err)
				i++
			}
		})
	}
}

// BenchmarkClaim10k is 10,000 schedules that fire in one round.
func BenchmarkClaim10k(b *testing.B) {
	l := open(b, b.TempDir())
	i := 0
	for b.Loop() {
		_, err := l.Claim(bg, due(10_000, morning.Add(time.Duration(i)*time.Hour)))
		must(b, err)
		i++
	}
}

// BenchmarkNotes300k is the round of 10,000 schedules after a month without a daemon. longest-ms is
// how long another write waited meanwhile.
func BenchmarkNotes300k(b *testing.B) {
	var longest time.Duration
	for b.Loop() {
		l := open(b, b.TempDir())
		round := store.Round{At: morning}
		for i := range 300_000 {
			n := notRun(store.KindMissed, morning.Add(time.Duration(i/10_000)*24*time.Hour))
			n.Schedule = fmt.Sprint("s-", i%10_000)
			n.ID = fmt.Sprint(n.Schedule, "/", i)
			round.Notes = append(round.Notes, n)
		}
		done := make(chan error)
		go func() {
			_, err := l.Claim(bg, round)
			done <- err
		}()
		for going := true; going; {
			select {
			case err := <-done:
				must(b, err)
				going = false
			default:
				begin := time.Now()
				must(b, l.AcceptKey(bg, "key", begin))
				longest = max(longest, time.Since(begin))
			}
		}
		must(b, l.Close())
	}
	b.ReportMetric(float64(longest.Milliseconds()), "longest-ms")
}

func BenchmarkHistoryOfAnInstance(b *testing.B) {
	l := open(b, b.TempDir())
	results := powertest.Fleet(50_000)
	for i := range 90 {
		d := runAt(morning.Add(time.Duration(i) * 24 * time.Hour))
		decide(b, l, d)
		finish(b, l, d, power.GroupReport{Group: "web", Results: results})
	}
	b.ResetTimer()
	for b.Loop() {
		entries, err := l.History(bg, store.Query{Instance: results[777].InstanceID})
		must(b, err)
		if len(entries) != 90 {
			b.Fatal(len(entries))
		}
	}
}

// BenchmarkClaimAndBeginMillion is one schedule over 1,000,000 instances whose list the store knows,
// or does not.
func BenchmarkClaimAndBeginMillion(b *testing.B) {
	ids := powertest.IDs(powertest.Fleet(1_000_000))
	for _, known := range []bool{true, false} {
		b.Run(map[bool]string{true: "known", false: "new"}[known], func(b *testing.B) {
			l := open(b, b.TempDir())
			for i := 0; b.Loop(); i++ {
				round := due(1, morning.Add(time.Duration(i)*time.Hour))
				if !known {
					ids[0] = fmt.Sprint("i-", i)
				}
				round.Begins = []store.Beginning{{Run: round.Claims[0], At: morning, Groups: []store.Targets{{Group: "web", IDs: ids}}}}
				_, err := l.Claim(bg, round)
				must(b, err)
			}
		})
	}
}
