package agentcmd

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/agent/config"
	"github.com/pandakit/panda/internal/nearname"
)

var errHelp = flag.ErrHelp

// agentFlag is a flag of Consul's agent.
type agentFlag struct {
	name    string
	usage   string // the flag's help, with the name of its value in backquotes; not shown when empty
	boolean bool
	list    bool   // of several, all count; files add to them
	hint    string // the flag has no effect, and why
	refusal string // the flag cannot be had, and why
	set     func(*config.Config, string) error
}

// Why flags cannot be had or have no effect.
const (
	openWrites = "requests would be served that it is meant to stop"
	enterprise = "it is Consul Enterprise's"
	noSyslog   = "this agent logs to standard error and to -log-file"
	noRotation = "the agent does not rotate its log file"
	noGossip   = "this agent talks to no other agent"
	ownPages   = "the pages are the agent's own"
	noWatch    = "files are read at the start and on reload"
	oneNetwork = "there is one network here"
	asConsul   = "this agent has Consul's default"
)

// agentFlags are all flags of Consul 1.12's agent that are a setting; -dev, -config-* and -hcl are options' own.
func agentFlags() []agentFlag {
	text := func(name, usage string, at func(*config.Config) *string) agentFlag {
		return agentFlag{name: name, usage: usage, set: func(c *config.Config, v string) error { *at(c) = v; return nil }}
	}
	integer := func(name, usage string, at func(*config.Config) *int) agentFlag {
		return agentFlag{name: name, usage: usage, set: func(c *config.Config, v string) (err error) {
			if *at(c), err = strconv.Atoi(v); err != nil {
				return errors.New("not an integer")
			}
			return nil
		}}
	}
	boolean := func(name, usage string, at func(*config.Config) *bool) agentFlag {
		return agentFlag{name: name, usage: usage, boolean: true, set: func(c *config.Config, v string) (err error) {
			if *at(c), err = strconv.ParseBool(v); err != nil {
				return errors.New("not true or false")
			}
			return nil
		}}
	}
	texts := func(name, usage string, at func(*config.Config) *[]string) agentFlag {
		return agentFlag{name: name, usage: usage, list: true, set: func(c *config.Config, v string) error { *at(c) = append(*at(c), v); return nil }}
	}
	flags := []agentFlag{
		text("node", "`name` of this machine in the catalog (default: the host's)", func(c *config.Config) *string { return &c.NodeName }),
		text("node-id", "`UUID` of this machine (default: a new one)", func(c *config.Config) *string { return &c.NodeID }),
		{name: "node-meta", usage: "`key:value` of this machine in the catalog; may be repeated", list: true, set: setNodeMeta},
		text("bind", "IP `address` of this machine that others call its services by (default 127.0.0.1)", func(c *config.Config) *string { return &c.BindAddr }),
		text("advertise", "that IP `address`, where -bind is 0.0.0.0", func(c *config.Config) *string { return &c.AdvertiseAddr }),
		text("client", "IP `addresses` to listen on, separated by spaces (default 127.0.0.1)", func(c *config.Config) *string { return &c.ClientAddr }),
		text("data-dir", "`folder` to keep everything in; without one all is gone when the agent ends", func(c *config.Config) *string { return &c.DataDir }),
		text("datacenter", "`name` of the datacenter (default dc1)", func(c *config.Config) *string { return &c.Datacenter }),
		integer("http-port", "`port` of the HTTP API (default 8500); 0 takes a free one, -1 none", func(c *config.Config) *int { return &c.Ports.HTTP }),
		integer("https-port", "`port` of the HTTP API over TLS, with the certificate that files name (default none)", func(c *config.Config) *int { return &c.Ports.HTTPS }),
		integer("dns-port", "`port` of DNS (default 8600); 0 takes a free one, -1 none", func(c *config.Config) *int { return &c.Ports.DNS }),
		text("domain", "`domain` that DNS answers for (default consul.)", func(c *config.Config) *string { return &c.Domain }),
		text("alt-domain", "another `domain` that DNS answers for", func(c *config.Config) *string { return &c.AltDomain }),
		texts("recursor", "`address` of a DNS server for other names; may be repeated", func(c *config.Config) *[]string { return &c.Recursors }),
		boolean("ui", "serve pages for people at /ui/ (always with -dev)", func(c *config.Config) *bool { return &c.UI }),
		boolean("ui-read-only", "let the pages change nothing", func(c *config.Config) *bool { return &c.UIReadOnly }),
		texts("http-host", "`name` by which programs reach this agent on loopback, besides localhost; may be repeated", func(c *config.Config) *[]string { return &c.Hosts }),
		boolean("enable-script-checks", "run programs as checks, whoever registers them", func(c *config.Config) *bool { return &c.ScriptChecks }),
		boolean("enable-local-script-checks", "run programs as checks that files define", func(c *config.Config) *bool { return &c.LocalScriptChecks }),
		integer("check_output_max_size", "`bytes` to keep of a check's output (default 4096)", func(c *config.Config) *int { return &c.CheckOutputMaxSize }),
		text("log-level", "least `level` to log: trace, debug, info, warn or err (default info)", func(c *config.Config) *string { return &c.LogLevel }),
		boolean("log-json", "log as JSON", func(c *config.Config) *bool { return &c.LogJSON }),
		text("log-file", "`file` to log to besides standard error", func(c *config.Config) *string { return &c.LogFile }),
		text("pid-file", "`file` to write the process's ID to", func(c *config.Config) *string { return &c.PidFile }),
		boolean("server", "be a server, which this agent is in any case", func(c *config.Config) *bool { return &c.Server }),
		boolean("bootstrap", "be the only server, which this agent is in any case", func(c *config.Config) *bool { return &c.Bootstrap }),
		integer("bootstrap-expect", "`number` of servers; for more than 1 Consul itself is started", func(c *config.Config) *int { return &c.BootstrapExpect }),
	}
	join, joinWAN := func(c *config.Config) *[]string { return &c.Join }, func(c *config.Config) *[]string { return &c.JoinWAN }
	flags = append(flags,
		texts("retry-join", "`address` of another agent; Consul itself is started", join), texts("join", "", join),
		texts("retry-join-wan", "", joinWAN), texts("join-wan", "", joinWAN), texts("primary-gateway", "", joinWAN),
		integer("serf-lan-port", "", func(c *config.Config) *int { return &c.Ports.SerfLAN }),
		integer("serf-wan-port", "", func(c *config.Config) *int { return &c.Ports.SerfWAN }))
	return append(flags, strangeFlags()...)
}

