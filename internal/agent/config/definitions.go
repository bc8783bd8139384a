package config

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/agent/check"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/consulwire"
)

type (
	serviceDefinition = consulwire.ServiceRegistration
	checkDefinition   = consulwire.CheckRegistration
)

const (
	noMesh      = "this agent has no service mesh; a service that counts on it runs beside Consul itself"
	oneTenant   = "there is only the default namespace and partition"
	noDocker    = "this agent does not talk to Docker; use args that run docker exec"
	noScriptKey = "Consul has removed it; use args, a list of the program and its arguments"
	noOSService = "this agent does not ask the system's service manager"
)

func serviceKeys() table[serviceDefinition] {
	t := table[serviceDefinition]{}
	t.take("id", textKey(func(s *serviceDefinition) *string { return &s.ID }))
	t.take("name", textKey(func(s *serviceDefinition) *string { return &s.Name }))
	t.take("tags", textsKey(func(s *serviceDefinition) *[]string { return &s.Tags }))
	t.take("address", textKey(func(s *serviceDefinition) *string { return &s.Address }))
	t.take("port", intKey(func(s *serviceDefinition) *int { return &s.Port }))
	t.take("socket_path", textKey(func(s *serviceDefinition) *string { return &s.SocketPath }))
	t.take("meta", textMapKey(func(s *serviceDefinition) *map[string]string { return &s.Meta }))
	t.take("token", textKey(func(s *serviceDefinition) *string { return &s.Token }))
	t.take("enable_tag_override", boolKey(func(s *serviceDefinition) *bool { return &s.EnableTagOverride }))
	t.take("tagged_addresses", readTaggedAddresses)
	t.take("weights.passing", intKey(func(s *serviceDefinition) *int { return &weightsOf(s).Passing }))
	t.take("weights.warning", intKey(func(s *serviceDefinition) *int { return &weightsOf(s).Warning }))
	t.take("checks", objectsKey(func(r *reader, s *serviceDefinition, v *value, name string) {
		s.Checks = append(s.Checks, readServiceCheck(r, v, name))
	}))
	t.take("check", objectKey(func(r *reader, s *serviceDefinition, v *value, name string) {
		s.Check = readServiceCheck(r, v, name)
	}))
	meshKeys(t)
	t.judge(refused, oneTenant, "namespace", "partition")
	return t
}

// weightsOf returns the service's weights, of which those not given are 1.
func weightsOf(s *serviceDefinition) *consulwire.Weights {
	if s.Weights == nil {
		s.Weights = &consulwire.Weights{Passing: 1, Warning: 1}
	}
	return s.Weights
}

func readTaggedAddresses(r *reader, s *serviceDefinition, v value, name string) {
	keys := table[consulwire.ServiceAddress]{}
	keys.take("address", textKey(func(a *consulwire.ServiceAddress) *string { return &a.Address }))
	keys.take("port", intKey(func(a *consulwire.ServiceAddress) *int { return &a.Port }))
	r.each(v, name, func(f field) {
		only := f.value.one()
		if only == nil {
			r.fail(f.line, "%s.%s is %s, not an object", name, f.name, f.value.kind)
			return
		}
		var address consulwire.ServiceAddress
		decode(r, &address, only, keys, "", name+"."+f.name+".")
		if s.TaggedAddresses == nil {
			s.TaggedAddresses = map[string]consulwire.ServiceAddress{}
		}
		s.TaggedAddresses[f.name] = address
	})
}

func readService(r *reader, v *value, name string) *serviceDefinition {
	s := readUnnamed(r, v, name)
	if s.Name == "" {
		r.fail(v.line, "%s has no name", name)
	}
	validateMesh(r, v, s)
	return s
}

// readUnnamed reads a service that need not have a name: a proxy is named after its service.
func readUnnamed(r *reader, v *value, name string) *serviceDefinition {
	s := new(serviceDefinition)
	decode(r, s, v, serviceKeys(), "", name+".")
	// Consul numbers the checks of a file with the single one last.
	if s.Check != nil {
		s.Checks, s.Check = append(s.Checks, s.Check), nil
	}
	if err := registrar.ValidateServiceMeta(s.Kind, s.Meta); err != nil {
		r.fail(v.line, "invalid meta for service %s: %v", s.Name, err)
	}
	if err := registrar.ValidateWeights(*weightsOf(s)); err != nil {
		r.fail(v.line, "Invalid weight definition for service %s: %v", s.Name, err)
	}
	if s.SocketPath != "" && (s.Port != 0 || s.Address != "") {
		r.fail(v.line, "service %s cannot have both socket path %s and address/port", s.Name, s.SocketPath)
	}
	return s
}

