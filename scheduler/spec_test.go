package scheduler

import (
	"testing"

	"zecpower/internal/store"
)

func TestDecisionsStartFromTheWatermark(t *testing.T) {
	s := mustSchedule(t, "s", "45 7 * * *")
	now := at("05 12:00")
	for _, tc := range []struct {
		story     string
		watermark store.Watermark
		known     bool
		decided   string
		want      string
	}{
		{"a new schedule starts from now", store.Watermark{}, false, "05 11:00", "05 12:00"},
		{"from where it was", store.Watermark{Through: at("03 08:00"), Spec: s.spec()}, true, "02 08:00", "03 08:00"},
		{"from where all were", store.Watermark{Through: at("03 08:00"), Spec: s.spec()}, true, "05 11:00", "05 11:00"},
		{"an edited one starts from now", store.Watermark{Through: at("03 08:00"), Spec: "other"}, true, "05 11:00", "05 12:00"},
		{"one that was paused then starts from now", store.Watermark{Through: at("03 08:00"), Spec: s.spec() + pausedSuffix}, true, "05 11:00", "05 12:00"},
		{"a watermark in the future is ignored", store.Watermark{Through: at("07 08:00"), Spec: s.spec()}, true, "05 11:00", "05 12:00"},
		{"so is a common instant in the future", store.Watermark{Through: at("03 08:00"), Spec: s.spec()}, true, "07 11:00", "03 08:00"},
	} {
		t.Run(tc.story, func(t *testing.T) {
			if got := startFrom(tc.watermark, tc.known, s.spec(), at(tc.decided), now); !got.Equal(at(tc.want)) {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
