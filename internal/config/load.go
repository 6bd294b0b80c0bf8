package config

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"zecpower/internal/power"
	"zecpower/internal/strictyaml"
	"zecpower/scheduler/calendar"
	"zecpower/scheduler/cron"
)

// maxFile is room for some millions of instance ids, and an end to a file that is something else.
const maxFile = 256 << 20

// Load reads the configuration and all files that it names. Its error is an *Invalid with every
// mistake, those of the files included.
func Load(path string) (*Config, error) { return LoadAt(path, time.Now()) }

// LoadAt is Load at a given present time: that from which calendars are computed ahead, and which
// says whether their dates are past.
func LoadAt(path string, now time.Time) (*Config, error) {
	c, err := loadRunnable(path, now)
	if err == nil && len(c.Unreadable) > 0 {
		return nil, &Invalid{Problems: c.Unreadable}
	}
	return c, err
}

// LoadRunnable is Load for what powers groups: an instances_file that cannot be used refuses its
// own group and nothing else, without an iCalendar file that cannot be used its calendar has its
// other dates alone, and an included file with a mistake is left out. The mistakes of all these
// stand in Config.Unreadable. The error, of a mistake in the main file, has them too.
func LoadRunnable(path string) (*Config, error) { return loadRunnable(path, time.Now()) }

func loadRunnable(path string, now time.Time) (*Config, error) {
	in := readInput(path)
	if in.main.root == nil {
		return nil, &Invalid{Problems: in.main.read}
	}
	l := in.load(now)
	found := l.problems()
	if l.files[0].doc.Err() != nil {
		return nil, &Invalid{Problems: found}
	}
	// What is left out takes names away, and brings no mistake of its own: one that refers to such
	// a name gets a group that fails, or a calendar without dates. So this ends after two loads.
	for l.leaveOut() {
		l = in.load(now)
	}
	if p, none := in.noSchedule(l.config); none {
		found = append(found, p)
	}
	l.config.Unreadable, l.config.Warnings = found, l.warnings(in.warnings)
	for _, s := range in.files {
		l.config.Included = append(l.config.Included, s.Included)
	}
	return l.config, nil
}

// load checks what was read, without the files that are left out.
func (in *input) load(now time.Time) *loader {
	l := &loader{
		now:        now,
		including:  in.includes,
		config:     defaults(in.main.Path),
		zones:      make(map[string]loadedZone),
		calendars:  make(map[string]*calendar.Calendar),
		inline:     make(map[string]*calendar.Calendar),
		timetables: make(map[timetableKey]parsedTimetable),
		idFiles:    make(map[string]idFile),
		used:       make(map[string]bool),
	}
	l.config.Globs = in.globs
	l.add(in.main)
	for _, s := range in.files {
		if !s.unlisted {
			l.config.Files = append(l.config.Files, s.Path)
		}
		l.add(s)
	}
	l.config.Files = append(l.config.Files, in.skipped...)
	l.documents()
	return l
}

// add adds a file to those in use, or to those left out.
func (l *loader) add(s *source) {
	if len(s.Problems) > 0 {
		l.out = append(l.out, s)
		return
	}
	doc := &strictyaml.Doc{File: s.Path}
	doc.Add(s.read...)
	l.files = append(l.files, &file{source: s, doc: doc})
}

// problems are those of all files, sorted.
func (l *loader) problems() []Problem {
	all := slices.Clone(l.unreadable)
	for _, f := range l.files {
		all = append(all, f.doc.Problems()...)
	}
	for _, s := range l.out {
		all = append(all, s.Problems...)
	}
	strictyaml.Sort(l.config.Path, all)
	return all
}

// warnings are those of all files in use and some others, sorted.
func (l *loader) warnings(others []Problem) []Problem {
	all := slices.Clone(others)
	for _, f := range l.files {
		all = append(all, f.doc.Warnings()...)
	}
	strictyaml.Sort(l.config.Path, all)
	return all
}

// loader is one load. What schedules refer to is complete before the first schedule is read.
type loader struct {
	*strictyaml.Doc // of the file that is being read
	config          *Config
	now             time.Time

	including bool      // the main file has include_files
	files     []*file   // those in use, the main file first
	out       []*source // those left out

	zones      map[string]loadedZone
	badZones   int // among zones
	timetables map[timetableKey]parsedTimetable
	calendars  map[string]*calendar.Calendar // by name; nil where it is broken, so that it is known but not built on
	inline     map[string]*calendar.Calendar // by date text
	idFiles    map[string]idFile             // by path: groups may share one, whose mistakes are reported once
	unreadable []Problem                     // the mistakes of those files
	names      known
	used       map[string]bool // "group ", "calendar ", "file " or "zone " and the name, once it is referred to
}

