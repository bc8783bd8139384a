package ui

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// size returns a number of bytes as people read it: exactly below 1 KiB, else in KiB or MiB with one digit after the
// point at most.
func (t texts) size(n int) (string, error) {
	const unit = 1 << 10
	switch {
	case n < unit:
		return t.count("bytes", n)
	case n < unit*unit:
		return t.text("bytes.kib", tenths(float64(n)/unit))
	}
	return t.text("bytes.mib", tenths(float64(n)/unit/unit))
}

func tenths(n float64) string { return strconv.FormatFloat(math.Round(n*10)/10, 'f', -1, 64) }

// duration returns one as people read it: "1 min 30 s". What is none, such as "often", is returned as it is.
func (t texts) duration(text string) (string, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return text, nil //nolint:nilerr // shown as it was registered
	}
	if d < time.Second && d > 0 {
		return t.text("duration.milliseconds", tenths(float64(d)/float64(time.Millisecond)))
	}
	var parts []string
	for _, unit := range []struct {
		key    string
		length time.Duration
	}{{"duration.hours", time.Hour}, {"duration.minutes", time.Minute}} {
		if n := d / unit.length; n > 0 {
			part, err := t.text(unit.key, strconv.FormatInt(int64(n), 10))
			if err != nil {
				return "", err
			}
			parts, d = append(parts, part), d%unit.length
		}
	}
	if d > 0 || len(parts) == 0 {
		part, err := t.text("duration.seconds", tenths(d.Seconds()))
		if err != nil {
			return "", err
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " "), nil
}

// isoDuration returns a duration as the datetime attribute has it, "" for what is none.
func isoDuration(text string) string {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return ""
	}
	return "PT" + strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "S"
}
