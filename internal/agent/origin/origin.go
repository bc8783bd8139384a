// Package origin tells requests that a page of another web site makes a browser send from all others. An agent on
// loopback is reached by every page that the user opens: a page may name it directly, or by a name of the page's own
// that resolves to loopback.
//
// It judges headers only. It knows no user and no password, so it never protects from programs on the same machine.
package origin

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Policy says which names are the agent's own. The zero value knows IP addresses, localhost and all names below it, which
// nobody can make another host's (RFC 6761, section 6.3), and takes requests under any other name too unless a web page
// made them. Its methods may overlap.
type Policy struct {
	// Loopback says that the server listens on loopback only. Every request is then refused whose Host is not known.
	Loopback bool
	// Hosts are known besides localhost, what is below it and IP addresses: names without a port, in any case.
	Hosts []string
}

// Refusal says why a request may come from a web page of another origin, or "" when it cannot. A request with an Origin
// must come from this server's own pages, under a known Host. One without, which a browser says to come from elsewhere
// by Sec-Fetch-Site, may be no more than a link that was followed.
func (p Policy) Refusal(r *http.Request) string {
	if from := r.Header.Get("Origin"); from != "" && !p.own(from, r) {
		return "Refused: requests of web pages of another origin (with an Origin header) are not served"
	}
	if elsewhere(r) && !followsLink(r) {
		return "Refused: requests of web pages of another site (Sec-Fetch-Site) are not served"
	}
	if !p.Loopback || p.known(r.Host) {
		return ""
	}
	return "Refused: Host is neither an IP address, localhost nor a name that the agent was given"
}

func (p Policy) own(from string, r *http.Request) bool {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return r.Host != "" && p.known(r.Host) && strings.EqualFold(from, scheme+r.Host)
}

func elsewhere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site": // another port of localhost is of the same site
		return true
	}
	return false
}

// followsLink reports whether the browser opens a page for its user to see, which no other page can read.
func followsLink(r *http.Request) bool {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	return reads && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

func (p Policy) known(hostPort string) bool {
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
	host = strings.ToLower(strings.TrimSuffix(host, ".")) // of the root: the same name, written out in full
	is := func(name string) bool { return strings.EqualFold(strings.TrimSuffix(name, "."), host) }
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.ContainsFunc(p.Hosts, is)
}
