package scheduler

import (
	"context"
	"strings"
	"testing"
)

func TestConfigIsChecked(t *testing.T) {
	run := func(context.Context, Firing) RunEnd { return RunEnd{} }
	s := mustSchedule(t, "s", "@daily")
	for name, cfg := range map[string]Config{
		"no run function":  {Store: &session{}, Observer: events{}},
		"no store":         {Run: run, Observer: events{}},
		"no observer":      {Run: run, Store: &session{}},
		"negative":         {Run: run, Store: &session{}, Observer: events{}, Heartbeat: -1},
		`"s": named twice`: {Run: run, Store: &session{}, Observer: events{}, Schedules: []Schedule{s, s}},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
