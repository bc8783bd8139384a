package agentcmd

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/agent"
	"github.com/pandakit/panda/internal/nearname"
)

// options is what the flags say.
type options struct {
	dev        bool
	node       string
	bind       string
	client     string
	datacenter string
	httpPort   int
	logLevel   string
	logJSON    bool

	level slog.Level
}

var errHelp = flag.ErrHelp

// levels are Consul's names.
func levels() map[string]slog.Level {
	return map[string]slog.Level{
		"trace": slog.LevelDebug, "debug": slog.LevelDebug, "info": slog.LevelInfo,
		"warn": slog.LevelWarn, "err": slog.LevelError, "error": slog.LevelError,
	}
}

// unsupported are flags of Consul's agent that this one does not have, and why.
func unsupported() map[string]string {
	const (
		cluster = "this agent serves one machine; for a cluster run Consul itself"
		memory  = "this agent keeps everything in memory"
		files   = "this agent is configured by flags alone"
		later   = "this agent serves the HTTP API alone"
	)
	return map[string]string{
		"server": cluster, "bootstrap": cluster, "bootstrap-expect": cluster, "join": cluster, "retry-join": cluster,
		"join-wan": cluster, "retry-join-wan": cluster, "advertise": cluster, "advertise-wan": cluster,
		"serf-lan-port": cluster, "serf-wan-port": cluster, "server-port": cluster, "encrypt": cluster,
		"data-dir": memory, "config-dir": files, "config-file": files, "config-format": files,
		"ui": later, "ui-dir": later, "ui-content-path": later, "dns-port": later, "grpc-port": later,
		"grpc-tls-port": later, "https-port": later, "enable-script-checks": "this agent runs no scripts",
		"enable-local-script-checks": "this agent runs no scripts", "domain": later, "recursor": later,
		"pid-file": "this agent stays in the foreground", "syslog": "this agent logs to standard error",
		"log-file": "this agent logs to standard error",
	}
}

func flagSet(o *options) *flag.FlagSet {
	f := flag.NewFlagSet("agent", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.BoolVar(&o.dev, "dev", true, "keep everything in memory; always on")
	f.StringVar(&o.node, "node", "", "`name` of this machine in the catalog (default: the host's)")
	f.StringVar(&o.bind, "bind", "127.0.0.1", "IP `address` of this machine that others call its services by")
	f.StringVar(&o.client, "client", "127.0.0.1", "IP `address` to listen on")
	f.StringVar(&o.datacenter, "datacenter", "dc1", "`name` of the datacenter")
	f.IntVar(&o.httpPort, "http-port", 8500, "`port` to listen on; 0 takes a free one")
	f.StringVar(&o.logLevel, "log-level", "info", "least `level` to log: trace, debug, info, warn or err")
	f.BoolVar(&o.logJSON, "log-json", false, "log as JSON")
	return f
}

func flagUsage() string {
	var b strings.Builder
	f := flagSet(new(options))
	f.SetOutput(&b)
	f.PrintDefaults()
	return strings.TrimRight(b.String(), "\n")
}

// parse reads the flags. The error names the flag and its value; it is errHelp for -h.
func parse(args []string) (*options, error) {
	o := new(options)
	f := flagSet(o)
	if err := known(f, args); err != nil {
		return nil, err
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, errHelp
		}
		return nil, fmt.Errorf("read flags of agent: %w", err)
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("read flags of agent: unexpected argument %q", f.Arg(0))
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	return o, nil
}

// known refuses flags that are Consul's but not ours with the reason, and others with near names. A
// flag's value is never taken for a flag: those come right after a flag that takes one.
func known(f *flag.FlagSet, args []string) error {
	for n := 0; n < len(args); n++ {
		name, isFlag := strings.CutPrefix(strings.TrimPrefix(args[n], "-"), "-")
		isFlag = isFlag || strings.HasPrefix(args[n], "-")
		if !isFlag || name == "" {
			return nil // what follows are arguments, which Parse sees too
		}
		name, _, hasValue := strings.Cut(name, "=")
		if name == "h" || name == "help" {
			return nil
		}
		if why, ok := unsupported()[name]; ok {
			return fmt.Errorf("flag -%s is not supported: %s", name, why)
		}
		defined := f.Lookup(name)
		if defined == nil {
			return unknown(f, name)
		}
		if boolean, ok := defined.Value.(interface{ IsBoolFlag() bool }); !hasValue && (!ok || !boolean.IsBoolFlag()) {
			n++
		}
	}
	return nil
}

func unknown(f *flag.FlagSet, name string) error {
	var names []string
	f.VisitAll(func(known *flag.Flag) { names = append(names, known.Name) })
	near := nearname.Of(name, names)
	if len(near) == 0 {
		return fmt.Errorf("unknown flag -%s; see panda agent -help", name)
	}
	return fmt.Errorf("unknown flag -%s; near: -%s", name, strings.Join(near, ", -"))
}

func (o *options) validate() error {
	var ok bool
	if o.level, ok = levels()[strings.ToLower(o.logLevel)]; !ok {
		return fmt.Errorf("flag -log-level %q: not one of %s", o.logLevel, strings.Join(slices.Sorted(maps.Keys(levels())), ", "))
	}
	if !o.dev {
		return errors.New("flag -dev=false is not supported: this agent keeps everything in memory")
	}
	if o.httpPort < 0 || o.httpPort > 65535 {
		return fmt.Errorf("flag -http-port %d: not a port from 0 to 65535", o.httpPort)
	}
	if ip, err := netip.ParseAddr(o.bind); err != nil || ip.IsUnspecified() {
		return fmt.Errorf("flag -bind %q: not an IP address by which others reach this machine", o.bind)
	}
	if _, err := netip.ParseAddr(o.client); err != nil {
		return fmt.Errorf("flag -client %q: not an IP address", o.client)
	}
	if o.datacenter = strings.ToLower(o.datacenter); !plain(o.datacenter) {
		return fmt.Errorf("flag -datacenter %q: only letters, digits, - and _ may be used", o.datacenter)
	}
	return o.nameNode()
}

func (o *options) nameNode() error {
	if o.node == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find the host's name (pass -node): %w", err)
		}
		o.node = host
	}
	return nil
}

func plain(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) < 0
}

func (o *options) config(logger *slog.Logger) agent.Config {
	return agent.Config{
		HTTPAddr: net.JoinHostPort(o.client, strconv.Itoa(o.httpPort)),
		Node:     o.node, Address: o.bind, Datacenter: o.datacenter, Logger: logger,
	}
}