// strangeFlags are those that change nothing here, with a warning where a user might miss something, and those refused.
func strangeFlags() []agentFlag {
	var flags []agentFlag
	add := func(f agentFlag, names ...string) {
		for _, f.name = range names {
			flags = append(flags, f)
		}
	}
	add(agentFlag{}, "server-port", "grpc-port", "grpc-tls-port", "serf-lan-bind", "serf-wan-bind",
		"serf-lan-allowed-cidrs", "serf-wan-allowed-cidrs", "protocol", "raft-protocol",
		"retry-interval", "retry-interval-wan", "retry-max", "retry-max-wan", "log-rotate-max-files")
	add(agentFlag{boolean: true}, "disable-host-node-id", "disable-keyring-file", "rejoin")
	add(agentFlag{hint: oneNetwork}, "advertise-wan")
	add(agentFlag{hint: noGossip}, "encrypt")
	add(agentFlag{hint: noRotation}, "log-rotate-bytes", "log-rotate-duration")
	add(agentFlag{hint: ownPages}, "ui-dir", "ui-content-path")
	add(agentFlag{hint: asConsul}, "default-query-time", "max-query-time")
	add(agentFlag{hint: noSyslog, boolean: true}, "syslog")
	add(agentFlag{hint: noWatch, boolean: true}, "auto-reload-config")
	add(agentFlag{hint: enterprise, boolean: true}, "non-voting-server", "read-replica")
	add(agentFlag{refusal: enterprise}, "segment")
	add(agentFlag{refusal: openWrites}, "allow-write-http-from")
	return flags
}

