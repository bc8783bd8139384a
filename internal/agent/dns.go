package agent

import (
	"context"
	"errors"
	"sync"
	"syscall"

	"github.com/pandakit/panda/internal/agent/dnsapi"
)

// DNSConfig says how the agent answers DNS queries. The zero value: not at all.
type DNSConfig struct {
	Addrs     []string // host:port for UDP and TCP; off when empty
	Optional  bool     // an address that another program has is given up with a warning
	Domain    string   // "consul." when empty
	AltDomain string   // a second domain; none when empty
	Options   dnsapi.Options
}

// openDNS listens on every address.
func (a *Agent) openDNS(cfg *Config) error {
	for _, address := range cfg.DNS.Addrs {
		server, err := dnsapi.New(dnsapi.Config{
			Addr: address, Catalog: a.kept.catalog, Datacenter: cfg.Datacenter, Domain: cfg.DNS.Domain,
			AltDomain: cfg.DNS.AltDomain, Logger: cfg.Logger, Settle: a.kept.settle, Options: cfg.DNS.Options,
		})
		switch {
		case cfg.DNS.Optional && errors.Is(err, syscall.EADDRINUSE):
			a.logger.Warn("names are not answered over DNS: another program has the port; choose one with -dns-port", "address", address)
		case err != nil:
			return err
		default:
			a.dns = append(a.dns, server)
		}
	}
	return nil
}

// DNSAddr returns the host and port on which the agent answers DNS queries, over UDP and TCP, the first of several; ""
// when it does not.
func (a *Agent) DNSAddr() string {
	if len(a.dns) == 0 {
		return ""
	}
	return a.dns[0].Addr()
}

// setDNSOptions changes how names are answered. On an error nothing has changed.
func (a *Agent) setDNSOptions(options dnsapi.Options) error {
	for n, server := range a.dns {
		if err := server.SetOptions(options); err != nil {
			for _, changed := range a.dns[:n] {
				_ = changed.SetOptions(a.dnsOptions) // they were good before
			}
			return err
		}
	}
	return nil
}

// runDNS answers DNS queries until ctx is done. The channel gets why it failed, if it does, and is closed
// when all is ended.
func (a *Agent) runDNS(ctx context.Context) <-chan error {
	failed := make(chan error, len(a.dns))
	var servers sync.WaitGroup
	for _, server := range a.dns {
		servers.Go(func() {
			if err := server.Run(ctx); err != nil {
				failed <- err
			}
		})
	}
	go func() {
		defer close(failed)
		<-ctx.Done() // without DNS there is nothing to wait for, and no failure
		servers.Wait()
	}()
	return failed
}

func (a *Agent) closeDNS() error {
	var failed []error
	for _, server := range a.dns {
		failed = append(failed, server.Close())
	}
	return errors.Join(failed...)
}
