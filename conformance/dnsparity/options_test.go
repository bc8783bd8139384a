package dnsparity

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/agent/dnsapi"
)

func TestOptions(t *testing.T) {
	two := 2
	p := start(t, options{
		ours: dnsapi.Config{Datacenter: "east", Domain: "My.Domain", AltDomain: "alt.example.", Options: dnsapi.Options{
			NodeTTL: 10 * time.Second, OnlyPassing: true, DisableCompression: true, EnableTruncate: true, ARecordLimit: 2,
			UDPAnswerLimit: &two, OmitNodeMeta: true, SOA: &dnsapi.SOA{Refresh: 1, Retry: 2, Expire: 3, MinTTL: 4},
			ServiceTTL: map[string]time.Duration{
				"web": 5 * time.Second, "we*": 6 * time.Second, "w*": 7 * time.Second, "*": 8500 * time.Millisecond, "Upper": time.Hour,
			},
		}},
		theirs: []string{`
domain = "My.Domain"
alt_domain = "alt.example."
dns_config {
  node_ttl = "10s"
  only_passing = true
  disable_compression = true
  enable_truncate = true
  a_record_limit = 2
  udp_answer_limit = 2
  enable_additional_node_meta_txt = false
  soa { refresh = 1 retry = 2 expire = 3 min_ttl = 4 }
  service_ttl = { "web" = "5s" "we*" = "6s" "w*" = "7s" "*" = "8.5s" "Upper" = "1h" }
}`},
	}, func(c *consul) {
		c.nodes()
		c.services()
		c.instance("foo", "wea#1", object{"Port": 80})
		c.instance("foo", "within#1", object{"Port": 80, "Address": "foo.node.my.domain"})
		c.instance("foo", "withalt#1", object{"Port": 80, "Address": "same.service.Alt.Example."})
	})
	var names []string
	for _, name := range []string{
		"wea.service.%s", "warned.service.%s", "upper.service.%s", "same.service.%s", "zero.service.%s", "foo.node.%s",
		"foo.node.east.%s", "foo.node.dc1.%s", "within.service.%s", "withalt.service.%s", "missing.service.%s",
		"consul.service.%s", "consul.service.east.%s", "%s", "x.%s", "0a010001.addr.%s", "tagged.service.%s", "service.%s",
	} {
		for _, domain := range []string{"my.domain.", "MY.Domain.", "alt.example.", "ALT.example.", "consul."} {
			names = append(names, fmt.Sprintf(name, domain))
		}
	}
	names = append(names, "my.domain.alt.example.", "alt.example.my.domain.", "same.service.my.domain.alt.example.", "1.0.1.10.in-addr.arpa.")
	queries := roomy(each(names, "A", "AAAA", "SRV", "ANY", "NS", "SOA", "TXT"), "foo")
	for _, kind := range []string{"A", "SRV"} {
		queries = append(queries, query{ask: "web.service.my.domain. " + kind, edns: 4096}, query{ask: "inner.service.my.domain. " + kind})
	}
	p.compare(t, queries)
}

// TestManyInstances looks at what is left out of answers that are too large.
func TestManyInstances(t *testing.T) {
	for _, truncate := range []bool{false, true} {
		t.Run(fmt.Sprint("truncate=", truncate), func(t *testing.T) {
			p := start(t, options{
				ours:   dnsapi.Config{Options: dnsapi.Options{EnableTruncate: truncate}},
				theirs: []string{fmt.Sprintf("dns_config { enable_truncate = %v }", truncate)},
			}, func(c *consul) {
				c.nodes()
				c.many("three", "", 3)
				c.many("four", "", 4)
				c.many("thirty", "", 30)
				c.many("addressless", "foo.node.consul", 12)
				c.many("outer", "thirty.service.consul", 3)
				c.many("crowd", "", 1100)
				c.many("plenty", "", 4200)
			})
			var queries []query
			for _, service := range []string{"three", "four", "thirty", "addressless", "outer", "crowd", "plenty"} {
				for _, kind := range []string{"A", "SRV", "ANY", "AAAA"} {
					ask := service + ".service.consul. " + kind
					queries = append(queries, query{ask: ask, some: true}, query{ask: ask, some: true, tcp: true})
					for _, size := range []uint16{1, 512, 513, 600, 1232, 1400, 4096, 16384, 65000, 65535} {
						queries = append(queries, query{ask: ask, some: true, edns: size})
					}
				}
			}
			for n, q := range queries {
				if strings.HasPrefix(q.ask, "plenty.") && !strings.HasSuffix(q.ask, "SRV") && !strings.HasSuffix(q.ask, "AAAA") && q.edns == 65535 {
					queries[n].silent = true
					queries[n].differs = "a datagram has 65,507 bytes at most: Consul tries to send more, and so sends nothing"
				}
			}
			p.compare(t, queries)
		})
	}
}
