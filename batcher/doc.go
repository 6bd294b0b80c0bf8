// Package batcher powers the instances of one account: it brings those of each run to the wanted
// state, or says of each one why it is not there.
//
// # Contract
//
// An [Account] owns every instance in work, the requests that wait and the budget. Runs submit
// instances with [Account.Submit] and receive outcomes; nothing else is shared. A run ends with exactly
// one outcome for every id that it was given, whatever the API does, at the latest one request after
// its deadline or its context's end. Nothing is reported as started or stopped that was not seen
// RUNNING or STOPPED. One bad id never keeps the others of its chunk off.
//
// Requests are formed from everything that waits, whichever run or group it belongs to: see fair.
// Starts and stops go before describes that decide what to send, and those before describes that
// verify.
//
// # Budget
//
// One token bucket is the ceiling of all requests together. Under it the rate that the API allows is
// estimated for each action, from its first throttle on: see adaptiveRate. A throttle and its
// Retry-After slow that action alone. Starts and stops go before describes; where they wait all the
// time, one request in 25 is a describe.
//
// # Who owns an instance
//
// Runs are ranked by their planned time: see rank. Where two runs want opposite things of one
// instance, the higher ranked one has it. The other's instance ends skipped, as superseded: without a
// request where it comes later, at once where it had the instance. What the older one sent is waited
// for: until it must show, no state is final for the new owner. Runs of the same action share one
// piece of work; attempts, backoff and timeout belong to that.
//
// # Verifying
//
// An accepted instance is described until it is where it shall be, its timeout or the deadline. How
// long boots take, and stops, is learned of the account: see durations. Until the first of those that
// are on their way is expected, or was seen, to be there, one request a poll interval describes those
// that were left alone longest: see watch. From then on none is left alone for longer than a poll
// interval, or than half of the time that the budget needs for all; where boots have just begun, or
// few instances are left, for a fifth of it, but never less than 200 ms. What takes far longer than
// the others, or waits for another state, is described once a poll interval.
//
// Where pages of the account take fewer requests than ids, they are asked for: see pages. A page proves
// only what it lists. What a sweep of them leaves out is described by id.
//
// # What a failed request means
//
//   - throttled, transient, blocked: it goes again, until the deadline. The action slows down, or the
//     account sends one probe at a time.
//   - ambiguous: it may have been applied, so its ids are described before anything is sent again.
//   - instance: its ids are described; what their states explain is taken out, the rest is sent
//     again, and halved where it is refused again.
//   - unknown: it may concern one id or the whole account. Three ids alone find out (see
//     unknownRefusals); then it is isolated in the same way, or probed until the account is served
//     again.
//   - credentials: the account pauses and probes; final after three refusals in a row over at least
//     30 s. Instances that were accepted are described on.
//   - request: it was not sent; its runs end.
//
// An accepted instance is made final by its state, its timeout or the deadline alone. Its timeout is
// judged only by a describe that left after it was over. One that another actor switches the other
// way fails as reversed, and nothing more is sent for it: two actors must not fight.
//
// An instance that falls back is started again until Settings.Attempts starts of it have failed:
// accepted and fallen back, or refused to it alone. A start is known to have been accepted by its
// reply or by a describe that finds the instance on its way. One of which there is neither, its reply
// lost and the instance STOPPED at the next describe, counts only against an instance that did fall
// back once: for any other it most likely never arrived, and an outage of StartInstances would use
// the attempts of a whole fleet up. So the API may accept more than Settings.Attempts starts of an
// instance that boots and falls back unseen: after a lost reply, or while no process runs. A boot
// that another actor began counts only where a start of ours may have been applied too.
//
// # Isolation
//
// Events of a run are emitted from the goroutine that waits for it: a slow listener holds up no
// request and no other run. A panic of one ends that run alone, with internal_error for its open
// instances; one in a request makes that request ambiguous; one in a step of the account ends the
// instances concerned.
//
// An account keeps nothing on disk. What its events say was accepted and is final lets a later process
// go on where it stopped (see [Group]).
package batcher
