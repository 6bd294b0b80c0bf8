// Package scheduler decides when runs are due, and makes each of them once.
//
// It has a pure half and a thin shell. The pure half says which nominal times a
// [Schedule] has ([Timetable], [Calendar], [Schedule.Occurrences]) and what
// becomes of those that have come (decide.go). The shell ([Loop]) looks at the
// clock, asks the pure half, records the answer and starts runs.
//
// Contract. The key of a run is its schedule and nominal time. Every nominal
// time is decided once: it runs, or it is recorded and told why not. A decision
// is handed to the [Ledger] before its run begins; where the ledger fails, that
// is told and retried, the runs begin all the same, and the process itself
// remembers what ran. What survives a crash is what the ledger holds: the next
// start resumes runs without an end while their deadline or catch-up window
// allows, catches up the newest missed time of each schedule inside its window,
// and records the rest. A stop of the daemon is treated like a crash, only in
// order: runs are cut off, joined, and left open for the next start. A run is
// never retried here, and a panic of the run function ends that run alone.
//
// The loop reconciles instead of firing timers: at each round it decides all
// nominal times between what is decided and the wall clock. So it does not
// matter what woke it, how late, or which way the clock was set. It computes its
// own wake-ups, from the same [Schedule.Occurrences] that decide, and keeps them
// in a heap; robfig/cron is used as a parser and for its SpecSchedule, not as a
// loop. Entries in its loop would be a second opinion about nominal times (its
// Next is wrong in zones with transitions), on monotonic timers that a clock
// step or a suspend leaves behind, sorted anew at each tick, and nothing would
// be left for them to do but to wake a loop that has to look at the clock every
// 15 seconds anyway.
//
// A [Loop] is safe for concurrent use; schedules handed to it must not change.
package scheduler
