package dnsapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// zone is a domain that is answered for: lower case, with the last dot.
type zone struct {
	main, alt string // alt is "" when there is none
}

// newZone returns the domains, or an error when one of them cannot be one.
func newZone(cfg *Config) (zone, error) {
	z := zone{main: domainName(cmp.Or(cfg.Domain, defaultDomain)), alt: domainName(cfg.AltDomain)}
	for _, domain := range []string{z.main, z.alt} {
		if _, ok := dns.IsDomainName(cmp.Or(domain, z.main)); !ok || domain == "." {
			return zone{}, fmt.Errorf("configure DNS: %q is not a domain", domain)
		}
	}
	first, _, _ := strings.Cut(z.alt, ".")
	if slices.Contains([]string{"service", "connect", "node", "query", "addr", strings.ToLower(cfg.Datacenter)}, first) && z.alt != "" {
		return zone{}, fmt.Errorf("configure DNS: alternative domain %q begins with %q, which names a kind of query or the datacenter", z.alt, first)
	}
	return z, nil
}

func domainName(name string) string {
	if name == "" {
		return ""
	}
	return dns.CanonicalName(name)
}

// of returns the domain that a name is below, spelt as in the name.
func (z zone) of(name string) string {
	for _, domain := range []string{z.main, z.alt} {
		if at := len(name) - len(domain); domain != "" && at >= 0 && strings.EqualFold(name[at:], domain) && (at == 0 || name[at-1] == '.') {
			return name[at:]
		}
	}
	return z.main
}

// trim returns a name in lower case without its domain.
func (z zone) trim(name string) string {
	longer, shorter := z.main, z.alt
	if len(shorter) > len(longer) {
		longer, shorter = shorter, longer
	}
	name = strings.ToLower(dns.Fqdn(name))
	if short, ok := strings.CutSuffix(name, longer); ok {
		return short
	}
	return strings.TrimSuffix(name, shorter)
}

// holds reports whether a name is below one of the domains.
func (z zone) holds(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "."+z.main) || z.alt != "" && strings.HasSuffix(name, "."+z.alt)
}
