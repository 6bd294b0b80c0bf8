package run

import (
	"zecpower/internal/members"
)

// Definition is what the configuration that decided a run says of a group. Nothing of it is read
// before the run needs it.
type Definition struct {
	// IDs reads the ids that the group names, or those of its file.
	IDs func() ([]string, error)
	// Rules say who is a member by what the API says of instances, with the ids read anew. Nil: IDs
	// are the members.
	Rules func() (*members.Group, error)
	// Guard bounds its newcomers. Nil: each member is powered.
	Guard *Guard
	// Named are ids that stand in the configuration itself: they are never newcomers.
	Named []string
}
