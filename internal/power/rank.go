package power

import (
	"cmp"
	"time"
)

// Rank orders what runs want of one instance or group: of two that want opposite things the higher
// one has it. Queue, catch-up and resume do not change it.
type Rank struct {
	Planned time.Time // nominal time and jitter; by hand, when it was asked for
	ByHand  bool
	Action  Action
	RunID   string
}

// Compare returns +1 where k is higher than other, -1 where it is lower, and 0 where they are the
// same. The later planned is higher; of two planned for the same time the one by hand, then a start,
// then that whose run id sorts last.
func (k Rank) Compare(other Rank) int {
	one := func(is bool) int {
		if is {
			return 1
		}
		return 0
	}
	return cmp.Or(
		k.Planned.Compare(other.Planned),
		cmp.Compare(one(k.ByHand), one(other.ByHand)),
		cmp.Compare(one(k.Action == ActionStart), one(other.Action == ActionStart)),
		cmp.Compare(k.RunID, other.RunID),
	)
}
