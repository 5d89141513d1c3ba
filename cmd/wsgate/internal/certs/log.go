package certs

import (
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap/zapcore"
)

// logCore gives certmagic's warnings and errors to the operator's log, a line
// each. What it does when all goes well is told by events.
type logCore struct {
	logf   func(format string, args ...any)
	fields []zapcore.Field
}

// Enabled implements zapcore.LevelEnabler.
func (c *logCore) Enabled(level zapcore.Level) bool { return level >= zapcore.WarnLevel }

// With implements zapcore.Core.
func (c *logCore) With(fields []zapcore.Field) zapcore.Core {
	return &logCore{logf: c.logf, fields: slices.Concat(c.fields, fields)}
}

// Check implements zapcore.Core.
func (c *logCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c *logCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range slices.Concat(c.fields, fields) {
		f.AddTo(values)
	}
	var b strings.Builder
	for _, name := range []string{"identifier", "identifiers", "challenge_type", "ca", "problem", "error"} {
		if v, ok := values.Fields[name]; ok {
			fmt.Fprintf(&b, " %s=%v", name, v)
		}
	}
	c.logf("acme: %s%s", strings.ReplaceAll(e.Message, "\n", " "), strings.ReplaceAll(b.String(), "\n", " "))
	return nil
}

// Sync implements zapcore.Core.
func (c *logCore) Sync() error { return nil }
