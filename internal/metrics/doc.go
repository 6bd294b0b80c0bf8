// Package metrics holds the metrics that zecpower exposes to Prometheus.
//
// Contract. A [Metrics] owns its registry: two of them in one process share nothing. It listens to
// the stream of events. It is safe for concurrent use, scrapes included. Nothing here fails or blocks
// on the network. Nothing survives a restart: counters begin at 0 with the process. What must outlast
// it is set again at start-up: the two timestamps of a schedule by an event.LastRun, a group's last
// outcome by [Metrics.RestoreGroups].
//
// Series of what the configuration names ([Metrics.SetKnown]) exist from 0 on, because a counter
// that first appears at 1 shows no increase. Missed times alone have a series from the first on: of
// 10,000 schedules they would be half of a scrape, so their alert looks for new series. Series of a schedule or group that a reload removed
// are dropped when its last run has ended, at the next reload.
//
// The failed instances of a group's last run come, with the counts that belong to them, from one
// immutable snapshot a scrape: a scrape sees the whole of a run's outcome or nothing of it.
package metrics
