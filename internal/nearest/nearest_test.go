package nearest

import (
	"strings"
	"testing"
)

func TestWordFindsTheMistypedKey(t *testing.T) {
	keys := []string{"api", "batch_size", "boot_timeout", "catch_up", "cron", "groups", "instances", "instances_file", "poll_interval", "timeout", "web"}
	for word, want := range map[string]string{
		"corn":                   "cron",
		"wbe":                    "web",
		"group":                  "groups",
		"batchSize":              "batch_size",
		"batch-size":             "batch_size",
		"BATCH_SIZE":             "batch_size",
		"interval":               "poll_interval",
		"instance_file":          "instances_file",
		"timout":                 "timeout",
		"database":               "",
		"x":                      "",
		"":                       "",
		strings.Repeat("a", 100): "",
	} {
		if got := Word(word, keys); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestFirstOfEquallyNearWordsWins(t *testing.T) {
	if got := Word("bat", []string{"cat", "hat"}); got != "cat" {
		t.Errorf("got %q", got)
	}
}

func TestDistanceCountsASwapOnce(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("%s %s: got %d, want %d", c.a, c.b, got, c.want)
		}
		if there, back := Distance(c.a, c.b), Distance(c.b, c.a); there != back {
			t.Errorf("%s %s: %d one way, %d the other", c.a, c.b, there, back)
		}
	}
}
