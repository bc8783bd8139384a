package check

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/pandakit/panda/internal/consulwire"
)

// MaxOutput is how many bytes of a check's output are kept, unless its definition or the agent asks for fewer.
const MaxOutput = 4096

// How long one probe may take that has no timeout of its own.
const (
	defaultTimeout       = 10 * time.Second
	defaultScriptTimeout = 30 * time.Second
)

// The kinds of checks, as the catalog shows them.
const (
	KindTTL    = "ttl"
	KindHTTP   = "http"
	KindTCP    = "tcp"
	KindUDP    = "udp"
	KindGRPC   = "grpc"
	KindScript = "script"
	KindH2PING = "h2ping"
	KindAlias  = "alias"
)

// Definition says how to find out a check's status. One that sets several kinds is of the first of TTL, HTTP, TCP, UDP,
// gRPC, script and H2PING, as in Consul.
type Definition struct {
	TTL    time.Duration // critical when not renewed for so long
	HTTP   string        // URL: 2xx is passing, 429 warning, all else critical
	TCP    string        // host:port that must accept a connection
	UDP    string        // host:port that must not refuse a datagram
	GRPC   string        // host:port or host:port/service that must answer SERVING
	Script []string      // program and arguments: exit code 0 is passing, 1 warning, all else critical
	H2PING string        // host:port that must answer an HTTP/2 ping

	// What an alias check follows: an instance by its ID, on the agent's own node when AliasNode is empty, or a node.
	AliasNode    string
	AliasService string

	Interval time.Duration // from the end of a probe to the next; positive for all probes
	Timeout  time.Duration // of one probe; 10 s when zero, and 30 s for a script

	Method           string // of HTTP; GET when empty
	Header           http.Header
	Body             string
	DisableRedirects bool

	GRPCUseTLS    bool
	TCPUseTLS     bool
	H2PINGUseTLS  bool
	TLSServerName string // instead of the target's host
	TLSSkipVerify bool

	// How many results in a row it takes to become passing, to become warning, and to become critical.
	// The first result of all counts at once; FailuresBeforeWarning is FailuresBeforeCritical when zero.
	SuccessBeforePassing   int
	FailuresBeforeWarning  int
	FailuresBeforeCritical int

	// DeregisterAfter is how long the check may be critical before its service is removed; never when zero.
	DeregisterAfter time.Duration
	// OutputMax is how much output to keep; MaxOutput when zero, and at most what [Limits] allow.
	OutputMax int
}

// FromRegistration reads a definition from a registration. The error says what is wrong in Consul's words.
func FromRegistration(r *consulwire.CheckRegistration) (Definition, error) {
	if r.DockerContainerID != "" {
		return Definition{}, errors.New("Docker checks are not supported by this agent; use a script check that runs docker exec") //nolint:staticcheck // shown after a colon
	}
	d := Definition{
		TTL: time.Duration(r.TTL), HTTP: r.HTTP, TCP: r.TCP, UDP: r.UDP, GRPC: r.GRPC, H2PING: r.H2PING,
		Script: slices.Clone(r.ScriptArgs), AliasNode: r.AliasNode, AliasService: r.AliasService,
		Interval: time.Duration(r.Interval), Timeout: time.Duration(r.Timeout),
		Method: r.Method, Header: canonical(r.Header), Body: r.Body, DisableRedirects: r.DisableRedirects,
		GRPCUseTLS: r.GRPCUseTLS, TCPUseTLS: r.TCPUseTLS, H2PINGUseTLS: r.H2PingUseTLS,
		TLSServerName: r.TLSServerName, TLSSkipVerify: r.TLSSkipVerify,
		SuccessBeforePassing:   r.SuccessBeforePassing,
		FailuresBeforeWarning:  r.FailuresBeforeWarning,
		FailuresBeforeCritical: r.FailuresBeforeCritical,
		DeregisterAfter:        time.Duration(r.DeregisterCriticalServiceAfter),
		OutputMax:              r.OutputMaxSize,
	}
	if err := d.validate(); err != nil {
		return Definition{}, err
	}
	if d.FailuresBeforeWarning == 0 {
		d.FailuresBeforeWarning = d.FailuresBeforeCritical
	}
	return d, nil
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

// validate refuses what Consul refuses, in its order. A target is not looked at: one that makes no sense is critical.
//
//nolint:staticcheck // Consul's texts
func (d *Definition) validate() error {
	switch {
	case d.Interval > 0 && d.TTL > 0:
		return errors.New("Interval and TTL cannot both be specified")
	case d.probes() && d.Interval <= 0:
		return errors.New("Interval must be > 0 for Script, HTTP, H2PING, or TCP checks")
	case d.probes() && d.follows():
		return errors.New("Interval cannot be set for Alias checks")
	case d.follows() && d.TTL > 0:
		return errors.New("TTL must be not be set for Alias checks")
	case !d.probes() && !d.follows() && d.TTL <= 0:
		return errors.New("TTL must be > 0 for TTL checks")
	case d.OutputMax < 0:
		return errors.New("MaxOutputMaxSize must be positive")
	case d.FailuresBeforeWarning > d.FailuresBeforeCritical:
		return errors.New("FailuresBeforeWarning can't be higher than FailuresBeforeCritical")
	}
	return nil
}

func (d *Definition) probes() bool {
	return len(d.Script) > 0 || cmp.Or(d.HTTP, d.TCP, d.UDP, d.GRPC, d.H2PING) != ""
}

func (d *Definition) follows() bool { return d.AliasNode != "" || d.AliasService != "" }

// Kind returns what the catalog shows as the check's type, one of the Kind constants.
func (d *Definition) Kind() string {
	if d.GRPC != "" && d.Interval > 0 { // Consul asks over HTTP and TCP first, but shows gRPC
		return KindGRPC
	}
	return d.runs()
}

// runs returns the kind of what is done.
func (d *Definition) runs() string {
	switch {
	case d.TTL > 0:
		return KindTTL
	case d.HTTP != "":
		return KindHTTP
	case d.TCP != "":
		return KindTCP
	case d.UDP != "":
		return KindUDP
	case d.GRPC != "":
		return KindGRPC
	case len(d.Script) > 0:
		return KindScript
	case d.H2PING != "":
		return KindH2PING
	}
	return KindAlias
}

func (d *Definition) timeout() time.Duration {
	switch {
	case d.Timeout > 0:
		return d.Timeout
	case d.runs() == KindScript:
		return defaultScriptTimeout
	}
	return defaultTimeout
}

func (d *Definition) outputMax() int { return cmp.Or(d.OutputMax, MaxOutput) }
