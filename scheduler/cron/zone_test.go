package cron

import (
	"strings"
	"testing"
	"time"
)

func TestZoneNames(t *testing.T) {
	for name, want := range map[string]string{
		"Local": "depends on the host", "localtime": "depends on the host", "asia/singapore": "did you mean Asia/Singapore?",
		"Asia/Singapor": "did you mean Asia/Singapore?", "Shanghai": "did you mean Asia/Shanghai?", "New York": "did you mean America/New_York?",
		"Mars/Olympus_Mons_Base": "write region and city", "../../etc/passwd": "write region and city", "right/Asia/Tokyo": "leave",
		strings.Repeat("x", 100): "write region and city", "SGT": "",
	} {
		if _, err := LoadZone(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if zone, err := LoadZone(""); err != nil || zone != time.UTC {
		t.Errorf("no name: %v, %v", zone, err)
	}
}
