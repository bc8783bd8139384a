package consul

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// DefaultAddress is the agent that is asked when none is configured: the one on this machine.
const DefaultAddress = "127.0.0.1:8500"

const (
	defaultWait         = 30 * time.Second
	defaultRestartGrace = 10 * time.Second
)

// Config says which registry to use and how. The zero value is the agent on this machine, without a
// token. Environment variables count only where [ConfigFromEnv] has read them.
type Config struct {
	// Addresses are the agents, each as host, host:port, http://…, https://… or unix:///path; the port
	// is 8500 where neither it nor a scheme is given. All must belong to one datacenter. One is used
	// at a time, the next when it fails. Default: [DefaultAddress].
	Addresses []string

	// Token is the ACL token of every request; TokenFile names a file that has it instead, of 64 KiB at most. [New] reads
	// it, and it is read again once it has changed: the next request takes the new token, and an instance that was
	// registered with the old one is registered anew within a third of its TTL, so the old one may be revoked then. A
	// file that is away or empty meanwhile leaves the last token in use. No token ever appears in an error or a log line.
	Token     string
	TokenFile string
	// BasicAuth is "user:password" for a proxy in front of the agents; empty for none.
	BasicAuth string

	// Datacenter is where services are looked up: the agents' own when empty.
	Datacenter string
	// Failover are further datacenters, nearest first. Their instances get Distance 1, 2, …; one that
	// cannot be reached keeps its last known instances and does not disturb the others.
	Failover []string
	// Namespace and Partition are for Consul Enterprise; empty means the default ones.
	Namespace string
	Partition string

	// HTTPS is for addresses without a scheme. The fields below it apply wherever TLS is used.
	HTTPS      bool
	CAFile     string // PEM; the system's authorities when CAFile and CAPath are empty
	CAPath     string // folder of PEM files
	CertFile   string // PEM, together with KeyFile: the client's own certificate, read anew for each connection
	KeyFile    string
	ServerName string // name to check the agents' certificates for; the address's host when empty
	SkipVerify bool   // take any certificate: for experiments

	// Wait is how long a watch lets the registry hold its query back while nothing changes, 1 s to
	// 10 min; 30 s when zero. An agent that accepts a query and then hangs for ever is noticed by a
	// watch after this time and a little more, so a shorter one notices sooner and asks more often.
	Wait time.Duration

	// RestartGrace is how long a watch waits, after the registry was away or began anew, for usable
	// instances that it no longer tells of: 10 s when zero, none when negative. An agent that lost its
	// state in a crash answers "none" at first, although all instances live; each registers again
	// within one heartbeat, which is 5 s with the default TTL. Make it longer where instances announce
	// themselves with a TTL of more than 30 s. See [Registry.Watch].
	RestartGrace time.Duration

	// Logger is told of what a caller cannot see: that another agent is used now, or that a datacenter
	// of Failover does not answer. Nothing is logged when nil.
	Logger *slog.Logger

	malformed error // what ConfigFromEnv could not read; New returns it
	token     *token
}

// ConfigFromEnv reads Consul's own variables: CONSUL_HTTP_ADDR (one or several agents, separated by
// commas), CONSUL_HTTP_TOKEN, CONSUL_HTTP_TOKEN_FILE, CONSUL_HTTP_AUTH, CONSUL_HTTP_SSL,
// CONSUL_HTTP_SSL_VERIFY, CONSUL_CACERT, CONSUL_CAPATH, CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY,
// CONSUL_TLS_SERVER_NAME, CONSUL_NAMESPACE and CONSUL_PARTITION. getenv is os.Getenv, or a test's own.
// A malformed value is reported by [New].
func ConfigFromEnv(getenv func(string) string) Config {
	cfg := Config{
		Addresses:  splitAddresses(getenv(api.HTTPAddrEnvName)),
		Token:      getenv(api.HTTPTokenEnvName),
		TokenFile:  getenv(api.HTTPTokenFileEnvName),
		BasicAuth:  getenv(api.HTTPAuthEnvName),
		CAFile:     getenv(api.HTTPCAFile),
		CAPath:     getenv(api.HTTPCAPath),
		CertFile:   getenv(api.HTTPClientCert),
		KeyFile:    getenv(api.HTTPClientKey),
		ServerName: getenv(api.HTTPTLSServerName),
		Namespace:  getenv(api.HTTPNamespaceEnvName),
		Partition:  getenv(api.HTTPPartitionEnvName),
	}
	cfg.HTTPS = cfg.boolean(getenv, api.HTTPSSLEnvName, false)
	cfg.SkipVerify = !cfg.boolean(getenv, api.HTTPSSLVerifyEnvName, true)
	return cfg
}

func splitAddresses(list string) []string {
	var addresses []string
	for address := range strings.SplitSeq(list, ",") {
		if address = strings.TrimSpace(address); address != "" {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

func (c *Config) boolean(getenv func(string) string, name string, unset bool) bool {
	value := getenv(name)
	if value == "" {
		return unset
	}
	set, err := strconv.ParseBool(value)
	if err != nil {
		c.malformed = fmt.Errorf("read %s: %q is neither true nor false", name, value)
		return unset
	}
	return set
}

// complete fills in the defaults and reads the files that the configuration names.
func (c *Config) complete() error {
	if c.malformed != nil {
		return c.malformed
	}
	if len(c.Addresses) == 0 {
		c.Addresses = []string{DefaultAddress}
	}
	if c.Wait == 0 {
		c.Wait = defaultWait
	}
	c.Wait = min(max(c.Wait, time.Second), 10*time.Minute)
	if c.RestartGrace == 0 {
		c.RestartGrace = defaultRestartGrace
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.BasicAuth != "" && !strings.Contains(c.BasicAuth, ":") {
		c.BasicAuth += ":"
	}
	var err error
	c.token, err = newToken(c)
	return err
}
