// Package batcher brings the instances of a run to the wanted power state, or
// says of each one why it is not there.
//
// Contract. [Batcher.Run] ends with exactly one outcome for every id that it
// was given, whatever the API does, at the latest one request after its
// deadline or its context's end. Nothing is reported as started or stopped that
// was not seen RUNNING or STOPPED. One bad id never keeps the others of its
// chunk off.
//
// What is retried: throttled and transient failures, until the deadline; a
// request whose fate is unknown only after a look at the states of its ids. What
// is not: refused credentials end the run; a request that is refused for itself
// is split once.
//
// An instance that falls back is started again until Config.Attempts starts of
// it have failed: accepted and fallen back, or refused to it alone. A start is
// known to have been accepted by its reply or by a look that finds the instance
// on its way. One of which there is neither, its reply lost and the instance
// STOPPED at the next look, counts only against an instance that did fall back
// once: for any other it most likely never arrived, and an outage of
// StartInstances would use the attempts of a whole fleet up. So the API may
// accept more than Config.Attempts starts of an instance that boots and falls
// back unseen: after a lost reply, or while no process runs. A boot that somebody
// else began counts only where a start of this run may have been applied too.
//
// A run keeps nothing on disk. What it tells its [Journal] lets a later process
// go on where it stopped (see [Group]).
//
// A [Batcher] is safe for concurrent runs. All runs of an account share one
// [Budget], which decides when a request may leave.
package batcher
