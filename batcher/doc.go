// Package batcher brings the instances of a run to the wanted power state, or
// says of each one why it is not there.
//
// Contract. [Batcher.Run] ends with exactly one outcome for every id that it was
// given, whatever the API does, at the latest one request after its deadline or
// its context's end. Nothing is reported as started or stopped that was not seen
// RUNNING or STOPPED. One bad id never keeps the others of its chunk off.
//
// What a failed request means follows from its class:
//
//   - throttled, transient, blocked: it goes again, until the deadline. The account's
//     [Budget] slows down, or sends one probe at a time.
//   - ambiguous: it may have been applied, so its ids are described before anything
//     is sent again.
//   - instance: its ids are described; what their states explain is taken out, the
//     rest is sent again, and halved where it is refused again.
//   - unknown: it may concern one id or the whole account. Three ids alone find out
//     (see unknownRefusals); then it is isolated in the same way, or probed until
//     the account is served again.
//   - credentials: the account pauses and probes; final after three refusals in a
//     row over at least 30 s. Instances that were accepted are described on.
//   - request: it was not sent; the run ends.
//
// An accepted instance is made final by its state, its timeout or the deadline
// alone. Its timeout is judged only by a describe that left after it was over.
// One that another actor switches the other way fails as reversed, and nothing
// more is sent for it: two actors must not fight.
//
// An instance that falls back is started again until Config.Attempts starts of it
// have failed: accepted and fallen back, or refused to it alone. A start is known
// to have been accepted by its reply or by a describe that finds the instance on
// its way. One of which there is neither, its reply lost and the instance STOPPED
// at the next describe, counts only against an instance that did fall back once:
// for any other it most likely never arrived, and an outage of StartInstances
// would use the attempts of a whole fleet up. So the API may accept more than
// Config.Attempts starts of an instance that boots and falls back unseen: after a
// lost reply, or while no process runs. A boot that another actor began counts
// only where a start of this run may have been applied too.
//
// A panic in a run, in an observer or in the journal ends that run alone, with
// internal_error for its open instances; one in a request makes that request
// ambiguous. What they held of the budget goes back.
//
// A run keeps nothing on disk. What it passes to its [Journal] lets a later
// process go on where it stopped (see [Group]).
//
// A [Batcher] is safe for concurrent runs. All runs of an account share one
// [Budget], which decides when a request may leave.
package batcher
