// Package bolt is the store of one bastion: the durable record of decisions and runs, in one bbolt
// file in the state folder.
//
// Contract. A write that returned nil survives a crash and a power loss. Every write but Attempted
// may be repeated without harm. An error means "not written, or not known to be". Writes of many
// goroutines share commits; each returns within Config.WriteTimeout, also when the disk hangs. Open
// does not fail where the state folder cannot be written or the file is damaged: the store then
// answers every write with an error, serves what it can read, and tries again with later writes.
// Everything is safe for concurrent use; Close may be called twice.
//
// Losing the file costs the history, the catch-up of runs missed up to the next start, and the
// resumption of a run in progress. It costs no schedule and no instance. The file keeps entries for
// Config.Retention and never shrinks by itself.
//
// Buckets:
//   - entries: time and schedule → what became of that time; in time order, for range reads
//   - open: runs without an end
//   - progress: what an open run has done, one value a chunk
//   - results: outcomes of an ended run, one value a group
//   - lists: the ids of a group, stored once for all runs that had the same
//   - marks: the watermarks of schedules
//   - last, groups, seen, meta
package bolt
