package web

import (
	"bytes"
	"log"
	"regexp"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// quoted is what the YAML library cites of a file in its errors. Of a password in the wrong place,
// that is the password.
var quoted = regexp.MustCompile("`[^`]*`")

// describe is the text of an error about the web configuration file without the file's contents.
func describe(err error) string {
	if strings.HasPrefix(err.Error(), "crypto/bcrypt: ") { // some of whose texts cite the first letter
		return "basic_auth_users: a password is not a bcrypt hash; make one with: htpasswd -nBC 10 '' | tr -d ':\\n'"
	}
	return hideQuoted(err.Error())
}

func hideQuoted(text string) string { return quoted.ReplaceAllString(text, "`[redacted]`") }

// redactCore applies hideQuoted to what exporter-toolkit logs. It reads its file again at each
// request and logs the errors of the YAML library.
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

// handshakeError begins net/http's message about a failed TLS handshake.
var handshakeError = []byte("http: TLS handshake error")

// errorLog logs net/http's messages as warnings. Failed handshakes are debug, because any port
// scanner can cause them without limit.
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
