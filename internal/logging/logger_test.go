package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zecpower/apiclient"
)

func TestFlagsThatAreNoneAreRefusedByName(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Level: "verbose"}, `--log.level "verbose"`},
		{Config{Level: "INFO"}, "--log.level"},
		{Config{Format: "xml"}, `--log.format "xml"`},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
}

func TestLevelIsTheLowestThatIsLogged(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "": 3, "info": 3, "warn": 2, "error": 1} {
		var out bytes.Buffer
		logger, err := New(Config{Level: level, Output: &out})
		if err != nil {
			t.Fatal(err)
		}
		logger.Debug("a")
		logger.Info("b")
		logger.Warn("c")
		logger.Error("d")
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("level %q: %d lines, want %d:\n%s", level, got, want, out.String())
		}
	}
}

func TestJSONLineHasUTCMilliseconds(t *testing.T) {
	var out bytes.Buffer
	logger, err := New(Config{Output: &out})
	if err != nil {
		t.Fatal(err)
	}
	singapore := time.FixedZone("+08", 8*3600)
	logger.Warn("run finished", zap.Time("scheduled_at", time.Date(2026, 11, 23, 7, 45, 0, 0, singapore)))
	var line map[string]string
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["scheduled_at"] != "2026-11-22T23:45:00.000Z" || line["level"] != "warn" || line["msg"] != "run finished" {
		t.Errorf("%v", line)
	}
	if ts, err := time.Parse(timeLayout, line["ts"]); err != nil || time.Since(ts) > time.Minute {
		t.Errorf("ts %q: %v", line["ts"], err)
	}
}

func TestFormatFollowsTheTerminal(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo terminal here: %v", err)
	}
	defer terminal.Close()
	if !isTerminal(terminal) || isTerminal(&bytes.Buffer{}) {
		t.Error("a terminal is taken for a buffer")
	}
	for _, c := range []struct {
		format   string
		terminal bool
		json     bool
	}{{"", true, false}, {"", false, true}, {"json", true, true}, {"console", false, false}} {
		encoder, err := newEncoder(c.format, c.terminal)
		if err != nil {
			t.Fatal(err)
		}
		line, err := encoder.EncodeEntry(zapcore.Entry{Message: "x"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if json.Valid(line.Bytes()) != c.json {
			t.Errorf("%+v: %s", c, line)
		}
	}
}

func TestPrioritiesComeOnlyWhenTheOutputIsTheJournal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	own := fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	for stream, want := range map[string]bool{
		own: true, "": false, fmt.Sprintf("%d:%d", st.Dev, st.Ino+1): false, fmt.Sprintf("%d:%d", st.Dev+1, st.Ino): false,
		"nonsense": false, "8": false,
	} {
		if got := isJournal(file, stream); got != want {
			t.Errorf("JOURNAL_STREAM=%q: %v, want %v", stream, got, want)
		}
	}
	if isJournal(&bytes.Buffer{}, own) {
		t.Error("a buffer is the journal")
	}

	logger, err := New(Config{Level: "debug", Output: file, JournalStream: own})
	if err != nil {
		t.Fatal(err)
	}
	logger.Debug("a")
	logger.With(zap.Int("n", 1)).Info("b") // a clone keeps the priority
	logger.Warn("c")
	logger.Error("d")
	content, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	for i, prefix := range []string{"<7>", "<6>", "<4>", "<3>"} {
		if rest, ok := strings.CutPrefix(lines[i], prefix); !ok || !json.Valid([]byte(rest)) {
			t.Errorf("line %d: %s; want %s and JSON", i, lines[i], prefix)
		}
	}
}

func TestEveryLineOfAnEntryHasItsPriority(t *testing.T) {
	plain, err := newEncoder(FormatConsole, false)
	if err != nil {
		t.Fatal(err)
	}
	line, err := journalEncoder{plain}.EncodeEntry(zapcore.Entry{Level: zapcore.ErrorLevel, Message: "x", Stack: "a\nb"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(line.String(), "\n"), "\n")
	for _, l := range got {
		if !strings.HasPrefix(l, "<3>") {
			t.Errorf("%q in %q", l, line)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d lines: %q", len(got), line)
	}
}

func TestLineTooLongForTheStreamReachesTheJournalWhole(t *testing.T) {
	for name, refused := range map[string]error{"sent": nil, "refused": errors.New("no journal socket")} {
		t.Run(name, func(t *testing.T) {
			var stream bytes.Buffer
			var sent string
			var sentAt journal.Priority
			w := journalWriter{stream: &steady{out: &stream}, send: func(message string, p journal.Priority) error {
				sent, sentAt = message, p
				return refused
			}}
			plain, err := newEncoder(FormatJSON, false)
			if err != nil {
				t.Fatal(err)
			}
			logger := zap.New(core{zapcore.InfoLevel, journalEncoder{plain}, w})
			logger.Info("short")
			if sent != "" || !strings.HasPrefix(stream.String(), "<6>") {
				t.Errorf("a short line: sent %q, stream %q", sent, stream.String())
			}
			stream.Reset()
			ids := make([]string, 5000)
			for i := range ids {
				ids[i] = fmt.Sprintf("i-%06d", i)
			}
			logger.Error(eventRunFinished, zap.Strings("failed_ids", ids))
			if !json.Valid([]byte(sent)) || !strings.Contains(sent, "i-004999") || sentAt != journal.PriErr {
				t.Errorf("priority %d, %d bytes", sentAt, len(sent))
			}
			if inStream := stream.Len() > 0; inStream != (refused != nil) {
				t.Errorf("refused: %v, yet %d bytes in the stream", refused, stream.Len())
			}
		})
	}
}

func TestSecretIsRedactedInEveryEncoding(t *testing.T) {
	secret := apiclient.NewSecret("hunter2")
	credentials := apiclient.Credentials{AccessKeyID: "key", AccessKeySecret: secret}
	for _, format := range []string{FormatJSON, FormatConsole} {
		var out bytes.Buffer
		logger, err := New(Config{Format: format, Output: &out})
		if err != nil {
			t.Fatal(err)
		}
		logger.Info("x", zap.Any("a", secret), zap.Reflect("b", credentials), zap.Stringer("c", secret),
			zap.String("d", fmt.Sprintf("%+v %#v %s %q %d", credentials, credentials, secret, secret, secret)),
			zap.Error(fmt.Errorf("with %v", credentials)))
		logger.Sugar().Infow("y", "a", secret, "b", &credentials)
		Slog(logger, "z").Info("z", "a", secret, "b", credentials)
		if strings.Contains(out.String(), "hunter2") || strings.Count(out.String(), "\n") != 3 {
			t.Errorf("%s: %s", format, out.String())
		}
	}
}

func TestSlogSpeaksThroughTheLogger(t *testing.T) {
	var out bytes.Buffer
	logger, err := New(Config{Output: &out})
	if err != nil {
		t.Fatal(err)
	}
	s := Slog(logger, "web")
	s.Debug("unheard")
	s.Error("broken", "err", errors.New("no certificate"))
	var line map[string]string
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["logger"] != "web" || line["msg"] != "broken" || line["err"] != "no certificate" || line["stack"] != "" {
		t.Errorf("%v", line)
	}
}
