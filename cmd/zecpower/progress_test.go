package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"zecpower/internal/event"
)

func TestTheBarStaysBelowALogLine(t *testing.T) {
	t.Parallel()
	ours, theirs := newTerminal(t, 80)
	bar := newProgress(theirs, startWords)
	run := event.Run{ID: "manual/1"}
	bar.Receive(event.RunStarted{Run: run, Accounts: map[string]int{"default": 8}})
	bar.Receive(event.Progressed{Account: "default", Run: run, Progress: event.Progress{Total: 8, Final: 2}})
	if _, err := io.WriteString(bar.out(), "a log line\n"); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_, _ = io.Copy(&out, ours) // ends with EIO, since the other end is closed
	shown := screen(out.String())
	if len(shown) != 2 || shown[0] != "a log line" || !strings.Contains(shown[1], "(2/8)") {
		t.Errorf("on the screen: %q, want the log line and then the bar", shown)
	}
}
