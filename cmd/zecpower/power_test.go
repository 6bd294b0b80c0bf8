package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"zecpower/internal/app"
	"zecpower/internal/logging"
	"zecpower/internal/power"
	"zecpower/internal/store/bolt"
)

func TestARunByHandDoesNotHaveTheDaemonStoppedForItsHistory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	daemon, err := bolt.Open(bolt.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	var log bytes.Buffer
	logger, err := logging.New(logging.Config{Level: "info", Format: logging.FormatConsole, Output: &log})
	if err != nil {
		t.Fatal(err)
	}
	h := &host{getenv: func(name string) string { return map[string]string{"STATE_DIRECTORY": dir}[name] }}
	now := time.Now()
	end := app.ManualEnd{Report: power.Report{Action: power.ActionStart, ScheduledAt: now, StartedAt: now, FinishedAt: now}}
	h.remember(t.Context(), end, "", nil, logger)
	if text := log.String(); !strings.Contains(text, "will not be in zecpower history") ||
		!strings.Contains(text, "a running daemon holds "+dir) || strings.Contains(text, "stop that one") {
		t.Errorf("logged: %s", text)
	}
}
