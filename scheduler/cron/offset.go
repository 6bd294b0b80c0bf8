package cron

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// offsetShape is an offset that stands in the place of a zone's name: GMT+8, UTC-05:30, +08:00.
var offsetShape = regexp.MustCompile(`^(?i:Etc/)?(?i:GMT|UTC|UCT|Z)? ?([+-])?([0-9]{1,2}):?([0-9]{2})?$`)

// parseOffset reads such an offset as people mean it: GMT+8 is eight hours ahead of UTC.
func parseOffset(name string) (offset time.Duration, ok bool) {
	m := offsetShape.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	hours, _ := strconv.Atoi(m[2])
	minutes, _ := strconv.Atoi("0" + m[3])
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if m[1] == "-" {
		offset = -offset
	}
	return offset, offset >= -12*time.Hour && offset <= 14*time.Hour && minutes < 60
}

// refuseOffset says which zone to name instead of an offset.
func refuseOffset(name string, offset time.Duration) error {
	text := offsetText(offset)
	hint := "name a region and city whose clock shows " + text
	if region := regionAt(offset); region != "" {
		hint = "name the region, as in " + region + " for " + text
	}
	if etc := etcZone(offset); etc != "" {
		hint += ", or for that offset all year " + etc + ", whose sign is inverted"
	}
	return fmt.Errorf("time zone %q: an offset, which does not say when the clock changes; %s", name, hint)
}

// offsetText is an offset as people write it: UTC+8, UTC-9:30.
func offsetText(offset time.Duration) string {
	if offset == 0 {
		return "UTC"
	}
	sign, minutes := "+", int(offset/time.Minute)
	if minutes < 0 {
		sign, minutes = "-", -minutes
	}
	if minutes%60 == 0 {
		return fmt.Sprintf("UTC%s%d", sign, minutes/60)
	}
	return fmt.Sprintf("UTC%s%d:%02d", sign, minutes/60, minutes%60)
}

// etcZone is the Etc zone of an offset in whole hours, or "".
func etcZone(offset time.Duration) string {
	switch {
	case offset == 0:
		return "UTC"
	case offset%time.Hour != 0:
		return ""
	}
	return fmt.Sprintf("Etc/GMT%+d", -int(offset/time.Hour))
}

// regions are a well-known zone for each standard offset in use.
const regions = `
-11:00 Pacific/Pago_Pago
-10:00 Pacific/Honolulu
-9:30 Pacific/Marquesas
-9:00 America/Anchorage
-8:00 America/Los_Angeles
-7:00 America/Denver
-6:00 America/Chicago
-5:00 America/New_York
-4:00 America/Halifax
-3:30 America/St_Johns
-3:00 America/Sao_Paulo
-2:00 America/Noronha
-1:00 Atlantic/Cape_Verde
+1:00 Europe/Berlin
+2:00 Europe/Athens
+3:00 Asia/Riyadh
+3:30 Asia/Tehran
+4:00 Asia/Dubai
+4:30 Asia/Kabul
+5:00 Asia/Karachi
+5:30 Asia/Kolkata
+5:45 Asia/Kathmandu
+6:00 Asia/Dhaka
+6:30 Asia/Yangon
+7:00 Asia/Bangkok
+8:00 Asia/Singapore
+8:45 Australia/Eucla
+9:00 Asia/Tokyo
+9:30 Australia/Adelaide
+10:00 Australia/Sydney
+10:30 Australia/Lord_Howe
+11:00 Pacific/Guadalcanal
+12:00 Pacific/Auckland
+12:45 Pacific/Chatham
+13:00 Pacific/Tongatapu
+14:00 Pacific/Kiritimati
`

// regionAt is a zone whose clock shows the offset in winter, or "".
func regionAt(offset time.Duration) string {
	for line := range strings.Lines(regions) {
		text, region, _ := strings.Cut(strings.TrimSpace(line), " ")
		if at, ok := parseOffset(text); ok && at == offset {
			return region
		}
	}
	return ""
}

// ZoneWarning is a remark about a zone that is accepted but may not mean what its name seems to
// say; "" where there is none.
func ZoneWarning(zone *time.Location) string {
	name := zone.String()
	_, seconds := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).In(zone).Zone()
	offset := time.Duration(seconds) * time.Second
	etc := strings.HasPrefix(name, "Etc/GMT") && offset != 0
	meant := map[string]string{"EST": "America/New_York", "MST": "America/Denver", "HST": "Pacific/Honolulu"}[name]
	switch {
	case etc:
		return fmt.Sprintf("time zone %s knows no daylight saving time: it is %s all year, because the signs of Etc zones are inverted; name a region where that is not meant",
			name, offsetText(offset))
	case meant != "":
		return fmt.Sprintf("time zone %s knows no daylight saving time: it is %s all year; name a region where that is not meant, as in %s", name, offsetText(offset), meant)
	}
	return ""
}