// file is a file in use.
type file struct {
	*source
	doc  *strictyaml.Doc
	held map[string]section // by key
}

// known are what a wrong name may have been meant to be, in the order of the files.
type known struct{ accounts, groups, calendars []string }

// documents reads the sections of all files in the order in which they build on each other,
// whatever their order in a file.
func (l *loader) documents() {
	l.mainDocument(l.files[0])
	for _, f := range l.files[1:] {
		l.Doc = f.doc
		f.held = l.includedSections(f.root)
	}
	read := map[string]strictyaml.Read{"groups": l.groups, "calendars": l.calendarSection, "schedules": l.schedules}
	for _, name := range shared {
		for _, f := range l.files {
			l.Doc = f.doc
			l.section(f.held, name, read[name])
		}
	}
	for _, f := range l.files {
		l.Doc = f.doc
		l.warnUnused(f.held["accounts"].value, "account ", "group", "account")
		l.warnUnused(f.held["groups"].value, "group ", "schedule", "group")
		l.warnUnused(f.held["calendars"].value, "calendar ", "schedule", "calendar")
	}
}

// mainDocument reads the sections that the main file alone has.
func (l *loader) mainDocument(main *file) {
	l.Doc = main.doc
	required := []string{"groups", "schedules"}
	if l.including {
		required = nil // they may stand in the others
	}
	main.held = l.sections(main.root, slices.Concat(mainOnly, shared), required...)
	l.section(main.held, "api", l.api)
	l.section(main.held, "batch", l.batch)
	l.config.Accounts = []Account{{Name: power.DefaultAccount, API: l.config.API}}
	l.section(main.held, "accounts", l.accounts)
	l.section(main.held, "timezone", l.zone(&l.config.Timezone))
}

// sections keeps the values of a file's keys, for section.
func (l *loader) sections(root *yaml.Node, keys []string, required ...string) map[string]section {
	held, table := make(map[string]section), make(strictyaml.Keys)
	for _, name := range keys {
		table[name] = func(key, value *yaml.Node) { held[name] = section{key, value} }
	}
	l.Mapping(root, root, table, required...)
	return held
}

// section reads one of the sections that were kept.
func (l *loader) section(held map[string]section, name string, read strictyaml.Read) {
	if s, ok := held[name]; ok {
		l.In(name, func() { read(s.key, s.value) })
	}
}

type section struct{ key, value *yaml.Node }

func (l *loader) api(key, value *yaml.Node) { l.Mapping(key, value, l.apiKeys(&l.config.API)) }

// apiKeys are what `api` and an account may set.
func (l *loader) apiKeys(a *API) strictyaml.Keys {
	return strictyaml.Keys{
		"endpoint":            strictyaml.Value(l.Doc, &a.Endpoint, "a URL", checkEndpoint),
		"api_version":         strictyaml.Value(l.Doc, &a.APIVersion, "a date", checkVersion),
		"timeout":             l.Duration(&a.Timeout, 100*time.Millisecond, 10*time.Minute),
		"requests_per_second": l.Rate(&a.RequestsPerSecond, 10000),
		"burst":               strictyaml.Int(l.Doc, &a.Burst, 1, 10000),
		"max_in_flight":       strictyaml.Int(l.Doc, &a.MaxInFlight, 1, 1000),
	}
}

func (l *loader) batch(key, value *yaml.Node) {
	b := &l.config.Batch
	given := l.Mapping(key, value, strictyaml.Keys{
		"batch_size":    strictyaml.Int(l.Doc, &b.Size, 1, 100),
		"attempts":      strictyaml.Int(l.Doc, &b.Attempts, 1, 100),
		"backoff":       l.backoff,
		"poll_interval": l.Duration(&b.PollInterval, 10*time.Millisecond, 10*time.Minute),
		"boot_timeout":  l.Duration(&b.BootTimeout, 100*time.Millisecond, 24*time.Hour),
	})
	if n := oneOf(given, "poll_interval", "boot_timeout"); n != nil && b.PollInterval >= b.BootTimeout {
		l.Refuse(n, strictyaml.Faultf("poll more often, or wait longer for a boot",
			"poll_interval %s is not below boot_timeout %s", strictyaml.Short(b.PollInterval), strictyaml.Short(b.BootTimeout)))
	}
}

