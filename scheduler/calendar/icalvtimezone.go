package calendar

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxOnsets bounds the transitions of all VTIMEZONEs of a file.
	maxOnsets = 200_000
	// lastOnset is the year that ends the transitions of a rule without an end.
	lastOnset = 2100
)

// vtimezone is one VTIMEZONE: the offsets of a zone and when they begin to apply.
type vtimezone struct {
	line        int // of its BEGIN
	id          string
	observances []observance
}

// observance is one STANDARD or DAYLIGHT, as it stands in the file. Nothing of it is checked before
// an event names the zone: most files carry zones that the tz database has, too.
type observance struct {
	start, from, to, rule string
	dates                 []string
}

func (z *vtimezone) take(p icsProperty, top bool) {
	if top {
		if p.name == "TZID" {
			z.id = p.value
		}
		return
	}
	o := &z.observances[len(z.observances)-1]
	switch p.name {
	case "DTSTART":
		o.start = p.value
	case "TZOFFSETFROM":
		o.from = p.value
	case "TZOFFSETTO":
		o.to = p.value
	case "RRULE":
		o.rule = p.value
	case "RDATE":
		o.dates = append(o.dates, strings.Split(p.value, ",")...)
	}
}

// onset is when an offset begins to apply.
type onset struct {
	at       int64 // Unix time
	from, to int   // seconds east of UTC
}

// location makes the zone one that package time knows. budget is the onsets that it may have.
func (z *vtimezone) location(budget *int) (*time.Location, error) {
	if len(z.observances) == 0 {
		return nil, errors.New("no STANDARD and no DAYLIGHT")
	}
	var onsets []onset
	for _, o := range z.observances {
		more, err := o.onsets(*budget)
		if err != nil {
			return nil, err
		}
		*budget -= len(more)
		onsets = append(onsets, more...)
	}
	slices.SortStableFunc(onsets, func(a, b onset) int { return cmp.Compare(a.at, b.at) })
	return time.LoadLocationFromTZData(z.id, tzif(onsets))
}

// onsets are the times at which the observance begins.
func (o observance) onsets(limit int) ([]onset, error) {
	from, err := parseUTCOffset(o.from)
	if err != nil {
		return nil, fmt.Errorf("TZOFFSETFROM: %w", err)
	}
	to, err := parseUTCOffset(o.to)
	if err != nil {
		return nil, fmt.Errorf("TZOFFSETTO: %w", err)
	}
	// Onsets are readings of the clock before it changes.
	before := time.FixedZone("", from)
	c := clock{zone: before, local: before}
	start, err := parseStamp(o.start, nil)
	if err != nil {
		return nil, fmt.Errorf("DTSTART: %w", err)
	}
	at := []time.Time{c.read(start)}
	if o.rule != "" {
		if at, err = o.expand(c, at[0], limit); err != nil {
			return nil, err
		}
	}
	if len(at)+len(o.dates) > limit {
		return nil, errors.New("too many transitions")
	}
	for _, date := range o.dates {
		s, err := parseStamp(date, nil)
		if err != nil {
			return nil, fmt.Errorf("RDATE: %w", err)
		}
		at = append(at, c.read(s))
	}
	list := make([]onset, len(at))
	for i, reading := range at {
		list[i] = onset{instant(reading, before).Unix(), from, to}
	}
	return list, nil
}

func (o observance) expand(c clock, start time.Time, limit int) ([]time.Time, error) {
	r, _, err := parseRule(o.rule, nil)
	if err != nil {
		return nil, fmt.Errorf("RRULE %.80q: %w", o.rule, err)
	}
	var until time.Time
	if r.until != nil {
		until = c.lastMoment(*r.until)
	}
	found, err := r.expand(start, until, time.Date(lastOnset, 1, 1, 0, 0, 0, 0, time.UTC), limit)
	if err != nil {
		return nil, fmt.Errorf("RRULE %.80q: %w", o.rule, err)
	}
	if found.unlisted && len(found.at) > 1 {
		return found.at[1:], nil // some programs begin in 1601, on any day
	}
	return found.at, nil
}

// parseUTCOffset reads +0800, -0330 and -023646.
func parseUTCOffset(text string) (seconds int, err error) {
	digits := strings.TrimLeft(text, "+-")
	if len(text) != len(digits)+1 || len(digits) != 4 && len(digits) != 6 || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("%.20q is no offset such as +0800", text)
	}
	unit := 3600
	for i := 0; i < len(digits); i += 2 {
		n, _ := strconv.Atoi(digits[i : i+2])
		seconds += n * unit
		unit /= 60
	}
	if seconds >= 24*3600 {
		return 0, fmt.Errorf("%.20q is no offset of less than a day", text)
	}
	if text[0] == '-' {
		seconds = -seconds
	}
	return seconds, nil
}

// tzif writes onsets in order as a file of the tz database (RFC 8536, version 2), the one form in
// which package time takes the rules of a zone.
func tzif(onsets []onset) []byte {
	offsets := []int{onsets[0].from} // before the first onset
	index := make([]byte, len(onsets))
	for i, o := range onsets {
		at := slices.Index(offsets, o.to)
		if at < 0 && len(offsets) < 255 {
			at = len(offsets)
			offsets = append(offsets, o.to)
		}
		index[i] = byte(max(at, 0))
	}
	var b bytes.Buffer
	header := func(times, types, chars int) {
		b.WriteString("TZif2")
		b.Write(make([]byte, 15))
		for _, n := range []int{0, 0, 0, times, types, chars} {
			_ = binary.Write(&b, binary.BigEndian, uint32(n)) // a buffer takes all
		}
	}
	header(0, 0, 0) // version 1, which is not read
	header(len(onsets), len(offsets), 4)
	for _, o := range onsets {
		_ = binary.Write(&b, binary.BigEndian, o.at)
	}
	b.Write(index)
	for _, seconds := range offsets {
		_ = binary.Write(&b, binary.BigEndian, int32(seconds))
		b.Write([]byte{0, 0}) // no daylight saving time, name at 0
	}
	b.WriteString("LMT\x00\n\n")
	return b.Bytes()
}
