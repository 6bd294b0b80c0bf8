package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"zecpower/internal/power"
)

// remedies say what each reason means and what to do, in one line. What differs for a stop, and for a
// stop with --force, stands in the maps below.
var remedies = map[power.Reason]string{
	power.ReasonNotFound:       "no such instance in this account: take the id out of its group, or check whose credentials these are",
	power.ReasonRecycled:       gone + "restore or mend it in the console, or take the id out of its group",
	power.ReasonWrongState:     "busy with something else (see STATE) until the deadline: let that end, then run again",
	power.ReasonRejected:       "the API kept refusing to start it: CODE says why (capacity, arrears, image, …); mend that, then run again, else ask Zenlayer with the request id",
	power.ReasonReversed:       "accepted, then seen STOPPING: someone stopped it, or its boot failed through STOPPING: see its console, then run again",
	power.ReasonBootFailed:     "accepted, then fell back to STOPPED, as often as attempts allow: see its console, then run again",
	power.ReasonBootTimeout:    "accepted, and not RUNNING when boot_timeout or the deadline came: see its console (a forced reboot there ends a boot that hangs), or raise that limit and run again",
	power.ReasonStopFailed:     "asked to shut down, then seen RUNNING again, as often as attempts allow: see its console, or cut its power: zecpower stop --force GROUP",
	power.ReasonStopTimeout:    "asked to shut down, and not STOPPED when boot_timeout or the deadline came: see its console; a stop is taken only of a RUNNING instance, so when it is RUNNING again: zecpower stop --force GROUP",
	power.ReasonThrottled:      "the account's limit, or requests_per_second, left no room for it before the deadline: run again, with a longer deadline",
	power.ReasonAPIError:       "the API, or the way to it, was failing until the run ended: CODE or the log says how (an unknown api_version, for one); run again once that is over",
	power.ReasonBlocked:        "the network in front of the API (CDN, WAF) refuses this host's address or client: have it allowed there, then run again",
	power.ReasonAuth:           "the API refused the credentials: check key, permissions and this host's clock, then run again",
	power.ReasonInvalidRequest: "not sent, because the request breaks a limit of the API: a bug of zecpower; report it with the log",
	power.ReasonGuarded:        "new in its group, beside more newcomers than its guard lets join: look at zecpower groups GROUP, and if it is right, accept them with --accept-membership",
	power.ReasonInternalError:  "a bug of zecpower: the log has a line with the stack; report it, then run again",
	power.ReasonCancelled:      "the run was stopped before this instance was there: run again",
}

// gone is what recycled means.
const gone = "in the recycle bin, being released, or its creation or reinstallation failed (see STATE): "

// stopRemedies replace remedies for a stop.
var stopRemedies = map[power.Reason]string{
	power.ReasonRecycled: gone + "it cannot be stopped; take the id out of its group, unless it is to be restored",
	power.ReasonRejected: "the API kept refusing to stop it: CODE says why; mend that, then run again, else ask Zenlayer with the request id",
	power.ReasonReversed: "accepted, then seen starting again: someone started it: see its console, agree with them, then run again",
}

// forcedRemedies replace both for a stop with --force, which they would advise again.
var forcedRemedies = map[power.Reason]string{
	power.ReasonStopFailed:  "its power was cut, then seen RUNNING again, as often as attempts allow: see its console, else ask Zenlayer with the request id",
	power.ReasonStopTimeout: "not STOPPED when boot_timeout or the deadline came, and of an instance that is STOPPING no stop is taken, forced or not: see its console, else ask Zenlayer with the request id",
}

// remedy is what to do about a reason. forced: the action was a stop with --force.
func remedy(action power.Action, forced bool, reason power.Reason) string {
	if forced && forcedRemedies[reason] != "" {
		return forcedRemedies[reason]
	}
	if action == power.ActionStop && stopRemedies[reason] != "" {
		return stopRemedies[reason]
	}
	return remedies[reason]
}

// printRemedies lists each reason that occurred, how often, and what to do.
func printRemedies(w io.Writer, action power.Action, forced bool, failures []groupFailure) error {
	met := map[power.Reason]int{}
	for _, f := range failures {
		met[f.Reason]++
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(tw, "\nwhat to do:\n")
	for _, reason := range power.Reasons() {
		if n := met[reason]; n > 0 {
			fmt.Fprintf(tw, "  %s (%d)\t%s\n", reason, n, remedy(action, forced, reason))
		}
	}
	return tw.Flush()
}
