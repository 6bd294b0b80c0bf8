// Package bolt is the store of one bastion: one bbolt file in the state folder.
//
// Contract. What store.Store promises, and: each write returns within Config.WriteTimeout, also
// when the disk hangs. Writes of many goroutines share commits. Open does not fail where the state
// folder cannot be written or the file is damaged: the store then answers every write with an
// error, serves what it can read, and tries again with later writes. A file that is moved away is
// noticed by the next write, which fails; later writes go to the file that is then in its place, or
// to a new one. A read never holds up a write: History reads in short transactions.
//
// Losing the file costs the history, the catch-up of runs missed up to the next start, and the
// resumption of a run in progress. It costs no schedule and no instance. The file keeps records for
// Config.Retention and never shrinks by itself.
//
// Buckets:
//   - records: time, schedule and id → store.Record; in time order, for range reads
//   - ids: id of a run → time and schedule, which make the record's key
//   - unfinished: runs without an end
//   - steps: what an unfinished run has done, one value a request or chunk
//   - outcomes: results of an ended run, one value a group
//   - lists: the ids of a group, stored once for all runs that had the same
//   - calendars: the dates that a calendar's files gave when they were last read
//   - watermarks, tails, last, groups, seen, meta
package bolt
