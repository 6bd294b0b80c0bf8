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
		"no function that prepares":        {Store: &session{}, Emit: unheard},
		"no store":                         {Prepare: prepare, Emit: unheard},
		"no function that receives events": {Prepare: prepare, Store: &session{}},
		"negative":                         {Prepare: prepare, Store: &session{}, Emit: unheard, Heartbeat: -1},
		`"s": named twice`:                 {Prepare: prepare, Store: &session{}, Emit: unheard, Schedules: []Schedule{s, s}},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
