package app

import (
	"encoding/json"
	"math"
	"net/http"
	"time"

	"github.com/prometheus/common/version"

	"zecpower/batcher"
	"zecpower/internal/config"
	"zecpower/internal/power"
	"zecpower/internal/store"
	"zecpower/scheduler"
)

// Status is what `zecpower status` shows of a running daemon. Times are UTC;
// a zero time or an empty text is left out.
type Status struct {
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	At        time.Time `json:"at"`

	Config    ConfigStatus     `json:"config"`
	Files     []FileStatus     `json:"unreadable_files,omitempty"`
	Calendars []CalendarStatus `json:"unreadable_calendars,omitempty"`
	Runs      []RunStatus      `json:"runs_in_progress"`
	Waiting   []WaitingStatus  `json:"runs_waiting"`
	Plans     []ScheduleStatus `json:"schedules"`
	Budgets   []BudgetStatus   `json:"budgets"`
	// Skips are the times of schedules that people leave out: those ahead, and those over for a week at
	// most.
	Skips []store.Skip `json:"skips,omitempty"`
	Store string       `json:"store_error,omitempty"`
	Web   string       `json:"web_error,omitempty"`
	// AcceptedKeys are the names (see KeyName) of the access keys that the API has accepted.
	AcceptedKeys []string `json:"accepted_keys,omitempty"`
	ClockSet     int      `json:"clock_steps"`
}

// ConfigStatus is the configuration in use, and why the last reload failed if it did.
type ConfigStatus struct {
	Path     string    `json:"path"`
	Included []string  `json:"included_files,omitempty"` // those in use
	LoadedAt time.Time `json:"loaded_at"`
	Rejected string    `json:"last_reload_error,omitempty"`
}

// FileStatus is an included file that was left out at the start.
type FileStatus struct {
	File    string `json:"file"`
	Without string `json:"without"` // what follows from that
	Error   string `json:"error"`
}

// CalendarStatus is a calendar whose iCalendar files could not be read at the start.
type CalendarStatus struct {
	Calendar string `json:"calendar"`
	Dates    string `json:"dates"` // which dates it has instead, and what follows from that
	Error    string `json:"error"`
}

// RunStatus is a run in progress.
type RunStatus struct {
	RunID     string       `json:"run_id"`
	Schedule  string       `json:"schedule"`
	Action    power.Action `json:"action"`
	Groups    []string     `json:"groups"`
	Actor     string       `json:"actor,omitempty"` // of a run by hand: who asked for it
	Timezone  string       `json:"timezone,omitempty"`
	StartedAt time.Time    `json:"started_at"`
	Deadline  time.Time    `json:"deadline,omitzero"`
	Total     int          `json:"total"`
	Final     int          `json:"final"`
	Pending   int          `json:"pending"`
	Failed    int          `json:"failed"`
}

// WaitingStatus is a run that was decided and has not begun.
type WaitingStatus struct {
	RunID    string    `json:"run_id"`
	RunAt    time.Time `json:"run_at"`
	Timezone string    `json:"timezone,omitempty"`
}

// ScheduleStatus is one schedule: its next run and how the last one ended.
type ScheduleStatus struct {
	Schedule    string       `json:"schedule"`
	Action      power.Action `json:"action,omitempty"`
	Timezone    string       `json:"timezone"`
	Paused      bool         `json:"paused"`
	NextRun     time.Time    `json:"next_run,omitzero"`
	LastRunID   string       `json:"last_run_id,omitempty"`
	LastResult  string       `json:"last_result,omitempty"`
	LastRun     time.Time    `json:"last_run,omitzero"`
	LastSuccess time.Time    `json:"last_success,omitzero"`
}

// BudgetStatus is the request budget of an account.
type BudgetStatus struct {
	Account string  `json:"account"`
	Rate    float64 `json:"requests_per_second"` // of the slowest API action, now
	Ceiling float64 `json:"ceiling"`
	APIDown bool    `json:"api_down"`
	// Missing says why the account has no credential; its groups fail at each run.
	Missing string `json:"credentials_missing,omitempty"`
}

// lowestRate is the rate of the action that the API allows least of.
func (a *account) lowestRate() float64 {
	lowest := math.Inf(1)
	for _, action := range batcher.APIActions() {
		lowest = min(lowest, a.batch.Rate(action))
	}
	return lowest
}

