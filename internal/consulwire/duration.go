package consulwire

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Duration is a time.Duration that reads either a string such as "10s" or a number of nanoseconds, and
// writes the string.
type Duration time.Duration

// String returns the duration as time.Duration does, and "" for zero: Consul leaves an unset duration
// of a check empty.
func (d Duration) String() string {
	if d == 0 {
		return ""
	}
	return time.Duration(d).String()
}

// MarshalJSON writes the duration as a string.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads a string or a number; null leaves the duration as it is.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return err
	}
	switch v := value.(type) {
	case nil:
		return nil
	case string:
		parsed, err := time.ParseDuration(v)
		if err != nil {
			return err
		}
		*d = Duration(parsed)
		return nil
	case float64:
		if math.Abs(v) >= math.MaxInt64 {
			return fmt.Errorf("time: duration %v is out of range", v)
		}
		*d = Duration(v)
		return nil
	}
	return fmt.Errorf("time: invalid duration %s", data)
}

// Nanoseconds reads as [Duration] does and writes a number.
type Nanoseconds int64

// UnmarshalJSON reads a string or a number; null leaves the duration as it is.
func (n *Nanoseconds) UnmarshalJSON(data []byte) error { return (*Duration)(n).UnmarshalJSON(data) }
