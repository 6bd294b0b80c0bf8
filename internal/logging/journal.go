package logging

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/coreos/go-systemd/v22/journal"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// maxStreamLine is the longest line in bytes that goes to the journal's stream. journald splits
// longer ones at its LineMax, 48 KiB unless configured, and the rest is neither JSON nor of any
// priority.
const maxStreamLine = 40 << 10

// prefixLen is the length of "<6>".
const prefixLen = 3

// isJournal reports whether w is the stream that stream names, "DEVICE:INODE". The variable alone
// proves nothing: children inherit it whose standard error was redirected.
func isJournal(w io.Writer, stream string) bool {
	f, ok := w.(*os.File)
	if !ok || stream == "" {
		return false
	}
	var device, inode uint64
	if n, err := fmt.Sscanf(stream, "%d:%d", &device, &inode); err != nil || n != 2 {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && uint64(st.Dev) == device && st.Ino == inode
}

// priority is the syslog priority of a level.
func priority(l zapcore.Level) journal.Priority {
	switch {
	case l >= zapcore.ErrorLevel:
		return journal.PriErr
	case l >= zapcore.WarnLevel:
		return journal.PriWarning
	case l >= zapcore.InfoLevel:
		return journal.PriInfo
	}
	return journal.PriDebug
}

// journalEncoder puts the priority in front of every line of an entry, those of a stack trace too:
// journald gives a line without one the priority info.
type journalEncoder struct{ zapcore.Encoder }

// Clone implements zapcore.Encoder.
func (e journalEncoder) Clone() zapcore.Encoder { return journalEncoder{e.Encoder.Clone()} }

// EncodeEntry implements zapcore.Encoder.
func (e journalEncoder) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	plain, err := e.Encoder.EncodeEntry(entry, fields)
	if err != nil {
		return nil, err
	}
	prefix := fmt.Appendf(nil, "<%d>", priority(entry.Level))
	lines := append(prefix, bytes.ReplaceAll(bytes.TrimSuffix(plain.Bytes(), []byte("\n")), []byte("\n"), append([]byte("\n"), prefix...))...)
	plain.Reset()
	plain.AppendBytes(lines)
	plain.AppendByte('\n')
	return plain, nil
}

// journalWriter writes entries to the journal's stream, and those with a line too long for it over
// journald's native protocol. Where that fails they go to the stream after all: split is better
// than lost.
type journalWriter struct {
	stream lineWriter
	send   func(message string, p journal.Priority) error
}

// writeLine writes one entry of a journalEncoder.
func (w journalWriter) writeLine(p []byte, of weight) error {
	if longestLine(p) > maxStreamLine && p[0] == '<' {
		prefix := p[:prefixLen]
		message := bytes.ReplaceAll(bytes.TrimSuffix(p[prefixLen:], []byte("\n")), append([]byte("\n"), prefix...), []byte("\n"))
		if w.send(string(message), journal.Priority(p[1]-'0')) == nil {
			return nil
		}
	}
	return w.stream.writeLine(p, of)
}

func longestLine(p []byte) int {
	longest := 0
	for line := range bytes.Lines(p) {
		longest = max(longest, len(line))
	}
	return longest
}

func sendNative(message string, p journal.Priority) error {
	return journal.Send(message, p, map[string]string{"SYSLOG_IDENTIFIER": "zecpower"})
}
