package consul

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pandakit/panda/discovery/internal/limits"
)

const defaultPort = "8500"

// endpoint is one agent's address, parsed.
type endpoint struct {
	name   string // as it is told to people
	scheme string // http or https
	host   string // host:port of the URL
	prefix string // path of a reverse proxy, without a slash at its end; may be empty
	socket string // path of a Unix socket; empty for TCP
}

// parseAddress reads one entry of Config.Addresses. secure asks for https where http is not said.
func parseAddress(address string, secure bool) (endpoint, error) {
	e, reason := readAddress(address, secure)
	if reason != "" {
		return endpoint{}, fmt.Errorf("read Consul's address %q: %s", withoutUser(address), reason)
	}
	return e, nil
}

func readAddress(address string, secure bool) (e endpoint, reason string) {
	scheme, rest, hasScheme := strings.Cut(address, "://")
	if !hasScheme {
		return plainAddress(address, secure)
	}
	switch scheme {
	case "unix":
		if !strings.HasPrefix(rest, "/") || strings.ContainsFunc(rest, unicode.IsControl) || !utf8.ValidString(rest) {
			return e, "the path of a Unix socket begins with a slash and is plain text: unix:///run/consul.sock"
		}
		return endpoint{name: address, scheme: "http", host: "localhost", socket: rest}, ""
	case "http", "https":
		return webAddress(address, secure)
	}
	return e, fmt.Sprintf("scheme %q is none of http, https, unix", scheme)
}

// plainAddress reads host, host:port, an IPv6 address with or without brackets, and :port.
func plainAddress(address string, secure bool) (e endpoint, reason string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]"), defaultPort
	}
	if host == "" && port != "" && err == nil {
		host = "127.0.0.1"
	}
	if reason := limits.Host(host); reason != "" {
		return e, reason
	}
	if reason := badPort(port); reason != "" {
		return e, reason
	}
	e = endpoint{scheme: "http", host: net.JoinHostPort(host, port)}
	e.name = e.host
	if secure {
		e.scheme = "https"
		e.name = "https://" + e.host
	}
	return e, ""
}

func webAddress(address string, secure bool) (e endpoint, reason string) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return e, "it is not a URL"
	case u.User != nil:
		return e, "a user in an address would be logged; set CONSUL_HTTP_AUTH"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(address, "#"):
		return e, "it has more than a host, a port and a path"
	}
	if reason := limits.Host(u.Hostname()); reason != "" {
		return e, reason
	}
	if u.Port() != "" || strings.HasSuffix(u.Host, ":") {
		if reason := badPort(u.Port()); reason != "" {
			return e, reason
		}
	}
	if secure {
		u.Scheme = "https" // TLS that was asked for is never given up
	}
	prefix := strings.TrimRight(u.Path, "/")
	name := u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/")
	return endpoint{name: name, scheme: u.Scheme, host: u.Host, prefix: prefix}, ""
}

func badPort(port string) string {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Sprintf("port %q is not a number from 1 to 65535", port)
	}
	return ""
}

// withoutUser hides what may be a password.
func withoutUser(address string) string {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		scheme, rest = "", address
	} else {
		scheme += "://"
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = "…" + rest[at:]
	}
	return scheme + rest
}
