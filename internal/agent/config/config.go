package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/agent/check"
)

// duration is short for what tables say often.
type duration = time.Duration

// Ports that are none.
const (
	Off      = -1          // nothing listens
	Standard = math.MinInt // nobody said: the protocol's own port, if it is free
)

// Config is what an agent is told, by files and flags together. Addresses are as they were written: a list of them is
// separated by spaces.
type Config struct {
	NodeName      string
	NodeID        string // a UUID; chosen by the agent when empty
	NodeMeta      map[string]string
	DataDir       string // nothing is kept when empty
	Datacenter    string
	BindAddr      string
	AdvertiseAddr string // BindAddr when empty
	ClientAddr    string
	Addresses     Addresses
	Ports         Ports

	Server          bool
	Bootstrap       bool
	BootstrapExpect int
	Join            []string // other agents to make a cluster with
	JoinWAN         []string // agents of other datacenters to make a cluster with

	LogLevel string
	LogJSON  bool
	LogFile  string
	PidFile  string

	ScriptChecks       bool // programs may be run as checks, whoever asks for it
	LocalScriptChecks  bool // programs may be run as checks when a file asks for it
	CheckOutputMaxSize int  // bytes
	DiscardCheckOutput bool
	Debug              bool // the process can be watched over HTTP

	ResponseHeaders map[string]string // of every answer over HTTP
	SessionTTLMin   time.Duration     // the shortest TTL that a session may ask for; Consul's 10 s when zero

	// Hosts are names by which programs reach the agent while it listens on loopback, besides localhost: a page of
	// another site could reach it through a name of its own.
	Hosts      []string
	UI         bool
	UIReadOnly bool
	Domain     string
	AltDomain  string
	Recursors  []string
	DNS        DNS

	TLS   TLS // what HTTPS does not say itself
	HTTPS TLS

	Definitions
}

// Addresses replace ClientAddr for one protocol. That of HTTP may hold unix:// and the path of a socket.
type Addresses struct{ DNS, HTTP, HTTPS string }

// Ports are 0 for one that the system chooses, [Off] for none, and that of DNS is [Standard] when nobody says. Nothing
// listens on those of Serf: they tell this agent's own address from those of others.
type Ports struct{ DNS, HTTP, HTTPS, SerfLAN, SerfWAN int }

// DNS says how names are answered. Zero values are those of a file that does not mention them.
type DNS struct {
	NodeTTL            time.Duration
	ServiceTTL         map[string]time.Duration // by service, by the beginning of its name and *, or by * alone
	OnlyPassing        bool
	EnableTruncate     bool
	DisableCompression bool
	NodeMetaTXT        bool
	ARecordLimit       int
	UDPAnswerLimit     int
	RecursorTimeout    time.Duration
	RecursorStrategy   string // "sequential" or "random"
	SOA                SOA
}

// SOA holds the times of the zone, in seconds.
type SOA struct{ Refresh, Retry, Expire, MinTTL uint32 }

// TLS names the files of a certificate, its key and those who sign clients' certificates.
type TLS struct {
	CAFile, CertFile, KeyFile string
	VerifyIncoming            bool   // clients need a certificate
	MinVersion                string // "TLSv1_2" or "TLSv1_3"
}

// Default returns what an agent does that is told nothing: it serves this machine alone.
func Default() *Config {
	return &Config{
		Datacenter: "dc1", BindAddr: "127.0.0.1", ClientAddr: "127.0.0.1", LogLevel: "info", Domain: "consul.",
		Ports:              Ports{DNS: Standard, HTTP: 8500, HTTPS: Off, SerfLAN: 8301, SerfWAN: 8302},
		CheckOutputMaxSize: check.MaxOutput,
		DNS: DNS{
			UDPAnswerLimit: 3, RecursorTimeout: 2 * time.Second, RecursorStrategy: "sequential", NodeMetaTXT: true,
			SOA: SOA{Refresh: 3600, Retry: 600, Expire: 86400},
		},
	}
}

