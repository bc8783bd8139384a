package check

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/consulwire"
)

// MaxOutput is how many bytes of a check's output are kept, unless its definition asks for fewer.
const MaxOutput = 4096

// defaultTimeout bounds a probe that has no timeout of its own.
const defaultTimeout = 10 * time.Second

// maxSpan is the longest TTL, interval or timeout that is taken: a year.
const maxSpan = 365 * 24 * time.Hour

// Definition says how to find out a check's status. Exactly one of TTL, HTTP, TCP and GRPC is set.
type Definition struct {
	TTL  time.Duration // critical when not renewed for so long
	HTTP string        // URL: 2xx is passing, 429 warning, all else critical
	TCP  string        // host:port that must accept a connection
	GRPC string        // host:port or host:port/service that must answer SERVING

	Interval time.Duration // from the end of a probe to the next; positive for all but TTL
	Timeout  time.Duration // of one probe; 10 s when zero

	Method           string // of HTTP; GET when empty
	Header           http.Header
	Body             string
	DisableRedirects bool

	GRPCUseTLS    bool
	TCPUseTLS     bool
	TLSServerName string // instead of the target's host
	TLSSkipVerify bool

	// How many results in a row it takes to become passing, to become warning, and to become critical.
	// The first result of all counts at once; FailuresBeforeWarning is FailuresBeforeCritical when zero.
	SuccessBeforePassing   int
	FailuresBeforeWarning  int
	FailuresBeforeCritical int

	// DeregisterAfter is how long the check may be critical before its service is removed; never when zero.
	DeregisterAfter time.Duration
	// OutputMax is how much output to keep; MaxOutput when zero, and at most that.
	OutputMax int
}

// FromRegistration reads a definition from a registration. The error says what is wrong in words for
// those who registered the check.
func FromRegistration(r *consulwire.CheckRegistration) (Definition, error) {
	if err := refuse(r); err != nil {
		return Definition{}, err
	}
	d := Definition{
		TTL: time.Duration(r.TTL), HTTP: r.HTTP, TCP: r.TCP, GRPC: r.GRPC,
		Interval: time.Duration(r.Interval), Timeout: time.Duration(r.Timeout),
		Method: r.Method, Header: canonical(r.Header), Body: r.Body, DisableRedirects: r.DisableRedirects,
		GRPCUseTLS: r.GRPCUseTLS, TCPUseTLS: r.TCPUseTLS, TLSServerName: r.TLSServerName, TLSSkipVerify: r.TLSSkipVerify,
		SuccessBeforePassing:   r.SuccessBeforePassing,
		FailuresBeforeWarning:  r.FailuresBeforeWarning,
		FailuresBeforeCritical: r.FailuresBeforeCritical,
		DeregisterAfter:        time.Duration(r.DeregisterCriticalServiceAfter),
		OutputMax:              r.OutputMaxSize,
	}
	if d.FailuresBeforeWarning == 0 {
		d.FailuresBeforeWarning = d.FailuresBeforeCritical
	}
	return d, d.validate()
}

func canonical(header map[string][]string) http.Header {
	h := make(http.Header, len(header))
	for key, values := range header {
		for _, value := range values {
			h.Add(key, value)
		}
	}
	return h
}

// refuse names what the registration asks for and this agent does not run.
func refuse(r *consulwire.CheckRegistration) error {
	for _, kind := range []struct {
		name  string
		asked bool
	}{
		{"Script", len(r.ScriptArgs) > 0},
		{"Docker", r.DockerContainerID != ""},
		{"UDP", r.UDP != ""},
		{"H2PING", r.H2PING != ""},
		{"Alias", r.AliasNode != "" || r.AliasService != ""},
		{"OSService", r.OSService != ""},
	} {
		if kind.asked {
			return fmt.Errorf("%s checks are not supported by this agent; use TTL, HTTP, TCP or GRPC", kind.name)
		}
	}
	return nil
}

func (d *Definition) validate() error {
	switch {
	case d.Interval > 0 && d.TTL > 0:
		return errors.New("Interval and TTL cannot both be specified") //nolint:staticcheck // Consul's text
	case d.probes() > 1:
		return errors.New("only one of HTTP, TCP and GRPC can be specified")
	case d.probes() == 1 && d.Interval <= 0:
		return errors.New("Interval must be > 0 for Script, HTTP, H2PING, or TCP checks") //nolint:staticcheck // Consul's text
	case d.probes() == 0 && d.TTL <= 0:
		return errors.New("TTL must be > 0 for TTL checks")
	case d.OutputMax < 0:
		return fmt.Errorf("OutputMaxSize %d must be positive", d.OutputMax)
	case d.SuccessBeforePassing < 0 || d.FailuresBeforeWarning < 0 || d.FailuresBeforeCritical < 0:
		return errors.New("a count of successes or failures must not be negative")
	case d.FailuresBeforeWarning > d.FailuresBeforeCritical:
		return errors.New("FailuresBeforeWarning can't be higher than FailuresBeforeCritical")
	case d.Timeout < 0 || d.DeregisterAfter < 0:
		return errors.New("a duration must not be negative")
	case max(d.TTL, d.Interval, d.Timeout, d.DeregisterAfter) > maxSpan:
		return fmt.Errorf("a duration must not be longer than %s", maxSpan)
	}
	return d.validateTarget()
}

func (d *Definition) probes() int {
	n := 0
	for _, target := range []string{d.HTTP, d.TCP, d.GRPC} {
		if target != "" {
			n++
		}
	}
	return n
}

func (d *Definition) validateTarget() error {
	switch d.Kind() {
	case "http":
		target, err := url.Parse(d.HTTP)
		if err != nil || target.Host == "" || (target.Scheme != "http" && target.Scheme != "https") {
			return fmt.Errorf("HTTP %q is not an http:// or https:// URL", d.HTTP)
		}
		if _, err := http.NewRequest(cmp.Or(d.Method, http.MethodGet), d.HTTP, nil); err != nil {
			return fmt.Errorf("HTTP: %v", err)
		}
	case "tcp":
		return hostPort("TCP", d.TCP)
	case "grpc":
		address, _, _ := strings.Cut(d.GRPC, "/")
		return hostPort("GRPC", address)
	}
	return nil
}

func hostPort(field, address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("%s %q is not host:port", field, address)
	}
	return nil
}

// Kind returns "ttl", "http", "tcp" or "grpc", as the catalog shows it.
func (d *Definition) Kind() string {
	switch {
	case d.GRPC != "":
		return "grpc"
	case d.HTTP != "":
		return "http"
	case d.TCP != "":
		return "tcp"
	}
	return "ttl"
}

func (d *Definition) timeout() time.Duration { return cmp.Or(d.Timeout, defaultTimeout) }

func (d *Definition) outputMax() int { return min(cmp.Or(d.OutputMax, MaxOutput), MaxOutput) }
