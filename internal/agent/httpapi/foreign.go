package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// foreign says why a request may come from a web page of another site, or "" when it cannot.
func (h *Handler) foreign(r *http.Request) string {
	if r.Header.Get("Origin") != "" {
		return "Refused: requests of web pages (with an Origin header) are not served"
	}
	if !h.cfg.Loopback || h.known(r.Host) {
		return ""
	}
	return "Refused: Host is neither an IP address, localhost nor a name that the agent was given"
}

func (h *Handler) known(hostPort string) bool {
	host := hostPort
	if name, _, err := net.SplitHostPort(hostPort); err == nil {
		host = name
	}
	if host == "" { // HTTP/1.0, which browsers do not speak
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	is := func(name string) bool { return strings.EqualFold(name, host) }
	return is("localhost") || slices.ContainsFunc(h.cfg.Hosts, is)
}