// MergedHTTPS returns what HTTPS is served with.
func (c *Config) MergedHTTPS() TLS {
	merged := c.TLS
	for to, from := range map[*string]string{
		&merged.CAFile: c.HTTPS.CAFile, &merged.CertFile: c.HTTPS.CertFile,
		&merged.KeyFile: c.HTTPS.KeyFile, &merged.MinVersion: c.HTTPS.MinVersion,
	} {
		if from != "" {
			*to = from
		}
	}
	merged.VerifyIncoming = merged.VerifyIncoming || c.HTTPS.VerifyIncoming
	return merged
}

var (
	datacenterName = regexp.MustCompile(`^[a-z0-9_-]+$`)
	nodeID         = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// Validate reports what no agent can be, in Consul's words where it has some.
func (c *Config) Validate() error {
	c.Datacenter = strings.ToLower(c.Datacenter)
	switch {
	case c.Datacenter == "":
		return errors.New("datacenter cannot be empty")
	case !datacenterName.MatchString(c.Datacenter):
		return fmt.Errorf("datacenter can only contain lowercase alphanumeric, - or _ characters. received: %q. Please reconfigure your agent(s)", c.Datacenter)
	case c.NodeID != "" && !nodeID.MatchString(c.NodeID):
		return fmt.Errorf("node_id %q is not a UUID", c.NodeID)
	case c.BindAddr == "":
		return errors.New("bind_addr cannot be empty")
	case c.BootstrapExpect < 0:
		return fmt.Errorf("bootstrap_expect cannot be %d. Must be greater than or equal to zero", c.BootstrapExpect)
	case (c.Bootstrap || c.BootstrapExpect == 1) && !c.Server:
		return errors.New("'bootstrap = true' requires 'server = true'")
	case c.BootstrapExpect > 0 && !c.Server:
		return errors.New("'bootstrap_expect > 0' requires 'server = true'")
	case c.BootstrapExpect > 0 && c.Bootstrap:
		return errors.New("'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive")
	case c.CheckOutputMaxSize < 1:
		return errors.New("check_output_max_size must be positive, to discard check output use the discard_check_output flag")
	case c.DNS.UDPAnswerLimit < 0:
		return fmt.Errorf("dns_config.udp_answer_limit cannot be %d. Must be greater than or equal to zero", c.DNS.UDPAnswerLimit)
	case c.DNS.ARecordLimit < 0:
		return fmt.Errorf("dns_config.a_record_limit cannot be %d. Must be greater than or equal to zero", c.DNS.ARecordLimit)
	case c.DNS.RecursorStrategy != "sequential" && c.DNS.RecursorStrategy != "random":
		return fmt.Errorf("dns_config.recursor_strategy: invalid strategy: %q", c.DNS.RecursorStrategy)
	}
	return errors.Join(validPort("ports.dns", &c.Ports.DNS), validPort("ports.http", &c.Ports.HTTP), validPort("ports.https", &c.Ports.HTTPS))
}

var notInDNS = regexp.MustCompile(`[^A-Za-z0-9\-]`)

// longestLabel is that of a part of a name in DNS, in bytes.
const longestLabel = 63

// WarnOfName returns, in Consul's words, why DNS does not find the node, or "".
func (c *Config) WarnOfName() string {
	const undiscoverable = "Node name %q will not be discoverable via DNS due to "
	switch {
	case notInDNS.MatchString(c.NodeName):
		return fmt.Sprintf(undiscoverable+"invalid characters. Valid characters include all alpha-numerics and dashes.", c.NodeName)
	case len(c.NodeName) > longestLabel:
		return fmt.Sprintf(undiscoverable+"it being too long. Valid lengths are between 1 and %d bytes.", c.NodeName, longestLabel)
	}
	return ""
}

// validPort takes every negative port for Off.
func validPort(name string, port *int) error {
	if *port < 0 && *port != Standard {
		*port = Off
	}
	if *port > 65535 {
		return fmt.Errorf("%s: invalid port: %d", name, *port)
	}
	return nil
}