func (l *loader) backoff(key, value *yaml.Node) {
	b := &l.config.Batch.Backoff
	given := l.Mapping(key, value, strictyaml.Keys{
		"initial": l.Duration(&b.Initial, time.Millisecond, 10*time.Minute),
		"max":     l.Duration(&b.Max, time.Millisecond, time.Hour),
	})
	if n := oneOf(given, "initial", "max"); n != nil && b.Initial > b.Max {
		l.Refuse(n, strictyaml.Faultf("lower initial or raise max", "initial %s is above max %s", strictyaml.Short(b.Initial), strictyaml.Short(b.Max)))
	}
}

// oneOf is the first of the named values that the file gives: where a relation between two is
// reported.
func oneOf(given map[string]*yaml.Node, names ...string) *yaml.Node {
	for _, name := range names {
		if n := given[name]; n != nil {
			return n
		}
	}
	return nil
}

// zone reads a zone's name. Zones are kept: thousands of schedules share a few, and each is a file
// to parse.
func (l *loader) zone(dst **time.Location) strictyaml.Read {
	read := strictyaml.Value(l.Doc, dst, "a time zone such as Asia/Singapore", func(name string) (*time.Location, error) {
		if name == "" {
			return nil, strictyaml.Faultf("name one, such as Asia/Singapore, or take the key out", "the time zone is empty")
		}
		z, ok := l.zones[name]
		if !ok {
			z = l.loadZone(name)
			l.zones[name] = z
		}
		return z.zone, z.err
	})
	return func(key, value *yaml.Node) {
		if l.Sound(func() { read(key, value) }) {
			l.warnZone(value, *dst)
		}
	}
}

// warnZone reports a zone that may not mean what it says, at the first place that names it.
func (l *loader) warnZone(at *yaml.Node, zone *time.Location) {
	name := "zone " + zone.String()
	if warning := cron.ZoneWarning(zone); warning != "" && !l.used[name] {
		l.used[name] = true
		l.Warn(at, errors.New(warning))
	}
}

// maxZoneHints bounds how many wrong zones of a file get a hint at the nearest name.
const maxZoneHints = 50

func (l *loader) loadZone(name string) (z loadedZone) {
	if l.badZones >= maxZoneHints {
		z.zone, z.err = cron.FindZone(name)
	} else {
		z.zone, z.err = cron.LoadZone(name)
	}
	if z.err != nil {
		l.badZones++
	}
	return z
}

type loadedZone struct {
	zone *time.Location
	err  error
}

func (l *loader) warnUnused(section *yaml.Node, prefix, user, noun string) {
	if section == nil {
		return
	}
	for i := 0; i+1 < len(section.Content); i += 2 {
		if k := section.Content[i]; !l.used[prefix+k.Value] {
			l.Warn(k, strictyaml.Faultf("", "no %s uses the %s %s", user, noun, strictyaml.Quote(k.Value)))
		}
	}
}

// watched is a path of the configuration as it is opened: relative to the folder of the file that
// names it. It is remembered as one to watch, readable or not.
func (l *loader) watched(name string) string {
	path := l.path(name)
	if !l.used["file "+path] {
		l.used["file "+path] = true
		l.config.Files = append(l.config.Files, path)
	}
	return path
}

func (l *loader) path(name string) string { return beside(l.File, name) }

// checkEndpoint never shows the text itself where that may hold a password.
func checkEndpoint(text string) (string, error) {
	const remedy = "write it as https://console.zenlayer.com"
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", strictyaml.Faultf(remedy, "this is not a URL")
	case u.User != nil:
		return "", strictyaml.Faultf("credentials come from the environment or a credentials file; take them out of here", "the URL holds a user or password")
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return "", strictyaml.Faultf(remedy, "%s is not an https URL with a host", strictyaml.Quote(text))
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "", strictyaml.Faultf("use https", "http would send requests in the open; it is for loopback addresses only")
	case strings.Trim(u.Path, "/") != "":
		return "", strictyaml.Faultf("leave it out: zecpower knows the path", "the URL has a path")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		return "", strictyaml.Faultf("leave them out", "the URL has a query or a fragment")
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "", strictyaml.Faultf("use 1 to 65535, or leave it out", "the port %s is out of range", strictyaml.Quote(port))
		}
	}
	return u.Scheme + "://" + u.Host, nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func checkVersion(text string) (string, error) {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return "", strictyaml.Faultf("write a date such as 2025-09-01", "%s is not an API version", strictyaml.Quote(text))
	}
	return text, nil
}
