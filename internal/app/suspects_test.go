package app

import (
	"maps"
	"testing"

	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
)

func TestSuspectsAreThoseOfTheLastRun(t *testing.T) {
	group := func(name string, results ...power.InstanceResult) power.Report {
		return power.Report{Groups: []power.GroupReport{{Group: name, Results: results}}}
	}
	s := newSuspects()
	s.restore(group("web", powertest.Failed("i-1", power.ReasonRejected)))
	s.restore(group("web", powertest.Failed("i-2", power.ReasonRejected))) // older
	s.restore(group("db", powertest.Failed("i-3", power.ReasonNotFound)))
	s.finished(group("db", powertest.Failed("i-4", power.ReasonRecycled), powertest.Failed("i-5", power.ReasonBootTimeout), powertest.Started("i-3")))
	failed := group("db")
	failed.Groups[0].Err = "no such file"
	s.finished(failed)
	for name, want := range map[string]map[string]power.Reason{
		"web": {"i-1": power.ReasonRejected}, "db": {"i-4": power.ReasonRecycled}, "none": nil,
	} {
		if got := s.group(name); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