func checkKeys() table[checkDefinition] {
	t := table[checkDefinition]{}
	for name, at := range map[string]func(*checkDefinition) *string{
		"id":              func(c *checkDefinition) *string { return &c.ID },
		"name":            func(c *checkDefinition) *string { return &c.Name },
		"notes":           func(c *checkDefinition) *string { return &c.Notes },
		"service_id":      func(c *checkDefinition) *string { return &c.ServiceID },
		"token":           func(c *checkDefinition) *string { return &c.Token },
		"status":          func(c *checkDefinition) *string { return &c.Status },
		"http":            func(c *checkDefinition) *string { return &c.HTTP },
		"method":          func(c *checkDefinition) *string { return &c.Method },
		"body":            func(c *checkDefinition) *string { return &c.Body },
		"tcp":             func(c *checkDefinition) *string { return &c.TCP },
		"udp":             func(c *checkDefinition) *string { return &c.UDP },
		"grpc":            func(c *checkDefinition) *string { return &c.GRPC },
		"h2ping":          func(c *checkDefinition) *string { return &c.H2PING },
		"tls_server_name": func(c *checkDefinition) *string { return &c.TLSServerName },
		"alias_node":      func(c *checkDefinition) *string { return &c.AliasNode },
		"alias_service":   func(c *checkDefinition) *string { return &c.AliasService },
	} {
		t.take(name, textKey(at))
	}
	for name, at := range map[string]func(*checkDefinition) *bool{
		"disable_redirects": func(c *checkDefinition) *bool { return &c.DisableRedirects },
		"grpc_use_tls":      func(c *checkDefinition) *bool { return &c.GRPCUseTLS },
		"tcp_use_tls":       func(c *checkDefinition) *bool { return &c.TCPUseTLS },
		"h2ping_use_tls":    func(c *checkDefinition) *bool { return &c.H2PingUseTLS },
		"tls_skip_verify":   func(c *checkDefinition) *bool { return &c.TLSSkipVerify },
	} {
		t.take(name, boolKey(at))
	}
	for name, at := range map[string]func(*checkDefinition) *int{
		"output_max_size":          func(c *checkDefinition) *int { return &c.OutputMaxSize },
		"success_before_passing":   func(c *checkDefinition) *int { return &c.SuccessBeforePassing },
		"failures_before_warning":  func(c *checkDefinition) *int { return &c.FailuresBeforeWarning },
		"failures_before_critical": func(c *checkDefinition) *int { return &c.FailuresBeforeCritical },
	} {
		t.take(name, intKey(at))
	}
	for name, at := range map[string]func(*checkDefinition) *consulwire.Duration{
		"interval":                          func(c *checkDefinition) *consulwire.Duration { return &c.Interval },
		"timeout":                           func(c *checkDefinition) *consulwire.Duration { return &c.Timeout },
		"ttl":                               func(c *checkDefinition) *consulwire.Duration { return &c.TTL },
		"deregister_critical_service_after": func(c *checkDefinition) *consulwire.Duration { return &c.DeregisterCriticalServiceAfter },
	} {
		t.take(name, durationKey(func(c *checkDefinition) *time.Duration { return (*time.Duration)(at(c)) }))
	}
	t.take("args", textsKey(func(c *checkDefinition) *[]string { return &c.ScriptArgs }))
	t.take("header", readHeader)
	t.alias("args", "scriptargs", "script_args")
	t.alias("service_id", "serviceid")
	t.alias("docker_container_id", "dockercontainerid")
	t.alias("tls_skip_verify", "tlsskipverify")
	t.alias("deregister_critical_service_after", "deregistercriticalserviceafter")
	t.judge(ignored, "", "shell")
	t.judge(refused, noDocker, "docker_container_id")
	t.judge(refused, noOSService, "os_service")
	t.judge(refused, noScriptKey, "script")
	t.judge(refused, oneTenant, "namespace", "partition")
	return t
}

func readHeader(r *reader, c *checkDefinition, v value, name string) {
	r.each(v, name, func(f field) {
		if c.Header == nil {
			c.Header = map[string][]string{}
		}
		c.Header[f.name] = r.texts(f.value, name+"."+f.name)
	})
}

// readServiceCheck reads a check inside a service. Requests call its ID CheckID, and ID only that of a check by itself.
func readServiceCheck(r *reader, v *value, name string) *checkDefinition {
	c := readCheck(r, v, name)
	c.CheckID, c.ID = c.ID, ""
	return c
}

func readCheck(r *reader, v *value, name string) *checkDefinition {
	c, problems := new(checkDefinition), len(r.problems)
	decode(r, c, v, checkKeys(), "", name+".")
	if len(r.problems) > problems {
		return c // what was not understood would be said to be missing
	}
	if c.H2PING != "" && !v.has("h2ping_use_tls") {
		c.H2PingUseTLS = true
	}
	if _, err := check.FromRegistration(c); err != nil {
		r.fail(v.line, "%s: %v", name, err)
	}
	if c.Status != "" && !registrar.ValidStatus(c.Status) {
		r.fail(v.line, "%s: status %q is not passing, warning or critical", name, c.Status)
	}
	return c
}

// Definitions are what files ask to be registered.
type Definitions struct {
	Services []*consulwire.ServiceRegistration
	Checks   []*consulwire.CheckRegistration
}

func definitionKeys(t table[Config]) {
	addService := func(r *reader, c *Config, v *value, name string) {
		c.Services = append(c.Services, readService(r, v, name))
	}
	addCheck := func(r *reader, c *Config, v *value, name string) {
		read := readCheck(r, v, name)
		if read.Name == "" {
			r.fail(v.line, "%s has no name", name)
		}
		c.Checks = append(c.Checks, read)
	}
	t.take("service", objectKey(addService))
	t.take("services", objectsKey(addService))
	t.take("check", objectKey(addCheck))
	t.take("checks", objectsKey(addCheck))
}

// Keys returns the names of all keys that files may have, sorted; those of a service begin with "service.", those of a
// check with "check.".
func Keys() []string {
	names := slices.Collect(maps.Keys(agentKeys()))
	for name := range serviceKeys() {
		names = append(names, "service."+name)
	}
	for name := range checkKeys() {
		names = append(names, "check."+name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
