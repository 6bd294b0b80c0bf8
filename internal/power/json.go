package power

import "encoding/json"

// MarshalJSON gives the report that scripts read; its keys are a contract. The
// two good counts are named for the action: started and already_running, or
// stopped and already_stopped.
func (r Report) MarshalJSON() ([]byte, error) {
	type report struct {
		RunID  string            `json:"run_id"`
		Action Action            `json:"action"`
		Result Result            `json:"result"`
		Error  string            `json:"error,omitempty"`
		Groups []json.RawMessage `json:"groups"`
	}
	out := report{RunID: r.RunID, Action: r.Action, Result: r.Result(), Error: r.Err, Groups: make([]json.RawMessage, 0, len(r.Groups))}
	for _, g := range r.Groups {
		raw, err := g.marshal(r.Action)
		if err != nil {
			return nil, err
		}
		out.Groups = append(out.Groups, raw)
	}
	return json.Marshal(out)
}

type groupJSON struct {
	Group          string        `json:"group"`
	Total          int           `json:"total"`
	Started        *int          `json:"started,omitempty"`
	AlreadyRunning *int          `json:"already_running,omitempty"`
	Stopped        *int          `json:"stopped,omitempty"`
	AlreadyStopped *int          `json:"already_stopped,omitempty"`
	Failed         int           `json:"failed"`
	Skipped        int           `json:"skipped,omitempty"`
	Failures       []failureJSON `json:"failures"`
	Skips          []skipJSON    `json:"skips,omitempty"`
	Error          string        `json:"error,omitempty"`
}

type failureJSON struct {
	InstanceID string `json:"instance_id"`
	Reason     Reason `json:"reason"`
	Code       string `json:"code"`
	State      string `json:"state"`
	RequestID  string `json:"request_id"`
	HTTPStatus int    `json:"http_status,omitempty"`
	Attempts   int    `json:"attempts"`
}

type skipJSON struct {
	InstanceID string `json:"instance_id"`
	Reason     Reason `json:"reason"`
	By         string `json:"by"`
}

func (g GroupReport) marshal(action Action) ([]byte, error) {
	out := groupJSON{
		Group: g.Group, Total: g.Total, Failed: g.Failed, Skipped: g.Skipped, Error: g.Err,
		Failures: make([]failureJSON, 0, g.Failed),
	}
	if action == ActionStop {
		out.Stopped, out.AlreadyStopped = &g.Done, &g.Already
	} else {
		out.Started, out.AlreadyRunning = &g.Done, &g.Already
	}
	for _, f := range g.Failures() {
		out.Failures = append(out.Failures, failureJSON{f.InstanceID, f.Reason, f.Code, f.State, f.RequestID, f.HTTPStatus, f.Attempts})
	}
	for _, k := range g.Skips() {
		out.Skips = append(out.Skips, skipJSON{k.InstanceID, k.Reason, k.By})
	}
	return json.Marshal(out)
}
