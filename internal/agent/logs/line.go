package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// timeLayout is the one that Consul's log lines have.
const timeLayout = "2006-01-02T15:04:05.000Z0700"

// module is what lines are said to come from.
const module = "agent"

// Trace is below slog's levels: Consul has one level more.
const Trace = slog.LevelDebug - 4

// ParseLevel reads the name of a level as Consul's commands write it, in any case.
func ParseLevel(name string) (level slog.Level, ok bool) {
	switch strings.ToUpper(name) {
	case "TRACE":
		return Trace, true
	case "DEBUG":
		return slog.LevelDebug, true
	case "INFO":
		return slog.LevelInfo, true
	case "WARN":
		return slog.LevelWarn, true
	case "ERR", "ERROR":
		return slog.LevelError, true
	}
	return 0, false
}

func levelName(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "error"
	case level >= slog.LevelWarn:
		return "warn"
	case level >= slog.LevelInfo:
		return "info"
	case level >= slog.LevelDebug:
		return "debug"
	}
	return "trace"
}

// asText returns a line such as `2026-01-02T15:04:05.000Z [INFO]  agent: ready: address=127.0.0.1:8500`.
func asText(r *slog.Record, attrs []slog.Attr) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %-7s %s: %s", r.Time.Format(timeLayout), "["+strings.ToUpper(levelName(r.Level))+"]", module, oneLine(r.Message))
	if len(attrs) > 0 {
		b.WriteByte(':')
	}
	for _, a := range attrs {
		value := a.Value.String()
		if value == "" || strings.ContainsAny(value, " \t\r\n\"=") {
			value = strconv.Quote(value)
		}
		fmt.Fprintf(&b, " %s=%s", oneLine(a.Key), value)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// oneLine keeps what is logged from looking like several lines.
func oneLine(text string) string {
	return strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(text)
}

func asJSON(r *slog.Record, attrs []slog.Attr) []byte {
	fields := map[string]any{
		"@timestamp": r.Time.Format("2006-01-02T15:04:05.000000Z07:00"),
		"@level":     levelName(r.Level), "@message": r.Message, "@module": module,
	}
	for _, a := range attrs {
		fields[a.Key] = plain(a.Value)
	}
	line, err := json.Marshal(fields)
	if err != nil {
		return asText(r, attrs)
	}
	return append(line, '\n')
}

// plain returns what JSON can hold without a surprise: numbers, booleans and text.
func plain(v slog.Value) any {
	switch v.Kind() { //nolint:exhaustive // the others are told as text
	case slog.KindBool, slog.KindInt64, slog.KindUint64:
		return v.Any()
	}
	return v.String()
}
