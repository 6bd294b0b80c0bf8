// Package logging is what zecpower tells the journal and whoever reads a log.
//
// [New] builds the logger: JSON or console lines on standard error, times in
// RFC 3339 UTC with milliseconds, and journald's priority in front of each line
// when, and only when, standard error is the journal. [Events] turns what
// batcher and scheduler report into the log events that the documentation
// names, with their fixed keys.
//
// Contract. Everything here is safe for concurrent use; nothing returns an
// error after [New] and nothing is retried. One error is one line, where it is
// handled: an error that keeps coming back the same is logged once a spell, not
// once a retry. A secret is never logged: apiclient.Secret prints as
// "[redacted]" in every encoding, and no event takes one.
//
// How much is logged. A batch is a line (100 of them in a run of 10,000), but not
// one that merely goes again: in an outage that would be a line a probe. At most [EventsConfig].InstanceLines "instance failed"
// lines are written a run: journald drops whatever a service writes beyond
// 10,000 messages in 30 seconds, and when a whole fleet fails what it would drop
// is the end, "run finished". The "failed_ids" of "run finished" are always
// complete, and so is the store (`zecpower history`). A line longer than
// journald takes from a stream (48 KiB, some 2,000 ids) goes to it over its own
// protocol instead, in one piece.
package logging
