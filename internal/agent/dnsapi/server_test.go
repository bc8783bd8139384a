package dnsapi_test

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/dnsapi"
)

func TestTakenAddress(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = udp.Close() }()
	for _, address := range []string{tcp.Addr().String(), udp.LocalAddr().String()} {
		_, err := dnsapi.New(dnsapi.Config{Addr: address, Catalog: catalog.New(1)})
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestWrongConfiguration(t *testing.T) {
	minus := -1
	for want, cfg := range map[string]dnsapi.Config{
		"is not host:port":                {Addr: "127.0.0.1"},
		`"..x." is not a domain`:          {Domain: "..x"},
		`"." is not a domain`:             {Domain: "."},
		`"a..b." is not a domain`:         {AltDomain: "a..b"},
		`begins with "service"`:           {AltDomain: "service.x"},
		`begins with "dc1"`:               {AltDomain: "DC1.consul"},
		`recursor "0.0.0.0"`:              {Options: dnsapi.Options{Recursors: []string{"0.0.0.0"}}},
		`recursor "127.0.0.1:x"`:          {Options: dnsapi.Options{Recursors: []string{"127.0.0.1:x"}}},
		"TTL -1s of web":                  {Options: dnsapi.Options{ServiceTTL: map[string]time.Duration{"web": -time.Second}}},
		"a limit or timeout is below 0":   {Options: dnsapi.Options{UDPAnswerLimit: &minus}},
		"a limit or timeout is below 0 ":  {Options: dnsapi.Options{ARecordLimit: -1}},
		"a limit or timeout is below 0  ": {Options: dnsapi.Options{RecursorTimeout: -1}},
	} {
		cfg.Catalog, cfg.Datacenter = catalog.New(1), "dc1"
		if cfg.Addr == "" {
			cfg.Addr = "127.0.0.1:0"
		}
		if _, err := dnsapi.New(cfg); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestCloseWithoutRun(t *testing.T) {
	first, err := dnsapi.New(dnsapi.Config{Addr: "127.0.0.1:0", Catalog: catalog.New(1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := dnsapi.New(dnsapi.Config{Addr: first.Addr(), Catalog: catalog.New(1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestEndsWithClientsConnected holds that idle and half-sent connections do not keep Run.
func TestEndsWithClientsConnected(t *testing.T) {
	s := start(t, dnsapi.Config{})
	for _, part := range []string{"", "\x00", "\x00\xffabc"} {
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := conn.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	s.ask(t, "tcp", "web.service.consul. A")
	s.stop()
	if _, err := net.Dial("tcp", s.Addr()); err == nil {
		t.Error("it listens still")
	}
}

func TestSettlesBeforeItAnswers(t *testing.T) {
	var index atomic.Uint64
	var fails atomic.Bool
	s := start(t, dnsapi.Config{Settle: func(_ context.Context, at uint64) error {
		index.Store(at)
		if fails.Load() {
			return errors.New("the disk is full")
		}
		return nil
	}})
	for _, question := range []string{"web.service.consul. A", "nothing.service.consul. A", "1.0.0.10.in-addr.arpa. PTR", "consul. NS"} {
		index.Store(0)
		fails.Store(false)
		if reply := s.ask(t, "udp", question); reply.Rcode == dns.RcodeServerFailure || index.Load() != s.catalog.View().Index() {
			t.Errorf("%s: %s at index %d", question, summary(reply), index.Load())
		}
		fails.Store(true)
		if reply := s.ask(t, "udp", question); summary(reply) != "SERVFAIL:" {
			t.Errorf("%s while nothing is safe: %s", question, summary(reply))
		}
	}
}

// TestRecursorIsItself holds that a server which is its own recursor gives up and goes on serving.
func TestRecursorIsItself(t *testing.T) {
	s := start(t, dnsapi.Config{})
	if err := s.SetOptions(dnsapi.Options{Recursors: []string{s.Addr()}, RecursorTimeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"udp", "tcp"} {
		if got := summary(s.ask(t, network, "example.org. A")); got != "SERVFAIL:" {
			t.Errorf("over %s: %s", network, got)
		}
	}
	if got := len(s.ask(t, "udp", "web.service.consul. A").Answer); got != 2 {
		t.Errorf("%d answers afterwards", got)
	}
}

// TestEndsWhileItRecurses holds that a recursor which does not answer does not keep Run.
func TestEndsWhileItRecurses(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	s := start(t, dnsapi.Config{Options: dnsapi.Options{Recursors: []string{silent.LocalAddr().String()}, RecursorTimeout: time.Hour}})
	conn, err := net.Dial("udp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	packet, err := new(dns.Msg).SetQuestion("example.org.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(packet); err != nil {
		t.Fatal(err)
	}
	if _, _, err := silent.ReadFrom(make([]byte, 512)); err != nil { // it is asked now
		t.Fatal(err)
	}
	s.stop()
}

func TestDig(t *testing.T) {
	dig, err := exec.LookPath("dig")
	if err != nil {
		t.Skip("dig is not installed")
	}
	s := start(t, dnsapi.Config{})
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for arguments, want := range map[string]string{
		"+short v2.web.service.consul":          "10.9.0.2\n",
		"+short v2.web.service.consul SRV":      "1 2 81 0a090002.addr.dc1.consul.\n",
		"+short +tcp v2.web.service.consul SRV": "1 2 81 0a090002.addr.dc1.consul.\n",
		"+short +noedns n1.node.consul TXT":     "\"zone=a\"\n",
		"+short -x 10.0.0.1":                    "n1.node.dc1.consul.\n",
		"+noall +comments nope.service.consul":  "status: NXDOMAIN",
	} {
		command := exec.CommandContext(t.Context(), dig, append([]string{"@127.0.0.1", "-p", port}, strings.Fields(arguments)...)...)
		output, err := command.CombinedOutput()
		if err != nil || !strings.Contains(string(output), want) {
			t.Errorf("dig %s: %s (%v)", arguments, output, err)
		}
	}
}

// TestAtOnce asks, changes the catalog and changes options, all at the same time. Every answer is of some moment.
func TestAtOnce(t *testing.T) {
	s := start(t, dnsapi.Config{})
	const rounds = 100
	var running sync.WaitGroup
	for _, network := range []string{"udp", "tcp", "udp"} {
		running.Go(func() {
			client := &dns.Client{Net: network, Timeout: patience}
			for range rounds {
				reply, _, err := client.Exchange(new(dns.Msg).SetQuestion("web.service.consul.", dns.TypeSRV), s.Addr())
				if err != nil || len(reply.Answer) < 2 || len(reply.Answer) > 3 {
					t.Errorf("%v, %v", reply, err)
				}
			}
		})
	}
	running.Go(func() {
		for n := range rounds {
			status := []string{"passing", "critical"}[n%2]
			if err := s.catalog.Write(func(w *catalog.Writer) error { w.SetStatus("n1", "service:web#2", status, ""); return nil }); err != nil {
				t.Error(err)
			}
		}
	})
	running.Go(func() {
		for n := range rounds {
			if err := s.SetOptions(dnsapi.Options{DisableCompression: n%2 == 0}); err != nil {
				t.Error(err)
			}
		}
	})
	running.Wait()
}
