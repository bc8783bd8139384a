// Package limits holds what Consul takes and refuses, so that every registry refuses the same before any
// input or output. It neither changes a value nor shortens one.
package limits

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pandakit/panda/discovery"
)

// Consul's own limits; it refuses what is over them.
const (
	metaPairs       = 64
	metaKeyLength   = 128
	metaValueLength = 512
	metaReserved    = "consul-"
	weightLimit     = 65535
	tagLength       = 255 // Consul takes longer ones, but what reads them as DNS labels does not
)

// Check returns the first reason why the instance can never be announced, or nil.
func Check(i *discovery.Instance) *discovery.InvalidError {
	for _, named := range []struct{ field, value, reason string }{
		{"Service", i.Service, Name(i.Service)},
		{"ID", i.ID, Name(i.ID)},
		{"Address", i.Address, badAddress(i.Address)},
		{"Port", strconv.Itoa(i.Port), outside(i.Port, 1, 65535)},
		{"Weight", strconv.Itoa(i.Weight), outside(i.Weight, 0, weightLimit)},
	} {
		if named.reason != "" {
			return &discovery.InvalidError{Field: named.field, Value: named.value, Reason: named.reason}
		}
	}
	for n, tag := range i.Tags {
		if reason := badText(tag, tagLength); reason != "" {
			return &discovery.InvalidError{Field: fmt.Sprintf("Tags[%d]", n), Value: tag, Reason: reason}
		}
	}
	return validateMeta(i.Meta)
}

func validateMeta(meta map[string]string) *discovery.InvalidError {
	if len(meta) > metaPairs {
		return &discovery.InvalidError{
			Field: "Meta", Value: strconv.Itoa(len(meta)) + " pairs",
			Reason: fmt.Sprintf("Consul keeps at most %d", metaPairs),
		}
	}
	for _, key := range slices.Sorted(maps.Keys(meta)) {
		if reason := badMetaKey(key); reason != "" {
			return &discovery.InvalidError{Field: fmt.Sprintf("Meta[%s]", printable(key)), Value: key, Reason: "the key " + reason}
		}
		if reason := badText(meta[key], metaValueLength); reason != "" {
			return &discovery.InvalidError{Field: fmt.Sprintf("Meta[%s]", key), Value: meta[key], Reason: reason}
		}
	}
	return nil
}

// Name says what is wrong with a service's name or an instance's ID, or nothing. Names that are not
// fit for DNS are Consul's to take. Both become part of a URL's path, which must stay as it is written.
func Name(name string) string {
	switch {
	case name == "":
		return "it is empty"
	case !utf8.ValidString(name):
		return "it is not UTF-8"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "it has a control character"
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Sprintf("%q between slashes cannot be part of a path", part)
		}
	}
	return ""
}

func badAddress(address string) string {
	ip, err := netip.ParseAddr(address)
	switch {
	case err == nil && ip.IsUnspecified():
		return "nobody can call the unspecified address"
	case err == nil:
		return ""
	}
	if reason := Host(address); reason != "" {
		return reason + "; give an IP address or a host name, without a port"
	}
	return ""
}

// Host says what is wrong with a host name or an IP address without brackets, or nothing.
func Host(host string) string {
	if host == "" {
		return "it has no host"
	}
	if strings.Contains(host, ":") {
		if _, err := netip.ParseAddr(host); err != nil {
			return fmt.Sprintf("host %q is no IPv6 address", host)
		}
		return ""
	}
	for _, r := range host {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r > 0x7f
		if !letter && !strings.ContainsRune("-._", r) {
			return fmt.Sprintf("%q cannot be in a host name", r)
		}
	}
	return ""
}

// printable keeps a bad key from spoiling the line that names it.
func printable(key string) string {
	quoted := strconv.Quote(key)
	return quoted[1 : len(quoted)-1]
}

func badMetaKey(key string) string {
	switch {
	case key == "":
		return "is empty"
	case len(key) > metaKeyLength:
		return fmt.Sprintf("is longer than %d bytes", metaKeyLength)
	case strings.HasPrefix(key, metaReserved):
		return fmt.Sprintf("begins with %q, which Consul keeps for itself", metaReserved)
	}
	for _, r := range key {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return fmt.Sprintf("has %q; Consul takes only letters, digits, - and _", r)
		}
	}
	return ""
}

func badText(text string, limit int) string {
	switch {
	case len(text) > limit:
		return fmt.Sprintf("it is longer than %d bytes", limit)
	case !utf8.ValidString(text):
		return "it is not UTF-8"
	}
	return ""
}

func outside(n, low, high int) string {
	if n < low || n > high {
		return fmt.Sprintf("it is not from %d to %d", low, high)
	}
	return ""
}
