package agent

import (
	"context"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/dnsapi"
)

// DefaultDNSAddr is where Consul answers DNS queries by default. The agent does so only when told.
const DefaultDNSAddr = "127.0.0.1:8600"

// DNSConfig says how the agent answers DNS queries. The zero value: not at all.
type DNSConfig struct {
	Addr      string // host:port for UDP and TCP; off when empty
	Domain    string // "consul." when empty
	AltDomain string // a second domain; none when empty
	Options   dnsapi.Options
}

// newDNS returns nil when DNS is off.
func newDNS(cfg *Config, state *catalog.Catalog, settle func(context.Context, uint64) error) (*dnsapi.Server, error) {
	if cfg.DNS.Addr == "" {
		return nil, nil //nolint:nilnil // off is not an error
	}
	return dnsapi.New(dnsapi.Config{
		Addr: cfg.DNS.Addr, Catalog: state, Datacenter: cfg.Datacenter, Domain: cfg.DNS.Domain,
		AltDomain: cfg.DNS.AltDomain, Logger: cfg.Logger, Settle: settle, Options: cfg.DNS.Options,
	})
}

// DNSAddr returns the host and port on which the agent answers DNS queries, over UDP and TCP; "" when it
// does not.
func (a *Agent) DNSAddr() string {
	if a.dns == nil {
		return ""
	}
	return a.dns.Addr()
}

// SetDNSOptions replaces the options of DNS while the agent runs. When it returns an error nothing has
// changed. It does nothing when DNS is off.
func (a *Agent) SetDNSOptions(options dnsapi.Options) error {
	if a.dns == nil {
		return nil
	}
	return a.dns.SetOptions(options)
}

// runDNS answers DNS queries until ctx is done. The channel gets why it failed, if it does, and is closed
// when all is ended.
func (a *Agent) runDNS(ctx context.Context) <-chan error {
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		if a.dns == nil {
			<-ctx.Done()
		} else if err := a.dns.Run(ctx); err != nil {
			failed <- err
		}
	}()
	return failed
}

func (a *Agent) closeDNS() error {
	if a.dns == nil {
		return nil
	}
	return a.dns.Close()
}
