package batcher

import (
	"zecpower/apiclient"
	"zecpower/internal/event"
)

// BatchResult says how one StartInstances or StopInstances request went.
type BatchResult string

// The results of a batch.
const (
	BatchAccepted BatchResult = "accepted" // every id of it
	BatchPartial  BatchResult = "partial"  // some ids are in the reply's failed list
	BatchRefused  BatchResult = "refused"  // refused whole, or no answer that says otherwise
)

// BatchResults lists the results of a batch.
func BatchResults() []BatchResult {
	return []BatchResult{BatchAccepted, BatchPartial, BatchRefused}
}

// sentAgain reports whether a start or stop that was refused in a class is simply sent again.
func sentAgain(c apiclient.Class) bool {
	switch c {
	case apiclient.ClassThrottled, apiclient.ClassTransient, apiclient.ClassAmbiguous, apiclient.ClassBlocked:
		return true
	}
	return false
}

// refusalOf words a failed request for an event. class is the one that it counts as.
func refusalOf(e *apiclient.Error, class apiclient.Class) event.Refusal {
	return event.Refusal{
		Class: string(class), Code: string(e.Code), HTTPStatus: e.HTTPStatus, RequestID: e.RequestID, RetryAfter: e.RetryAfter,
		Err: e, Cause: e.Err,
	}
}