// status describes the accounts that cfg uses, in its order.
func (s *accounts) status(cfg *config.Config) []BudgetStatus {
	all := []BudgetStatus{}
	for _, of := range cfg.AccountsInUse() {
		b := BudgetStatus{Account: of.Name, Ceiling: of.API.RequestsPerSecond}
		if err := s.missing[of.Name]; err != nil {
			b.Missing = err.Error()
		}
		if a := s.of[of.Name]; a != nil {
			b.Rate, b.APIDown = a.lowestRate(), a.batch.Down()
		}
		all = append(all, b)
	}
	return all
}

// Status describes the daemon at this moment. It is safe for concurrent use.
func (d *Daemon) Status() Status {
	snap := d.loop.Snapshot()
	cfg, reloaded := d.current.Load(), d.reloaded.Load()
	s := Status{
		Version: version.Version, StartedAt: d.started.UTC(), At: snap.At.UTC(),
		Config: ConfigStatus{Path: cfg.Path, LoadedAt: reloaded.at.UTC()},
		Runs:   []RunStatus{}, Waiting: []WaitingStatus{}, Plans: []ScheduleStatus{},
		Budgets:  d.accounts.Load().status(cfg),
		Skips:    d.skips.listed(snap.At),
		ClockSet: snap.ClockSteps,
	}
	s.files(cfg.Included)
	for _, u := range cfg.UnreadableCalendars {
		s.Calendars = append(s.Calendars, CalendarStatus{u.Name, cfg.Without(u), (&config.Invalid{Problems: u.Problems}).Error()})
	}
	if reloaded.err != nil {
		s.Config.Rejected = reloaded.err.Error()
	}
	if snap.StoreErr != nil {
		s.Store = snap.StoreErr.Error()
	}
	if end := d.webEnd.Load(); end != nil {
		s.Web = (*end).Error()
	}
	for _, r := range snap.Running {
		s.Runs = append(s.Runs, d.runStatus(r))
	}
	for _, f := range snap.Waiting {
		s.Waiting = append(s.Waiting, WaitingStatus{f.RunID, f.RunAt.UTC(), f.Timezone})
	}
	for _, of := range d.hands.inProgress() {
		s.Runs = append(s.Runs, d.handStatus(of))
	}
	for _, p := range snap.Schedules {
		s.Plans = append(s.Plans, scheduleStatus(p))
		if of, err := cfg.Schedule(p.Schedule); err == nil {
			s.Plans[len(s.Plans)-1].Action = of.Action
		}
	}
	s.AcceptedKeys = d.accounts.Load().acceptedKeys()
	return s
}

// files adds the included files: those in use, and those left out.
func (s *Status) files(included []config.Included) {
	for _, f := range included {
		if len(f.Problems) == 0 {
			s.Config.Included = append(s.Config.Included, f.Name)
			continue
		}
		s.Files = append(s.Files, FileStatus{f.Name, f.Without(), (&config.Invalid{Problems: f.Problems}).Error()})
	}
}

func (d *Daemon) runStatus(r scheduler.Running) RunStatus {
	p, _ := d.progress.Progress(r.Firing.RunID)
	return RunStatus{
		RunID: r.Firing.RunID, Schedule: r.Firing.Schedule, Action: r.Firing.Action, Groups: r.Firing.Groups,
		Timezone: r.Firing.Timezone, StartedAt: r.StartedAt.UTC(), Deadline: utc(r.Firing.Deadline),
		Total: p.Total, Final: p.Final, Pending: p.Pending, Failed: p.Failed,
	}
}

func (d *Daemon) handStatus(of *handRun) RunStatus {
	r := of.run
	p, _ := d.progress.Progress(r.ID)
	return RunStatus{
		RunID: r.ID, Schedule: store.ManualSchedule, Action: r.Action, Groups: r.Names, Actor: r.Actor, StartedAt: of.begun.UTC(), Deadline: utc(r.Deadline),
		Total: p.Total, Final: p.Final, Pending: p.Pending, Failed: p.Failed,
	}
}

func scheduleStatus(p scheduler.ScheduleStatus) ScheduleStatus {
	return ScheduleStatus{
		Schedule: p.Schedule, Timezone: p.Zone.String(), Paused: p.Paused, NextRun: utc(p.NextRun), LastRunID: p.Last.RunID,
		LastResult: string(p.Last.Result), LastRun: utc(p.Last.FinishedAt), LastSuccess: utc(p.Last.LastSuccess),
	}
}

// utc keeps a zero time zero.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

func (d *Daemon) statusHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, d.Status()) })
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may have left
}
