package logging

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"
)

// The formats of Config.Format.
const (
	FormatJSON    = "json"
	FormatConsole = "console"
)

// timeLayout is RFC 3339 in UTC, always three digits of a second.
const timeLayout = "2006-01-02T15:04:05.000Z"

// Config says how to log. The zero value logs info and up to standard error.
type Config struct {
	// Level is the lowest level that is logged: debug, info, warn or error. Empty is info.
	Level string
	// Format is json or console. Empty is console where Output is a terminal, else json.
	Format string
	// Output receives the lines; nil is standard error. While it is stuck, lines wait within bounds
	// and callers go on. A terminal or the journal is recognised
	// only where Output is an *os.File.
	Output io.Writer
	// JournalStream is $JOURNAL_STREAM: device and inode of the journal's
	// stream, as systemd sets it for a service. Empty is none.
	JournalStream string
}

// New builds a logger. An error names the flag that is wrong.
func New(cfg Config) (*zap.Logger, error) {
	level, err := parseLevel(cfg.Level)
	if err != nil {
		return nil, err
	}
	if cfg.Output == nil {
		cfg.Output = os.Stderr
	}
	encoder, err := newEncoder(cfg.Format, isTerminal(cfg.Output))
	if err != nil {
		return nil, err
	}
	stream := &steady{out: cfg.Output}
	c := core{LevelEnabler: level, encoder: encoder, out: stream}
	if isJournal(cfg.Output, cfg.JournalStream) {
		c.encoder = journalEncoder{encoder}
		c.out = journalWriter{stream: stream, send: sendNative}
	}
	return zap.New(c, zap.ErrorOutput(zapcore.AddSync(stream))), nil
}

// Slog gives a logger for libraries that log through log/slog, named as given.
func Slog(logger *zap.Logger, name string) *slog.Logger {
	// The errors are those of peers, so a stack trace of ours would not help.
	const never = slog.Level(127)
	return slog.New(zapslog.NewHandler(logger.Core(), zapslog.WithName(name), zapslog.AddStacktraceAt(never)))
}

func parseLevel(text string) (zapcore.Level, error) {
	switch text {
	case "debug":
		return zapcore.DebugLevel, nil
	case "", "info":
		return zapcore.InfoLevel, nil
	case "warn":
		return zapcore.WarnLevel, nil
	case "error":
		return zapcore.ErrorLevel, nil
	}
	return 0, fmt.Errorf("--log.level %q: not a level; use debug, info, warn or error", text)
}

func newEncoder(format string, terminal bool) (zapcore.Encoder, error) {
	cfg := zapcore.EncoderConfig{
		TimeKey: "ts", LevelKey: "level", NameKey: "logger", MessageKey: "msg", StacktraceKey: "stack",
		LineEnding:     zapcore.DefaultLineEnding,
		EncodeTime:     encodeTime,
		EncodeLevel:    zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.StringDurationEncoder,
	}
	switch {
	case format == FormatJSON || format == "" && !terminal:
		return zapcore.NewJSONEncoder(cfg), nil
	case format == FormatConsole || format == "":
		cfg.EncodeLevel = zapcore.CapitalLevelEncoder
		cfg.ConsoleSeparator = "  "
		return zapcore.NewConsoleEncoder(cfg), nil
	}
	return nil, fmt.Errorf("--log.format %q: not a format; use json or console", format)
}

func encodeTime(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
	enc.AppendString(t.UTC().Format(timeLayout))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
