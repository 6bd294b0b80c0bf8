package bolt

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"zecpower/internal/power"
	"zecpower/scheduler"
)

// BenchmarkRun measures a whole run: its claim, a record a chunk of 100, its
// end. bytes/instance is what a run adds to the records once it is over (the
// list of ids is shared with the runs before it); file-MB is the file after it.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1_000, 200_000} {
		b.Run(map[int]string{1_000: "1k", 200_000: "200k"}[n], func(b *testing.B) {
			dir := b.TempDir()
			l := open(b, dir)
			results := sample(n)
			i := 0
			for b.Loop() {
				benchRun(b, l, morning.Add(time.Duration(i)*time.Hour), results)
				i++
			}
			b.StopTimer()
			var kept int
			must(b, l.view("measure", func(tx *bbolt.Tx) error {
				_, last := tx.Bucket(bucketResults).Cursor().Last()
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
	id := d.Firing().RunID
	for at := 0; at < len(results); at += 100 {
		chunk := results[at:min(at+100, len(results))]
		must(b, l.Attempted(id, "web", idsOf(chunk)))
		must(b, l.Final(id, "web", chunk))
	}
	finish(b, l, d, power.GroupReport{Group: "web", Results: results})
}

// BenchmarkDecide10k is 10,000 schedules that fire in one round.
func BenchmarkDecide10k(b *testing.B) {
	l := open(b, b.TempDir())
	i := 0
	for b.Loop() {
		nominal := morning.Add(time.Duration(i) * time.Hour)
		round := scheduler.Round{At: nominal}
		for n := range 10_000 {
			d := runAt(nominal)
			d.Schedule = instanceID(n)
			round.Decisions = append(round.Decisions, d)
			round.Watermarks = append(round.Watermarks, scheduler.Watermark{Schedule: d.Schedule, Through: nominal, Spec: "45 7 * * *"})
		}
		_, err := l.Decide(round)
		must(b, err)
		i++
	}
}

func BenchmarkHistoryOfAnInstance(b *testing.B) {
	l := open(b, b.TempDir())
	results := sample(50_000)
	for i := range 90 {
		d := runAt(morning.Add(time.Duration(i) * 24 * time.Hour))
		decide(b, l, d)
		finish(b, l, d, power.GroupReport{Group: "web", Results: results})
	}
	b.ResetTimer()
	for b.Loop() {
		entries, err := l.History(Query{Instance: results[777].InstanceID})
		must(b, err)
		if len(entries) != 90 {
			b.Fatal(len(entries))
		}
	}
}
