package loadbalance

import (
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/grpc/serviceconfig"

	"github.com/pandakit/panda/internal/loadbalance/p2c"
)

// Config tunes the policy. In JSON it is the value beside [PolicyName] in a service config; fields that
// are left out keep their value in [DefaultConfig].
type Config struct {
	// ConnectionsPerInstance is how many connections an instance may have, 1 to 8. Those after the first are
	// opened one by one, each when the connections there are have 8 calls in flight each.
	ConnectionsPerInstance int `json:"connectionsPerInstance"`

	// SubsetSize is how many instances a client connects to, at each distance that has more than SubsetAbove. Each
	// client has its own stable choice: when an instance comes or goes, at most one of its connections
	// changes.
	SubsetSize  int `json:"subsetSize"`
	SubsetAbove int `json:"subsetAbove"`
	// SubsetSeed makes the choice the same in every run; 0 draws one per client.
	SubsetSeed uint64 `json:"subsetSeed"`

	// UnavailableAfter is how long calls wait for a first connection before they fail with UNAVAILABLE,
	// unless they wait for ready. 0 lets them wait until their own deadline.
	UnavailableAfter Duration `json:"unavailableAfter"`

	// The rest is explained in p2c.Config.
	LatencyDecay     Duration `json:"latencyDecay"`
	SlowStart        Duration `json:"slowStart"`
	EjectionFailures int      `json:"ejectionFailures"`
	EjectionBase     Duration `json:"ejectionBase"`
	EjectionMax      Duration `json:"ejectionMax"`
	OutlierFactor    float64  `json:"outlierFactor"`
	OutlierFloor     Duration `json:"outlierFloor"`
}

// DefaultConfig returns the settings that are used without any.
//
// A second connection takes a tenth off the processor time of a call when many are in flight, because its
// frames are read and written beside those of the first; what a third adds is within the noise (bench/ measures it).
//
// A subset of 100 costs a client about 2 MB. It is large enough that clients spread evenly (with 50 clients and 1,000
// instances each instance has 5 ± 2 of them), and that losing a few of it hardly changes what the others
// carry. It begins above 200 instances, so that most systems never see it.
func DefaultConfig() Config {
	pool := p2c.Default()
	return Config{
		ConnectionsPerInstance: 2,
		SubsetSize:             100,
		SubsetAbove:            200,
		UnavailableAfter:       Duration(15 * time.Second),
		LatencyDecay:           Duration(pool.Decay),
		SlowStart:              Duration(pool.SlowStart),
		EjectionFailures:       pool.Failures,
		EjectionBase:           Duration(pool.EjectionBase),
		EjectionMax:            Duration(pool.EjectionMax),
		OutlierFactor:          pool.OutlierFactor,
		OutlierFloor:           Duration(pool.OutlierFloor),
	}
}

// ParseConfig reads a Config from JSON. Unknown fields are ignored, as gRPC asks of a policy; a value
// out of its range is an error that names it.
func ParseConfig(data json.RawMessage) (Config, error) {
	c := DefaultConfig()
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("parse load balancing config of %s: %w", PolicyName, err)
	}
	if err := c.validate(); err != nil {
		return Config{}, fmt.Errorf("parse load balancing config of %s: %w", PolicyName, err)
	}
	return c, nil
}

func (c *Config) validate() error {
	for _, number := range []struct {
		name           string
		value, low, up int
	}{
		{"connectionsPerInstance", c.ConnectionsPerInstance, 1, 8},
		{"subsetSize", c.SubsetSize, 1, 10_000},
		{"subsetAbove", c.SubsetAbove, c.SubsetSize, 100_000},
		{"ejectionFailures", c.EjectionFailures, 1, 1000},
	} {
		if number.value < number.low || number.value > number.up {
			return fmt.Errorf("%s is %d; it must be from %d to %d", number.name, number.value, number.low, number.up)
		}
	}
	for _, duration := range []struct {
		name           string
		value, low, up Duration
	}{
		{"unavailableAfter", c.UnavailableAfter, 0, Duration(time.Hour)},
		{"latencyDecay", c.LatencyDecay, Duration(10 * time.Millisecond), Duration(time.Hour)},
		{"slowStart", c.SlowStart, 0, Duration(time.Hour)},
		{"ejectionBase", c.EjectionBase, Duration(time.Millisecond), Duration(time.Hour)},
		{"ejectionMax", c.EjectionMax, c.EjectionBase, Duration(time.Hour)},
		{"outlierFloor", c.OutlierFloor, 0, Duration(time.Hour)},
	} {
		if duration.value < duration.low || duration.value > duration.up {
			return fmt.Errorf("%s is %v; it must be from %v to %v", duration.name, duration.value, duration.low, duration.up)
		}
	}
	if c.OutlierFactor != 0 && (c.OutlierFactor < 1 || c.OutlierFactor > 1e6) {
		return fmt.Errorf("outlierFactor is %v; it must be 0 or from 1 to 1000000", c.OutlierFactor)
	}
	return nil
}

func (c *Config) pool() p2c.Config {
	pool := p2c.Default()
	pool.Decay = time.Duration(c.LatencyDecay)
	pool.SlowStart = time.Duration(c.SlowStart)
	pool.Failures = c.EjectionFailures
	pool.EjectionBase = time.Duration(c.EjectionBase)
	pool.EjectionMax = time.Duration(c.EjectionMax)
	pool.OutlierFactor = c.OutlierFactor
	pool.OutlierFloor = time.Duration(c.OutlierFloor)
	return pool
}

// Duration is a time.Duration that is text in JSON, such as "15s" or "0.5s".
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration such as \"15s\"", text)
	}
	*d = Duration(parsed)
	return nil
}

// lbConfig is a Config as gRPC passes it around.
type lbConfig struct {
	serviceconfig.LoadBalancingConfig
	Config
}
