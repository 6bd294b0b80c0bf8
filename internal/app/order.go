package app

import (
	"fmt"
	"regexp"
	"time"

	"zecpower/internal/config"
	"zecpower/internal/power"
	"zecpower/internal/run"
	"zecpower/internal/strictyaml"
)

// Order is a run that a person asks the daemon for.
type Order struct {
	// RunID is made by the client with [NewRunID], so that an order that is repeated is one run.
	RunID  string       `json:"run_id"`
	Action power.Action `json:"action,omitempty"` // of Groups
	Groups []string     `json:"groups,omitempty"`
	// Schedule, in the place of Action and Groups, asks for those of a schedule, now.
	Schedule string `json:"schedule,omitempty"`
	// Deadline is how long the run may take; 0: DefaultDeadline, of a schedule its own.
	Deadline time.Duration `json:"deadline_ns,omitempty"`
	Force    bool          `json:"force,omitempty"` // of a stop: cut the power instead of asking the guest
	// AcceptMembership accepts whatever members the groups have.
	AcceptMembership bool `json:"accept_membership,omitempty"`
	// Reason is what the person gives for it; see [CheckReason].
	Reason string `json:"reason,omitempty"`
	// SudoUser is who called sudo, as root's environment says.
	SudoUser string `json:"sudo_user,omitempty"`
}

// maxDeadline bounds the deadline of an order.
const maxDeadline = 24 * time.Hour

// orderID is the form of NewRunID.
var orderID = regexp.MustCompile(`^manual/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)-[0-9a-f]{6}$`)

// orderedAt is when the client made a run's id, to the second; zero where the id does not say.
func orderedAt(id string) (at time.Time) {
	if m := orderID.FindStringSubmatch(id); m != nil {
		at, _ = time.Parse(time.RFC3339, m[1]) // zero for the 31st of February
	}
	return at
}

// check completes an order and refuses one that makes no sense.
func (o *Order) check(cfg *config.Config) error {
	if !orderID.MatchString(o.RunID) {
		return fmt.Errorf("run id %s is not one of a run by hand", strictyaml.Quote(o.RunID))
	}
	if err := CheckReason(o.Reason); err != nil {
		return err
	}
	if o.Schedule != "" {
		if err := o.takeSchedule(cfg); err != nil {
			return err
		}
	}
	switch {
	case o.Action != power.ActionStart && o.Action != power.ActionStop:
		return fmt.Errorf("action %s is neither start nor stop", strictyaml.Quote(string(o.Action)))
	case o.Force && o.Action != power.ActionStop:
		return fmt.Errorf("only a stop can be forced")
	case len(o.Groups) == 0:
		return fmt.Errorf("name at least one group")
	case o.Deadline < 0 || o.Deadline > maxDeadline:
		return fmt.Errorf("deadline %s: it must be over 0, up to %s", o.Deadline, maxDeadline)
	}
	if o.Deadline == 0 {
		o.Deadline = DefaultDeadline
	}
	seen := map[string]bool{}
	for _, name := range o.Groups {
		g, err := cfg.Group(name)
		switch {
		case err != nil:
			return err
		case seen[name]:
			return fmt.Errorf("group %s is named twice", name)
		case len(g.Problems) > 0:
			return fmt.Errorf("group %s cannot be read: %w", name, &config.Invalid{Problems: g.Problems})
		}
		seen[name] = true
	}
	return nil
}

// takeSchedule makes the action and groups of the schedule the order's.
func (o *Order) takeSchedule(cfg *config.Config) error {
	if o.Action != "" || len(o.Groups) > 0 {
		return fmt.Errorf("an order names a schedule, or an action and groups")
	}
	s, err := cfg.Schedule(o.Schedule)
	if err != nil {
		return err
	}
	o.Action, o.Groups = s.Action, s.Groups
	if o.Deadline == 0 {
		o.Deadline = s.Deadline
	}
	return nil
}

// run describes the order as a run that begins at now.
func (o *Order) run(cfg *config.Config, who string, now time.Time) run.Run {
	r := run.Run{
		ID: o.RunID, Action: o.Action, Nominal: now, Planned: now, Deadline: now.Add(o.Deadline), Actor: who, Force: o.Force,
		Reason: o.Reason, Trigger: o.Schedule, Resumable: true, Names: o.Groups, Define: define(cfg), AccountOf: cfg.AccountOf,
	}
	if o.AcceptMembership {
		r.AcceptedBy = who
	}
	return r
}
