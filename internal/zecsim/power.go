package zecsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"zecpower/apiclient"
)

// powerRequest is what a power action is asked for beside the ids.
type powerRequest struct {
	ForceShutdown *bool `json:"forceShutdown"`
}

// startInstances and stopInstances are called with mu held.
func (s *Simulator) startInstances(x *exchange, body []byte) reply {
	_, positions, refusal := s.parsePower(x, body)
	if refusal != nil {
		return *refusal
	}
	now := s.tick()
	for _, id := range positions {
		if id.known {
			s.fleet.instances[id.position].noteStartRequest(now)
		}
	}
	return s.power(x, positions, now, (*instance).startDenial, func(position int) {
		in := &s.fleet.instances[position]
		in.start(now, uniform(s.opts.Seed, uint64(position), in.boots()))
		s.counts.acceptedStarts++
	})
}

func (s *Simulator) stopInstances(x *exchange, body []byte) reply {
	in, positions, refusal := s.parsePower(x, body)
	if refusal != nil {
		return *refusal
	}
	now := s.tick()
	forced := in.ForceShutdown == nil || *in.ForceShutdown
	return s.power(x, positions, now, (*instance).stopDenial, func(position int) {
		s.fleet.instances[position].stop(now, forced)
		s.counts.acceptedStops++
	})
}

// target is one id of a request.
type target struct {
	id       string
	position int
	known    bool
}

func (s *Simulator) parsePower(x *exchange, body []byte) (powerRequest, []target, *reply) {
	var in powerRequest
	if refusal := decode(body, &in); refusal != nil {
		return in, nil, refusal
	}
	if refusal := checkIDs(x.ids, x.leastIDs()); refusal != nil {
		return in, nil, refusal
	}
	targets := make([]target, len(x.ids))
	for i, id := range x.ids {
		targets[i].id = id
		targets[i].position, targets[i].known = s.fleet.find(id)
	}
	return in, targets, nil
}

// power acts on the targets that can take the action, and treats the others as Options.BadIDs says.
func (s *Simulator) power(x *exchange, targets []target, now time.Duration, judge func(*instance, time.Duration) denial, act func(position int)) reply {
	failed, good := []string{}, make([]int, 0, len(targets))
	for _, t := range targets {
		d := s.deny(t, now, judge)
		switch {
		case d == denial{}:
			good = append(good, t.position)
		case s.opts.BadIDs == BadIDsFailedList:
			failed = append(failed, t.id)
		default:
			return d.reply()
		}
	}
	for _, position := range good {
		act(position)
	}
	x.record.Accepted = len(good)
	return success(&powerPayload{InstanceIDs: failed})
}

// deny is why one target is refused, zero where it is not.
func (s *Simulator) deny(t target, now time.Duration, judge func(*instance, time.Duration) denial) denial {
	if !t.known || s.fleet.instances[t.position].state(now) == StateMissing {
		return denial{code: or(s.opts.NotFoundCode, apiclient.CodeInstanceNotFound)}
	}
	return judge(&s.fleet.instances[t.position], now)
}

// decode reads a request's JSON; an empty body is an empty object.
func decode(body []byte, into any) *reply {
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		a := failure(http.StatusBadRequest, codeInvalidBody, "The request is not the JSON object of this action.")
		return &a
	}
	return nil
}

// checkIDs refuses too few, too many, empty and repeated ids.
func checkIDs(ids []string, least int) *reply {
	problem := ""
	if len(ids) < least || len(ids) > apiclient.MaxInstanceIDs {
		problem = fmt.Sprintf("instanceIds must hold %d to %d ids.", least, apiclient.MaxInstanceIDs)
	}
	seen := make(map[string]bool, min(len(ids), apiclient.MaxInstanceIDs))
	for _, id := range ids {
		if problem != "" {
			break
		}
		if id == "" || seen[id] {
			problem = "instanceIds must not hold empty or repeated ids."
		}
		seen[id] = true
	}
	if problem == "" {
		return nil
	}
	a := failure(http.StatusBadRequest, codeInvalidIDs, problem)
	return &a
}
