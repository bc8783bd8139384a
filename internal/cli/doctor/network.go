package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/pandakit/panda/internal/cli/portowner"
)

// The ports of an agent, as Consul's clients expect them.
const (
	httpPort = 8500
	dnsPort  = 8600
)

// ports tells who has the ports that an agent on this machine takes.
func ports(_ context.Context, _ *patient) []finding {
	return []finding{
		port("HTTP", httpPort, "tcp"),
		port("DNS", dnsPort, "tcp", "udp"),
	}
}

// port tries to listen, which is what an agent would do.
func port(use string, number int, networks ...string) finding {
	f := finding{Check: fmt.Sprintf("port %d", number), Level: fine, Text: "free for an agent's " + use}
	for _, network := range networks {
		err := listenable(network, net.JoinHostPort("127.0.0.1", strconv.Itoa(number)))
		switch {
		case err == nil:
		case errors.Is(err, syscall.EADDRINUSE):
			program, process := portowner.Of(network, number)
			f.Text = "taken by " + program + process
			if program != "" && program != "consul" && program != "panda" {
				f.Level, f.Do = warning, fmt.Sprintf("an agent on this machine needs another port: panda agent -dev -%s-port", strings.ToLower(use))
			}
			return f
		default:
			f.Level, f.Text = warning, fmt.Sprintf("cannot be listened on: %v", err)
			return f
		}
	}
	return f
}

func listenable(network, address string) error {
	var held io.Closer
	var err error
	if network == "udp" {
		held, err = net.ListenPacket(network, address) //nolint:noctx // an IP address is not looked up: nothing waits
	} else {
		held, err = net.Listen(network, address) //nolint:noctx // as above
	}
	if err != nil {
		return err
	}
	return held.Close()
}

// proxies warns of those that would swallow requests to this machine. Go's own clients spare it; others ask NO_PROXY.
func proxies(_ context.Context, p *patient) []finding {
	var set []string
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		if p.env.Getenv(name) != "" {
			set = append(set, name)
		}
	}
	if len(set) == 0 {
		return []finding{{Check: "proxy", Level: fine, Text: "none is set for HTTP"}}
	}
	spared := p.env.Getenv("NO_PROXY") + "," + p.env.Getenv("no_proxy")
	var missing []string
	for _, host := range []string{"localhost", "127.0.0.1"} {
		if !spares(spared, host) {
			missing = append(missing, host)
		}
	}
	if len(missing) == 0 {
		return []finding{{Check: "proxy", Level: fine, Text: strings.Join(set, ", ") + " is set, and NO_PROXY spares this machine"}}
	}
	return []finding{{
		Check: "proxy", Level: warning,
		Text: fmt.Sprintf("%s is set, and NO_PROXY does not spare %s: other programs would ask the proxy for the agent and the services here",
			strings.Join(set, ", "), strings.Join(missing, " and ")),
		Do: "export NO_PROXY=localhost,127.0.0.1,::1",
	}}
}

// spares reports whether a list as in NO_PROXY has the host: itself, a network that it is in, or everything.
func spares(list, host string) bool {
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "*" || strings.EqualFold(entry, host) {
			return true
		}
		if _, network, err := net.ParseCIDR(entry); err == nil && network.Contains(net.ParseIP(host)) {
			return true
		}
	}
	return false
}
