package batcher

import (
	"errors"
	"time"

	"zecpower/apiclient"
)

// asError gives every failure the shape that the rules read. An error of
// another type is a fault of the API's implementation: fate unknown.
func asError(err error) *apiclient.Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*apiclient.Error](err); ok {
		return e
	}
	return &apiclient.Error{Class: apiclient.ClassAmbiguous, MaybeApplied: true, Err: err}
}

// note keeps what a failed request says about its instances.
func (x *run) note(j *job, e *apiclient.Error) {
	x.failing = e.Class == apiclient.ClassTransient || e.Class == apiclient.ClassAmbiguous
	switch e.Class {
	case apiclient.ClassThrottled, apiclient.ClassTransient, apiclient.ClassAmbiguous:
		for _, i := range j.items {
			x.roster.items[i].trouble = e.Class
		}
	}
	if e.Class == apiclient.ClassCredentials && x.ended != endAuth {
		x.ended, x.denied = endAuth, e
		x.cfg.Observer.CredentialsRejected(x.info, e)
	}
}

// handlePower takes the answer to a start or stop in.
func (x *run) handlePower(a answer, e *apiclient.Error) {
	x.observeBatch(a, e)
	if e == nil {
		x.accepted(a)
		x.resolve(a.job)
		return
	}
	x.refused(a, e)
	switch {
	case e.Class == apiclient.ClassInstance:
		x.resolve(a.job)
		x.diagnoseRefusal(a.job)
	case e.Class == apiclient.ClassRequest:
		x.splitRequest(a.job, e)
	case e.Class == apiclient.ClassCredentials:
	case e.MaybeApplied:
		x.lookAfterLoss(a.job, e)
	default:
		x.retry(a.job, e)
	}
}

func (x *run) observeBatch(a answer, e *apiclient.Error) {
	b := Batch{
		Group: x.roster.groups[a.job.group].name, Size: len(a.job.items), Result: BatchAccepted,
		RequestID: a.power.RequestID, Duration: a.took,
	}
	switch {
	case e != nil:
		b.Result, b.RequestID, b.Err = BatchRefused, e.RequestID, e
	case len(a.power.Failed) > 0:
		b.Result, b.Failed = BatchPartial, len(a.power.Failed)
	}
	x.cfg.Observer.BatchFinished(x.info, b)
}

// accepted sorts a chunk's ids by the failed list: the rest is on its way, the
// listed ones are looked at.
func (x *run) accepted(a answer) {
	listed := make(map[string]bool, len(a.power.Failed))
	for _, id := range a.power.Failed {
		listed[id] = true
	}
	now := time.Now()
	var took, doubtful []int
	for _, i := range a.job.items {
		it := &x.roster.items[i]
		it.attempts++
		it.requestID, it.trouble = a.power.RequestID, ""
		if listed[it.id] {
			it.refuse(x.run.Action)
			doubtful = append(doubtful, i)
			continue
		}
		it.accept(now)
		took = append(took, i)
		x.watched.add(i, now)
	}
	x.journalAttempted(took)
	if len(doubtful) > 0 {
		x.enqueue(&job{priority: PriorityDiagnose, items: doubtful})
	}
}

// refused charges a refused or lost request to the ids that it named.
func (x *run) refused(a answer, e *apiclient.Error) {
	if e.Class != apiclient.ClassInstance && e.Class != apiclient.ClassRequest && !e.MaybeApplied {
		return
	}
	now := time.Now()
	for _, i := range a.job.items {
		it := &x.roster.items[i]
		it.attempts++
		it.code, it.requestID = e.Code, e.RequestID
		if e.MaybeApplied {
			it.doubt(a.sent, now)
		}
	}
}

// diagnoseRefusal follows a refusal that names no id. The first time the states
// are asked for, which explains nearly all. Refused again though every id
// looked ready, the chunk is halved, down to the single id that is to blame.
func (x *run) diagnoseRefusal(j *job) {
	switch {
	case len(j.items) == 1:
		x.roster.items[j.items[0]].refuse(x.run.Action)
		x.enqueue(&job{priority: PriorityDiagnose, items: j.items, group: j.group, refusals: j.refusals + 1, refused: true})
	case j.refusals == 0:
		x.enqueue(&job{priority: PriorityDiagnose, items: j.items, group: j.group, refusals: 1, refused: true})
	default:
		for _, half := range halves(j.items) {
			x.enqueue(&job{priority: PriorityStart, items: half, group: j.group, refusals: j.refusals})
		}
	}
}

func halves(items []int) [2][]int {
	mid := len(items) / 2
	return [2][]int{items[:mid:mid], items[mid:]}
}

// lookAfterLoss asks what became of a request that may have been applied.
func (x *run) lookAfterLoss(j *job, e *apiclient.Error) {
	x.resolve(j)
	x.retry(&job{priority: PriorityDiagnose, items: j.items, group: j.group, failures: j.failures, refusals: j.refusals, refused: j.refusals > 0}, e)
}

// retry queues a job again. Throttled, the budget does the waiting; while the
// API is down the budget's probes do; else the job's own backoff.
func (x *run) retry(j *job, e *apiclient.Error) {
	x.cfg.Observer.Retried(x.info, e.Action, e.Class, e)
	if e.Class != apiclient.ClassThrottled && !x.cfg.Budget.Down() {
		j.ready = time.Now().Add(x.cfg.Backoff.delay(j.failures, x.rng))
		j.failures++
	}
	x.enqueue(j)
}

func (x *run) enqueue(j *job) { x.queues[j.priority].add(j, time.Now()) }

// pollInterval stretches with what is pending, so that looks do not pile up
// that the budget could never serve. Half of the time that the budget needs for
// all of them: while the starts of a large run go on, their number grows as fast
// as time passes, and with all of it no look would ever fall due.
func (x *run) pollInterval() time.Duration {
	looks := float64(len(x.watched.list)) / float64(x.cfg.Size)
	return max(x.cfg.PollInterval, spread(looks, x.cfg.Budget.Rate())/2)
}
