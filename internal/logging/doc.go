// Package logging writes zecpower's log, for the journal and for people and scripts that search it.
//
// [New] builds the logger: JSON or console lines on standard error, times in RFC 3339 UTC with
// milliseconds, and journald's priority in front of each line when, and only when, standard error
// is the journal. [Events] writes the lines of the events that happen.
//
// Contract. Everything here is safe for concurrent use. Nothing returns an error after [New], and
// nothing is retried. One error is one line, where it is handled: a repeated error is logged once a
// dedup window, not once a retry. A secret is never logged: apiclient.Secret prints as "[redacted]"
// in every encoding, and no event takes one.
//
// Volume. Each batch is a line (100 lines in a run of 10,000), except one that is simply sent
// again: in an outage that would be a line a probe. A run writes at most
// [EventsConfig].InstanceLines "instance failed" lines, because journald drops what a service
// writes beyond 10,000 messages in 30 seconds, and would drop the end, "run finished", when a whole
// fleet fails. The "failed_ids" of "run finished" are always complete, and so is the store
// (`zecpower history`). A line longer than journald takes from a stream (48 KiB, some 2,000 ids)
// goes to it over its own protocol instead, in one piece.
package logging
