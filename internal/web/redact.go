package web

import (
	"bytes"
	"log"
	"regexp"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// quoted is what the YAML library cites of a file when it complains about it:
// for a password in the wrong place, the password.
var quoted = regexp.MustCompile("`[^`]*`")

// describe words an error about the web configuration file without its contents.
func describe(err error) string {
	if strings.HasPrefix(err.Error(), "crypto/bcrypt: ") { // some of whose texts cite the first letter
		return "basic_auth_users: a password is not a bcrypt hash; make one with: htpasswd -nBC 10 '' | tr -d ':\\n'"
	}
	return hideQuoted(err.Error())
}

func hideQuoted(text string) string { return quoted.ReplaceAllString(text, "`[redacted]`") }

// redactCore applies hideQuoted to the strings that exporter-toolkit logs: it
// reads its file again at each request, and logs what the YAML library says.
type redactCore struct{ zapcore.Core }

func redact(core zapcore.Core) zapcore.Core { return redactCore{core} }

// With implements zapcore.Core.
func (c redactCore) With(fields []zapcore.Field) zapcore.Core {
	return redactCore{c.Core.With(hideFields(fields))}
}

// Check implements zapcore.Core.
func (c redactCore) Check(entry zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return ce.AddCore(entry, c)
	}
	return ce
}

// Write implements zapcore.Core.
func (c redactCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	entry.Message = hideQuoted(entry.Message)
	return c.Core.Write(entry, hideFields(fields))
}

func hideFields(fields []zapcore.Field) []zapcore.Field {
	hidden := make([]zapcore.Field, len(fields))
	for i, f := range fields {
		switch err, isError := f.Interface.(error); {
		case f.Type == zapcore.StringType:
			f.String = hideQuoted(f.String)
		case f.Type == zapcore.ErrorType && isError:
			f = zap.String(f.Key, hideQuoted(err.Error()))
		}
		hidden[i] = f
	}
	return hidden
}

// handshakeError begins what net/http says of a client that does not speak TLS as asked.
var handshakeError = []byte("http: TLS handshake error")

// errorLog takes net/http's complaints: warnings, but for failed handshakes,
// which any port scanner causes as often as it likes.
func errorLog(logger *zap.Logger) *log.Logger {
	return log.New(errorWriter{logger.Named("web")}, "", 0)
}

type errorWriter struct{ logger *zap.Logger }

// Write implements io.Writer.
func (w errorWriter) Write(p []byte) (int, error) {
	level := zapcore.WarnLevel
	if bytes.HasPrefix(p, handshakeError) {
		level = zapcore.DebugLevel
	}
	w.logger.Log(level, string(bytes.TrimSuffix(p, []byte("\n"))))
	return len(p), nil
}