func setNodeMeta(c *config.Config, pair string) error {
	name, value, ok := strings.Cut(pair, ":")
	if !ok {
		return errors.New("not key:value")
	}
	if c.NodeMeta == nil {
		c.NodeMeta = map[string]string{}
	}
	c.NodeMeta[name] = value
	return nil
}

// given is a flag with its value.
type given struct {
	agentFlag
	value string
}

// options is what the flags say.
type options struct {
	dev      bool
	version  bool
	paths    []string
	format   string
	inline   []string
	settings []given
}

func (o *options) flagSet() *flag.FlagSet {
	f := flag.NewFlagSet("agent", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	list := func(to *[]string) func(string) error {
		return func(v string) error { *to = append(*to, v); return nil }
	}
	f.BoolVar(&o.dev, "dev", false, "keep everything in memory, and serve pages for people at /ui/")
	f.BoolVar(&o.version, "version", false, "show the version")
	f.Func("config-file", "`file` of settings, services and checks, in JSON or HCL; may be repeated", list(&o.paths))
	f.Func("config-dir", "`folder` of such files, whose names end in .json or .hcl; may be repeated", list(&o.paths))
	f.StringVar(&o.format, "config-format", "", "`format` of files of any name: json or hcl")
	f.Func("hcl", "`settings` in HCL, after those of files; may be repeated", list(&o.inline))
	for _, known := range agentFlags() {
		take := func(value string) error {
			o.settings = append(o.settings, given{known, value})
			if known.set == nil {
				return nil
			}
			return known.set(config.Default(), value)
		}
		if known.boolean {
			f.BoolFunc(known.name, known.usage, take)
		} else {
			f.Func(known.name, known.usage, take)
		}
	}
	return f
}

// flagUsage lists the flags that have a help.
func flagUsage() string {
	var b strings.Builder
	shown := flag.NewFlagSet("agent", flag.ContinueOnError)
	shown.SetOutput(&b)
	new(options).flagSet().VisitAll(func(f *flag.Flag) {
		if f.Usage != "" {
			shown.Var(f.Value, f.Name, f.Usage)
		}
	})
	shown.PrintDefaults()
	return strings.TrimRight(b.String(), "\n")
}

// parse reads the flags. The error names the flag and its value; it is errHelp for -h.
func parse(args []string) (*options, error) {
	o := new(options)
	f := o.flagSet()
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
	for _, s := range o.settings {
		if s.refusal != "" {
			return nil, fmt.Errorf("flag -%s is not supported: %s", s.name, s.refusal)
		}
	}
	return o, nil
}

// known refuses flags that nobody has, with near names. A flag's value is never taken for a flag: it comes right after
// a flag that takes one.
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

// sources returns what is read, files and flags, in Consul's order: lists of flags come first, values of flags last.
func (o *options) sources() config.Options {
	apply := func(lists bool) func(*config.Config) {
		return func(c *config.Config) {
			for _, s := range o.settings {
				if s.set != nil && s.list == lists {
					_ = s.set(c, s.value) // it was taken before
				}
			}
		}
	}
	before := apply(true)
	return config.Options{
		Before: func(c *config.Config) { c.UI, c.Server = o.dev, o.dev; before(c) },
		Paths:  o.paths, Format: o.format, After: apply(false), Inline: o.inline,
	}
}

// given reports whether the flag was passed, also with an empty value.
func (o *options) given(name string) bool {
	return slices.ContainsFunc(o.settings, func(s given) bool { return s.name == name })
}

// hints tell which of the flags have no effect.
func (o *options) hints() []string {
	var hints []string
	for _, s := range o.settings {
		if s.hint != "" && s.value != "" && s.value != "false" {
			hints = append(hints, fmt.Sprintf("flag -%s has no effect: %s", s.name, s.hint))
		}
	}
	return hints
}
