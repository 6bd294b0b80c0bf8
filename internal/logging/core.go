package logging

import (
	"go.uber.org/zap/zapcore"

	"zecpower/internal/event"
)

// weight is how much a line matters where a stuck reader makes the log lose some.
type weight int8

const (
	ordinary weight = iota
	single          // about one instance: dropped first
	kept            // never dropped: it has what a person needs to know
)

// importance is a field that carries a line's weight to the core. No encoder writes it.
func importance(l event.Line) zapcore.Field {
	w := ordinary
	switch {
	case l.Keep:
		w = kept
	case l.Single != "":
		w = single
	}
	return zapcore.Field{Type: zapcore.SkipType, Interface: w}
}

// lineWriter writes one line at a time.
type lineWriter interface {
	writeLine(p []byte, w weight) error
}

// core is zap's own, but that it passes the weight of a line on.
type core struct {
	zapcore.LevelEnabler
	encoder zapcore.Encoder
	out     lineWriter
}

// With implements zapcore.Core.
func (c core) With(fields []zapcore.Field) zapcore.Core {
	c.encoder = c.encoder.Clone()
	for i := range fields {
		fields[i].AddTo(c.encoder)
	}
	return c
}

// Check implements zapcore.Core.
func (c core) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c core) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	w := ordinary
	for _, f := range fields {
		if of, ok := f.Interface.(weight); ok {
			w = of
		}
	}
	line, err := c.encoder.EncodeEntry(entry, fields)
	if err != nil {
		return err
	}
	defer line.Free()
	return c.out.writeLine(line.Bytes(), w)
}

// Sync implements zapcore.Core: no line is held back.
func (c core) Sync() error { return nil }
