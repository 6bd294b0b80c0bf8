// Package metrics is what zecpower tells Prometheus.
//
// Contract. A [Metrics] owns its registry: two of them in one process share
// nothing. It satisfies the observer interfaces of batcher, scheduler and
// apiclient and is safe for concurrent use, scrapes included. Nothing here
// fails, blocks on the network or survives a restart: counters begin at 0 with
// the process, and what must outlast it is handed back in: the two timestamps of
// a schedule by its scheduler's LastRun, a group's last outcome by
// [Metrics.RestoreGroups].
//
// Series of what the configuration names ([Metrics.SetKnown]) exist from 0 on,
// because a counter that first appears at 1 shows no increase. Series of a
// schedule or group that a reload removed are dropped, at the earliest when
// its last run is over and at the next reload after that.
//
// The failed instances of a group's last run come, with the counts that go with
// them, from one immutable snapshot a scrape: a scrape sees the whole of a run's
// outcome or nothing of it.
package metrics
