package scheduler

import (
	"context"
	"strings"
	"testing"
)

func TestConfigIsChecked(t *testing.T) {
	prepare := ready(func(context.Context, Firing) RunEnd { return RunEnd{} })
	s := mustSchedule(t, "s", "@daily")
	for name, cfg := range map[string]Config{
		"no function that prepares": {Store: &session{}, Observer: events{}},
		"no store":                  {Prepare: prepare, Observer: events{}},
		"no observer":               {Prepare: prepare, Store: &session{}},
		"negative":                  {Prepare: prepare, Store: &session{}, Observer: events{}, Heartbeat: -1},
		`"s": named twice`:          {Prepare: prepare, Store: &session{}, Observer: events{}, Schedules: []Schedule{s, s}},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
