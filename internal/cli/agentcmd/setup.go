package agentcmd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/agent"
	"github.com/pandakit/panda/internal/agent/check"
	"github.com/pandakit/panda/internal/agent/config"
	"github.com/pandakit/panda/internal/agent/dnsapi"
)

// setup is what flags and files say together, and what of it is open.
type setup struct {
	options *options
	config  *config.Config
	level   slog.LevelVar
	logger  *slog.Logger
	logFile *os.File
	pidFile string

	unused  string // the data dir that was named and is not used
	applied bool   // the settings were handed out once
}

// levels are Consul's names.
func levels() map[string]slog.Level {
	return map[string]slog.Level{
		"trace": slog.LevelDebug, "debug": slog.LevelDebug, "info": slog.LevelInfo,
		"warn": slog.LevelWarn, "err": slog.LevelError, "error": slog.LevelError,
	}
}

// load reads the files. What has no effect is told in the log, which is open when load returns no error.
func load(o *options, stderr io.Writer) (*setup, error) {
	s := &setup{options: o}
	var warnings []string
	var err error
	if s.config, warnings, err = s.read(); err != nil {
		return nil, err
	}
	if s.logger, err = s.openLog(stderr); err != nil {
		return nil, err
	}
	s.setLevel(s.config)
	for _, w := range append(o.hints(), warnings...) {
		s.logger.Warn(w)
	}
	return s, nil
}

// read reads files and flags, now or for a reload.
func (s *setup) read() (*config.Config, []string, error) {
	c, warnings, err := config.Load(s.options.sources())
	if err != nil {
		return nil, nil, err
	}
	if s.options.dev {
		s.unused, c.DataDir = c.DataDir, ""
	}
	if c.NodeName == "" {
		if c.NodeName, err = os.Hostname(); err != nil {
			return nil, nil, fmt.Errorf("find the host's name (pass -node): %w", err)
		}
		if warning := c.WarnOfName(); warning != "" {
			warnings = append(warnings, warning)
		}
	}
	if _, ok := levels()[strings.ToLower(c.LogLevel)]; !ok {
		return nil, nil, fmt.Errorf("log_level %q: not one of %s", c.LogLevel, strings.Join(slices.Sorted(maps.Keys(levels())), ", "))
	}
	return c, warnings, nil
}

// setLevel makes the log as talkative as c, which was read before, says.
func (s *setup) setLevel(c *config.Config) { s.level.Set(levels()[strings.ToLower(c.LogLevel)]) }

// warnOfForgetting tells of a data dir that was given and keeps nothing. Consul says nothing of it.
func (s *setup) warnOfForgetting() {
	switch {
	case s.unused != "":
		s.logger.Warn("nothing is kept in the data dir: -dev keeps everything in memory; leave it out to use the folder", "data_dir", s.unused)
	case !s.options.dev && s.config.DataDir == "" && s.options.given("data-dir"):
		s.logger.Warn("flag -data-dir is empty: everything is kept in memory and gone when the agent ends")
	}
}

func (s *setup) openLog(stderr io.Writer) (*slog.Logger, error) {
	if path := s.config.LogFile; path != "" {
		if info, err := os.Stat(path); err == nil && info.IsDir() || strings.HasSuffix(path, "/") {
			path = filepath.Join(path, "consul.log")
		}
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // the user names the file
		if err != nil {
			return nil, fmt.Errorf("open log file: %w", err)
		}
		s.logFile, stderr = file, io.MultiWriter(stderr, file)
	}
	handler := &slog.HandlerOptions{Level: &s.level}
	if s.config.LogJSON {
		return slog.New(slog.NewJSONHandler(stderr, handler)), nil
	}
	return slog.New(slog.NewTextHandler(stderr, handler)), nil
}

func (s *setup) writePid() error {
	if s.config.PidFile == "" {
		return nil
	}
	err := os.WriteFile(s.config.PidFile, []byte(strconv.Itoa(os.Getpid())), 0o644) //nolint:gosec // others may read who runs
	if err != nil {
		return fmt.Errorf("write pid file: %w", err)
	}
	s.pidFile = s.config.PidFile
	return nil
}

// close removes and closes what was opened.
func (s *setup) close() error {
	var failed []error
	if s.pidFile != "" {
		failed = append(failed, os.Remove(s.pidFile))
	}
	if s.logFile != nil {
		failed = append(failed, s.logFile.Close())
	}
	return errors.Join(failed...)
}

// settings returns what was read at the start the first time, and reads it anew from then on.
func (s *setup) settings() (agent.Settings, error) {
	if !s.applied {
		s.applied = true
		return agent.Settings{Definitions: s.config.Definitions, DNS: dnsOptions(s.config)}, nil
	}
	next, warnings, err := s.read()
	if err != nil {
		return agent.Settings{}, err
	}
	for _, w := range warnings {
		s.logger.Warn(w)
	}
	return agent.Settings{Definitions: next.Definitions, DNS: dnsOptions(next), Applied: func() { s.reloaded(next) }}, nil
}

// reloaded is called once what was read anew is in effect.
func (s *setup) reloaded(next *config.Config) {
	s.setLevel(next)
	if !sameSettings(*s.config, *next) {
		s.logger.Warn("settings have changed that take effect when the agent is started again: all but services, checks, dns_config, recursors and log_level")
	}
	s.logger.Info("files read again", "services", len(next.Services), "checks", len(next.Checks))
}

