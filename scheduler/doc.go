// Package scheduler decides when runs are due, and makes each of them once.
//
// It has a pure half and a thin shell. The pure half lists the nominal times of a [Schedule]
// ([Schedule.Occurrences], with the packages cron and calendar below it), and decides what becomes
// of those that have come (situation.decide). The shell ([Loop]) reads the clock, calls the pure
// half, records the decisions in the store, and starts runs.
//
// # Contract
//
// The key of a run is its schedule and nominal time. Every nominal time is decided once: it runs,
// or it is recorded and reported with the reason why not.
//
// A decision is in the store before its run begins. Where the store fails, the failure is reported,
// the write is retried, and the run begins all the same; the process itself then remembers what
// ran.
//
// What survives a crash is what the store has. The next start resumes runs without an end while
// their deadline or catch-up window allows, catches up the newest missed time of each schedule
// inside its window, and records the rest.
//
// A stop of the daemon is treated like a crash, but in order: runs are cut off, joined, and left
// open for the next start.
//
// A run is never retried here. A panic of the run function ends that run alone.
//
// A [Loop] is safe for concurrent use. A caller must not change a schedule once it is passed to
// one.
//
// # Reconcile, not timers
//
// The loop does not fire timers, it reconciles: each round decides all nominal times between the
// last decided instant and the wall clock. So it does not matter what woke it, how late, or in
// which direction the clock was set.
//
// It computes its own wake-ups, from the same [Schedule.Occurrences] that decide, and keeps them in
// a heap. robfig/cron is used as a parser and for its SpecSchedule, not as a loop. Entries in its
// loop would be a second computation of nominal times, and its Next is wrong in zones with
// transitions. They would run on monotonic timers, which a clock step or a suspend leaves behind,
// and be sorted anew at each tick. All that they could do is wake a loop that has to read the clock
// every 15 seconds anyway.
package scheduler
