package event

import (
	"fmt"
	"iter"
	"time"

	"zecpower/internal/power"
)

// someIDs bounds the ids that one line has of a list.
const someIDs = 20

// Membership says which members a group with a guard has, at the beginning of a run or ahead of it.
type Membership struct {
	Run    Run // zero: it was checked ahead of its runs
	Group  string
	Action power.Action
	// Members is how many it has; Accepted, how many were on its accepted list before, 0 where it had
	// none.
	Members, Accepted int
	// Joined are newcomers that are accepted, Left members of the list that are none any more. Neither
	// is given where there was no list.
	Joined, Left []string
	// Resumed says that an earlier process began the run, and reported what joined and left.
	Resumed bool
	// Shrunk says that more left than the guard lets join.
	Shrunk bool
	// Guarded are newcomers that the guard kept out, for the reason Why; Refused says that it refused
	// the group as a whole.
	Guarded []string
	Refused bool
	Why     string
}

// Lines implements Event.
func (e Membership) Lines() iter.Seq[Line] {
	var all []Line
	if len(e.Joined)+len(e.Left) > 0 && e.Run.ID != "" && !e.Resumed {
		l := Line{Level: Info, Message: "membership changed", Fields: append(e.Run.fields(), Field{"group", e.Group}, Field{"members", e.Members},
			Field{"joined", len(e.Joined)}, Field{"joined_ids", some(e.Joined)}, Field{"left", len(e.Left)}, Field{"left_ids", some(e.Left)})}
		if e.Shrunk {
			l.Level = Warn
		}
		all = append(all, l)
	}
	if len(e.Guarded) > 0 {
		effect := "they are not powered, the other members are"
		switch {
		case e.Refused && e.Run.ID == "":
			effect = "nothing of the group will be powered"
		case e.Refused:
			effect = "nothing of the group is powered"
		case e.Run.ID == "":
			effect = "they will not be powered, the other members will"
		}
		all = append(all, Line{Level: Error, Message: "guard refused", Fields: append(e.Run.fields(), Field{"group", e.Group},
			Field{"reason", string(power.ReasonGuarded)}, Field{"guarded", len(e.Guarded)}, Field{"guarded_ids", some(e.Guarded)}, Field{"cause", e.Why},
			Field{"effect", effect}, Field{"remedy", fmt.Sprintf("look at zecpower groups %s, and if it is right: zecpower groups %s --accept-membership", e.Group, e.Group)})})
	}
	return lines(all...)
}

// some are the first of a list.
func some(ids []string) []string { return ids[:min(len(ids), someIDs)] }

// MembersNotListed says that the members of a group could not be listed, and that a start uses those
// that were accepted last; or, with a zero Run, that a check ahead of its runs could not.
type MembersNotListed struct {
	Run        Run
	Group      string
	Err        error
	Accepted   int // how many these are
	AcceptedAt time.Time
}

// Lines implements Event.
func (e MembersNotListed) Lines() iter.Seq[Line] {
	effect := "a check ahead of its runs: they will list them anew"
	if e.Run.ID != "" {
		effect = fmt.Sprintf("the %d members that were accepted at %s are started", e.Accepted, e.AcceptedAt.UTC().Format(time.RFC3339))
	}
	return lines(Line{Level: Error, Message: "members not listed", Fields: append(e.Run.fields(), Field{"group", e.Group},
		Field{"error", text(e.Err)}, Field{"effect", effect})})
}