func sameSettings(a, b config.Config) bool {
	for _, c := range []*config.Config{&a, &b} {
		c.Definitions, c.LogLevel, c.DNS, c.Recursors = config.Definitions{}, "", config.DNS{}, nil
	}
	return reflect.DeepEqual(a, b)
}

// agentConfig says how the agent is that the setup asks for.
func (s *setup) agentConfig() (agent.Config, error) {
	c := s.config
	address, err := nodeAddress(c)
	if err != nil {
		return agent.Config{}, err
	}
	cfg := agent.Config{
		HTTPAddr: agent.NoHTTP, Node: c.NodeName, NodeID: c.NodeID, NodeMeta: c.NodeMeta, Address: address, Datacenter: c.Datacenter, Logger: s.logger,
		CheckLimits:   check.Limits{MaxOutput: c.CheckOutputMaxSize, DiscardOutput: c.DiscardCheckOutput},
		RemoteScripts: c.ScriptChecks, LocalScripts: c.LocalScriptChecks, Settings: s.settings,
		DataDir: c.DataDir, SessionTTLMin: c.SessionTTLMin, ResponseHeaders: c.ResponseHeaders, Hosts: c.Hosts,
		UI: c.UI, UIReadOnly: c.UIReadOnly, Pretty: s.options.dev, Debug: c.Debug || s.options.dev,
	}
	if cfg.DNS, err = s.dns(); err != nil {
		return agent.Config{}, err
	}
	plain, err := listenOn("http", c.Addresses.HTTP, c.ClientAddr, c.Ports.HTTP)
	if err != nil {
		return agent.Config{}, err
	}
	for n, addr := range plain {
		if n == 0 {
			cfg.HTTPAddr = addr
			continue
		}
		cfg.MoreAddrs = append(cfg.MoreAddrs, agent.Listen{Addr: addr})
	}
	secure, err := s.secure()
	cfg.MoreAddrs = append(cfg.MoreAddrs, secure...)
	return cfg, err
}

// dns says where and how names are answered. Port 8600 is given up with a warning where another program has it, unless
// it was asked for: several agents of one machine differ in -http-port alone.
func (s *setup) dns() (agent.DNSConfig, error) {
	c, port := s.config, s.config.Ports.DNS
	if port == config.Standard {
		port = standardDNSPort
	}
	addresses, err := listenOn("dns", c.Addresses.DNS, c.ClientAddr, port)
	return agent.DNSConfig{
		Addrs: addresses, Optional: c.Ports.DNS == config.Standard, Domain: c.Domain, AltDomain: c.AltDomain,
		Options: dnsOptions(c),
	}, err
}

const standardDNSPort = 8600

func dnsOptions(c *config.Config) dnsapi.Options {
	d := &c.DNS
	return dnsapi.Options{
		Recursors: c.Recursors, RandomRecursor: d.RecursorStrategy == "random", RecursorTimeout: d.RecursorTimeout,
		NodeTTL: d.NodeTTL, ServiceTTL: d.ServiceTTL, OnlyPassing: d.OnlyPassing,
		DisableCompression: d.DisableCompression, EnableTruncate: d.EnableTruncate,
		ARecordLimit: d.ARecordLimit, UDPAnswerLimit: &d.UDPAnswerLimit, OmitNodeMeta: !d.NodeMetaTXT,
		SOA: &dnsapi.SOA{Refresh: d.SOA.Refresh, Retry: d.SOA.Retry, Expire: d.SOA.Expire, MinTTL: d.SOA.MinTTL},
	}
}

// secure returns where HTTPS is served.
func (s *setup) secure() ([]agent.Listen, error) {
	c := s.config
	addresses, err := listenOn("https", c.Addresses.HTTPS, c.ClientAddr, c.Ports.HTTPS)
	if err != nil || len(addresses) == 0 {
		return nil, err
	}
	files := c.MergedHTTPS()
	if files.CertFile == "" && files.KeyFile == "" {
		s.logger.Warn("HTTPS is not served: ports.https is set, but neither cert_file nor key_file")
		return nil, nil
	}
	security, err := tlsConfig(files)
	if err != nil {
		return nil, err
	}
	listeners := make([]agent.Listen, 0, len(addresses))
	for _, addr := range addresses {
		listeners = append(listeners, agent.Listen{Addr: addr, TLS: security})
	}
	return listeners, nil
}

func tlsConfig(files config.TLS) (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of HTTPS: %w", err)
	}
	security := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	switch files.MinVersion {
	case "", "TLSv1_2", "tls12":
	case "TLSv1_3", "tls13":
		security.MinVersion = tls.VersionTLS13
	default:
		return nil, fmt.Errorf("tls_min_version %q: not TLSv1_2 or TLSv1_3", files.MinVersion)
	}
	if !files.VerifyIncoming {
		return security, nil
	}
	if files.CAFile == "" {
		return nil, errors.New("verify_incoming set, and no CA certificate provided in ca_file")
	}
	authorities, err := os.ReadFile(files.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	security.ClientAuth, security.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !security.ClientCAs.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("ca_file %s holds no certificate", files.CAFile)
	}
	return security, nil
}
