package dnsapi

import (
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/pandakit/panda/internal/consulwire"
)

func header(name string, rrtype uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: ttl}
}

// representable reports whether a name fits into a message.
func representable(name string) bool {
	_, ok := dns.IsDomainName(name)
	return ok
}

// addressRecord returns the record of an address for those who ask for a type, or nil when it is not for
// them. Those who ask for TXT are given addresses, as by Consul.
func addressRecord(qtype uint16, name string, ip net.IP, ttl uint32) dns.RR {
	v4 := ip.To4()
	switch qtype {
	case dns.TypeSRV, dns.TypeANY, dns.TypeNS, dns.TypeTXT:
	case dns.TypeA:
		if v4 == nil {
			return nil
		}
	case dns.TypeAAAA:
		if v4 != nil {
			return nil
		}
	default:
		return nil
	}
	if v4 != nil {
		return &dns.A{Hdr: header(name, dns.TypeA, ttl), A: v4}
	}
	return &dns.AAAA{Hdr: header(name, dns.TypeAAAA, ttl), AAAA: ip}
}

// metaRecords tells a node's meta as RFC 1464 says, sorted. A key that begins with "rfc1035-" is left out
// of its record.
func metaRecords(name string, node *consulwire.Node, ttl uint32) []dns.RR {
	records := make([]dns.RR, 0, len(node.Meta))
	for _, key := range slices.Sorted(maps.Keys(node.Meta)) {
		text := node.Meta[key]
		if !strings.HasPrefix(strings.ToLower(key), "rfc1035-") {
			text = attribute(key, text)
		}
		records = append(records, &dns.TXT{Hdr: header(name, dns.TypeTXT, ttl), Txt: characterStrings(text)})
	}
	return records
}

// attribute writes a key and its value in the form of RFC 1464.
func attribute(key, value string) string {
	key = strings.NewReplacer("`", "``", "=", "`=").Replace(key)
	inner := strings.TrimLeft(key, " ")
	leading := len(key) - len(inner)
	inner = strings.TrimRight(inner, " ")
	trailing := len(key) - leading - len(inner)
	return strings.Repeat("` ", leading) + inner + strings.Repeat("` ", trailing) + "=" + strings.ReplaceAll(value, "`", "``")
}

// maxString is the size of a character string of a TXT record, in bytes.
const maxString = 255

// characterStrings cuts a text into strings that fit, never within an escaped character.
func characterStrings(text string) []string {
	var parts []string
	start, size := 0, 0
	for i := 0; i < len(text); {
		next := i + escaped(text[i:])
		if size == maxString {
			parts = append(parts, text[start:i])
			start, size = i, 0
		}
		size++
		i = next
	}
	return append(parts, text[start:])
}

// escaped returns how many bytes the text's first character takes: "a", "\." or "\046".
func escaped(text string) int {
	if text[0] != '\\' {
		return 1
	}
	digits := 0
	for digits < 3 && 1+digits < len(text) && text[1+digits] >= '0' && text[1+digits] <= '9' {
		digits++
	}
	if digits == 3 {
		return 4
	}
	return min(2, len(text))
}

// addEDNS answers a client's EDNS: with its own buffer size, and with its subnet, for which no answer differs.
func addEDNS(request, answer *dns.Msg) {
	asked := request.IsEdns0()
	if asked == nil {
		return
	}
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.SetUDPSize(asked.UDPSize())
	for _, option := range asked.Option {
		if subnet, ok := option.(*dns.EDNS0_SUBNET); ok {
			opt.Option = append(opt.Option, &dns.EDNS0_SUBNET{
				Code: dns.EDNS0SUBNET, Family: subnet.Family, Address: subnet.Address, SourceNetmask: subnet.SourceNetmask,
			})
			break
		}
	}
	answer.Extra = append(answer.Extra, opt)
}
