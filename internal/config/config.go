package config

import (
	"fmt"
	"slices"
	"time"

	"zecpower/internal/nearest"
	"zecpower/internal/strictyaml"
	"zecpower/scheduler"
	"zecpower/scheduler/calendar"
)

type (
	// Problem is one mistake or warning at one place of a file.
	Problem = strictyaml.Problem
	// Invalid is the error of Load and Group.IDs: all problems, sorted by position.
	Invalid = strictyaml.Invalid
)

// Config is a schedules.yaml. Every value is read at start-up and at a reload (SIGHUP or a change
// of one of Files); a run that is under way keeps the values it started with.
type Config struct {
	// Path is the file as it was given to Load.
	Path string

	API   API
	Batch Batch

	// Accounts are power.DefaultAccount, and then those of the file in their order.
	Accounts []Account

	// Timezone is that of schedules which name none. Default UTC, so that a file means the same on
	// every host.
	Timezone *time.Location

	// Included are the files that include_files names, in the order in which they are read. One
	// that is left out has Problems; only LoadRunnable accepts any.
	Included []Included

	// Groups are in the order of the files. At least one, but where included files are left out.
	// Those that a schedule needs and that stand in such a file are among them, and fail.
	Groups []*Group

	// Calendars are in the order of the files; the dates that stand in a schedule itself are not
	// among them.
	Calendars []*calendar.Calendar

	// Schedules are in the order of the files. At least one, but where included files are left out.
	Schedules []scheduler.Schedule

	// Unreadable are the mistakes of included files, instances_files and iCalendar files, sorted;
	// only LoadRunnable accepts any. What is concerned has them as Problems.
	Unreadable []Problem

	// UnreadableCalendars are the Calendars some of whose files cannot be used, in the order of the file.
	UnreadableCalendars []*UnreadableCalendar

	// Warnings are what is accepted but may be a mistake, sorted by position.
	Warnings []Problem

	// Files are all files that were read, Path first, each once: a change of any of them is a reason
	// to load again.
	Files []string

	// Globs are the patterns of include_files as they are opened: that Matches finds another file
	// is a reason to load again, too.
	Globs []string

	groups map[string]*Group
	places map[string]place // by "group ", "calendar " or "schedule " and the name
}

// place is where something stands.
type place struct {
	file         string
	line, column int
	included     bool // not in the main file
}

// UnreadableFiles are the Included that are left out.
func (c *Config) UnreadableFiles() []Included {
	return slices.DeleteFunc(slices.Clone(c.Included), func(f Included) bool { return len(f.Problems) == 0 })
}

// ScheduleWarning is a warning about a schedule of c, at its place.
func (c *Config) ScheduleWarning(name, message, hint string) Problem {
	at := c.places["schedule "+name]
	return Problem{File: at.file, Line: at.line, Column: at.column, Message: message, Hint: hint}
}

// API is how the ZEC API is reached, and how hard.
type API struct {
	// Endpoint is scheme and host, with no path. https, or http to a loopback address. Default
	// https://console.zenlayer.com.
	Endpoint string

	// APIVersion is the X-ZC-Version header, a date. Default 2025-09-01. Change it only with a release
	// that knows the newer version's replies.
	APIVersion string

	// Timeout is that of one HTTP request, 100ms to 10m, default 30s. Shorter: a dead connection is
	// noticed sooner, but a slow reply counts as lost, and its instances are described again. Longer:
	// a hung request holds one of MaxInFlight, and the end of a run, for that long.
	Timeout time.Duration

	// RequestsPerSecond is a ceiling for the account: all actions, all runs together. Above 0 to
	// 10000, default 10. Higher: a large fleet starts sooner. Lower: more of the account's limit,
	// which is not published, is left to people and other tools. When the API throttles, zecpower goes
	// below it by itself.
	RequestsPerSecond float64

	// Burst is how many requests may leave at once after a pause, 1 to 10000, default 10. Higher: a
	// run's first chunks leave together. Lower: requests are spread evenly from the first on.
	Burst int

	// MaxInFlight is how many requests may be open at once, 1 to 1000, default 8. It matters when
	// replies are slow: higher keeps up the rate, lower leaves fewer of unknown fate when the network
	// goes.
	MaxInFlight int
}

