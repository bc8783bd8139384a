package dnsapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// Config says what a server answers from and where it listens.
type Config struct {
	Addr       string // host:port for UDP and TCP both; port 0 takes one that is free for the two
	Catalog    *catalog.Catalog
	Datacenter string
	Domain     string       // "consul." when empty; in any case, the last dot may be missing
	AltDomain  string       // a second domain that is answered for; none when empty
	Logger     *slog.Logger // nothing is logged when nil

	// Settle returns once the catalog's index would survive a crash, or ctx is done. An error makes the
	// answer SERVFAIL. Nil: nothing is waited for.
	Settle func(ctx context.Context, index uint64) error

	Options Options
}

// Options are what [Server.SetOptions] can change while the server runs: Consul's dns_config and
// recursors. The zero value is Consul's default.
type Options struct {
	// Recursors are asked, in this order, for names outside the domain: an IP address or a host with a
	// port (53 when missing). Without any, such names are refused.
	Recursors       []string
	RandomRecursor  bool          // ask them in random order (recursor_strategy "random")
	RecursorTimeout time.Duration // of one question to one recursor; 2s when 0

	NodeTTL time.Duration // of records about nodes and addresses
	// ServiceTTL is the TTL of a service's records by its name, in lower case. A name that ends in "*"
	// holds for every service whose name begins so; the exact name, then the longest beginning, counts.
	ServiceTTL map[string]time.Duration

	OnlyPassing        bool // instances with a warning are left out too
	DisableCompression bool
	EnableTruncate     bool // TC is set when records were left out
	ARecordLimit       int  // most addresses in an answer; 0: no limit
	UDPAnswerLimit     *int // most answers over UDP to a client without EDNS, at most 8; 3 when nil
	OmitNodeMeta       bool // additional sections have no TXT records of nodes' meta
	SOA                *SOA // nil: DefaultSOA
}

// SOA are the numbers of the domain's SOA record, in seconds.
type SOA struct{ Refresh, Retry, Expire, MinTTL uint32 }

// DefaultSOA returns Consul's numbers.
func DefaultSOA() SOA { return SOA{Refresh: 3600, Retry: 600, Expire: 86400} }

// Limits and defaults that are Consul's.
const (
	defaultDomain          = "consul."
	defaultRecursorTimeout = 2 * time.Second
	defaultUDPAnswers      = 3
	maxUDPAnswers          = 8
	recursorPort           = "53"
)

// settings are the options of one moment, checked. They are never changed.
type settings struct {
	Options
	nodeTTL    uint32
	soa        SOA
	exact      map[string]uint32 // TTL by service
	prefixes   []prefixTTL       // the longest first
	udpAnswers int
	recursors  []string // host:port
	timeout    time.Duration
	mux        *dns.ServeMux // set by the server
	pools      *pools
}

type prefixTTL struct {
	prefix string
	ttl    uint32
}

func newSettings(options Options) (*settings, error) {
	s := &settings{
		Options: options, soa: DefaultSOA(), exact: map[string]uint32{}, udpAnswers: defaultUDPAnswers,
		timeout: cmp.Or(options.RecursorTimeout, defaultRecursorTimeout), pools: newPools(options.OnlyPassing),
	}
	if options.SOA != nil {
		s.soa = *options.SOA
	}
	if options.UDPAnswerLimit != nil {
		s.udpAnswers = min(*options.UDPAnswerLimit, maxUDPAnswers)
	}
	if s.udpAnswers < 0 || options.ARecordLimit < 0 || s.timeout < 0 {
		return nil, errors.New("configure DNS: a limit or timeout is below 0")
	}
	return s, errors.Join(s.setTTLs(), s.setRecursors())
}

func (s *settings) setTTLs() (err error) {
	if s.nodeTTL, err = seconds("nodes", s.NodeTTL); err != nil {
		return err
	}
	for name, duration := range s.ServiceTTL {
		ttl, err := seconds(name, duration)
		if err != nil {
			return err
		}
		if prefix, ok := strings.CutSuffix(name, "*"); ok {
			s.prefixes = append(s.prefixes, prefixTTL{prefix, ttl})
		} else {
			s.exact[name] = ttl
		}
	}
	slices.SortFunc(s.prefixes, func(a, b prefixTTL) int { return cmp.Compare(len(b.prefix), len(a.prefix)) })
	return nil
}

func seconds(of string, ttl time.Duration) (uint32, error) {
	if ttl < 0 || ttl/time.Second > math.MaxInt32 {
		return 0, fmt.Errorf("configure DNS: TTL %v of %s is not between 0 and %d seconds", ttl, of, math.MaxInt32)
	}
	return uint32(ttl / time.Second), nil
}

// serviceTTL returns the TTL in seconds of a service's records.
func (s *settings) serviceTTL(service string) uint32 {
	if ttl, ok := s.exact[service]; ok {
		return ttl
	}
	for _, p := range s.prefixes {
		if strings.HasPrefix(service, p.prefix) {
			return p.ttl
		}
	}
	return 0
}

func (s *settings) setRecursors() error {
	for _, recursor := range s.Recursors {
		address := recursor
		if _, err := netip.ParseAddr(recursor); err == nil || !strings.Contains(recursor, ":") {
			address = net.JoinHostPort(recursor, recursorPort)
		}
		resolved, err := net.ResolveUDPAddr("udp", address)
		if err != nil || resolved.IP == nil || resolved.IP.IsUnspecified() {
			return fmt.Errorf("configure DNS: recursor %q is not the address of a name server", recursor)
		}
		s.recursors = append(s.recursors, resolved.String())
	}
	return nil
}
