package run

// Turns lets one run at a time be submitted, and reported as started. A thousand that begin together
// would otherwise each wait for the account and for the processors, and so would its requests: the
// first ones would leave last. Runs have their turns in the order in which they ask, so that all that
// begin together are submitted before the first is reported. It is safe for concurrent use; a nil
// Turns lets all do so at once.
type Turns chan struct{}

// NewTurns returns a Turns.
func NewTurns() Turns { return make(Turns, 1) }

// take calls do once it has a turn. do must be short, and wait for no other run.
func (t Turns) take(do func()) {
	if t != nil {
		t <- struct{}{}
		defer func() { <-t }()
	}
	do()
}