// Batch is how a run treats its instances.
type Batch struct {
	// Size is how many instances one request names, 1 to 100 (the API's limit), default 100. Lower: a
	// request that is refused for one bad instance concerns fewer others. Higher: fewer requests, and
	// the fleet is up sooner.
	Size int

	// Attempts is how many failed starts one instance may use up in a run, 1 to 100, default 3.
	// Throttled requests and outages do not count. Higher: helps instances whose boot fails now and
	// then. Lower: they are reported sooner.
	Attempts int

	Backoff Backoff

	// PollInterval is the longest pause between two describes of an instance that is on its way, once
	// boots are expected, 10ms to 10m and below BootTimeout, default 5s. Shorter: RUNNING is seen
	// sooner. Longer: more of the request budget is left to starts.
	PollInterval time.Duration

	// BootTimeout is how long an accepted instance may take to be RUNNING before it counts as failed,
	// 100ms to 24h, default 10m. Shorter: a hung boot is reported sooner. Longer: a slow one is not
	// reported at all.
	BootTimeout time.Duration
}

// Backoff is the pause after a request that failed, a random part of a bound that doubles from
// Initial to Max.
type Backoff struct {
	// Initial is 1ms to 10m, default 500ms. Shorter: a hiccup costs less. Longer: gentler on an API in
	// trouble.
	Initial time.Duration

	// Max is Initial to 1h, default 30s. Shorter: the end of an outage is seen sooner. Longer: fewer
	// requests in it.
	Max time.Duration
}

// The defaults of a schedule; schedules.example.yaml says what they weigh.
const (
	defaultCatchUp  = time.Hour
	defaultDeadline = 30 * time.Minute
)

func defaults(path string) *Config {
	return &Config{
		Path: path,
		API: API{
			Endpoint:          "https://console.zenlayer.com",
			APIVersion:        "2025-09-01",
			Timeout:           30 * time.Second,
			RequestsPerSecond: 10,
			Burst:             10,
			MaxInFlight:       8,
		},
		Batch: Batch{
			Size:         100,
			Attempts:     3,
			Backoff:      Backoff{Initial: 500 * time.Millisecond, Max: 30 * time.Second},
			PollInterval: 5 * time.Second,
			BootTimeout:  10 * time.Minute,
		},
		Timezone: time.UTC,
		Files:    []string{path},
		groups:   make(map[string]*Group),
		places:   make(map[string]place),
	}
}

// GroupNames names all groups, in the order of the files.
func (c *Config) GroupNames() []string {
	names := make([]string, 0, len(c.Groups))
	for _, g := range c.Groups {
		names = append(names, g.Name)
	}
	return names
}

// UnreadableGroups names the groups whose ids could not be read at load, in the order of the files.
func (c *Config) UnreadableGroups() []string {
	var names []string
	for _, g := range c.Groups {
		if len(g.Problems) > 0 {
			names = append(names, g.Name)
		}
	}
	return names
}

// Group finds a group by its name; the error of an unknown one names the nearest, or the included
// file that is left out with it.
func (c *Config) Group(name string) (*Group, error) {
	if g, ok := c.groups[name]; ok {
		return g, nil
	}
	names := make([]string, len(c.Groups))
	for i, g := range c.Groups {
		names[i] = g.Name
	}
	return nil, c.unknown("group", name, names, func(f *Included) []string { return f.groups })
}

// Schedule finds a schedule by its name, with an error as of Group.
func (c *Config) Schedule(name string) (*scheduler.Schedule, error) {
	names := make([]string, len(c.Schedules))
	for i := range c.Schedules {
		if c.Schedules[i].Name == name {
			return &c.Schedules[i], nil
		}
		names[i] = c.Schedules[i].Name
	}
	return nil, c.unknown("schedule", name, names, func(f *Included) []string { return f.Schedules })
}

func (c *Config) unknown(noun, name string, names []string, held func(*Included) []string) error {
	for _, f := range c.UnreadableFiles() {
		if slices.Contains(held(&f), name) {
			return &Invalid{Problems: []Problem{f.without(noun, name)}}
		}
	}
	if near := nearest.Word(name, names); near != "" {
		return fmt.Errorf("%s: there is no %s %s (did you mean %q?)", c.Path, noun, strictyaml.Quote(name), near)
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: there is no %s %s (there is none at all)", c.Path, noun, strictyaml.Quote(name))
	}
	return fmt.Errorf("%s: there is no %s %s (there are %d, such as %q)", c.Path, noun, strictyaml.Quote(name), len(names), names[0])
}
