// Package deploy writes what runs services elsewhere: a file for Docker Compose, manifests for Kubernetes, or units of
// systemd, with the Consul that the services are found in. It is given a plain description, renders it in memory,
// checks that what it made can be read, and writes all of it or nothing.
//
// It never applies what it has written, builds and pulls no image, and never sees a secret: secrets go by their names.
// Only [Resolve] uses the network.
package deploy

import (
	"fmt"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/nearname"
)

// ConsulImage is the Consul that is deployed where nothing else is said: a release, never a tag that moves.
const ConsulImage = "hashicorp/consul:2.0.4"

// The defaults of what a [Plan] leaves out. The times are the library's: after a signal an instance leaves the
// registry, serves on for LeaveDelay, and gives calls that run until Drain to end.
const (
	DefaultServers    = 3
	DefaultDatacenter = "dc1"
	DefaultDrain      = 30 * time.Second
	LeaveDelay        = time.Second

	margin  = 4 * time.Second // for the program's own end, after the last call
	port    = 8080            // that images listen on, as PANDA_ADDR says in them
	weight  = "100"           // of an instance: beside it a new version can get a part of the calls as small as 1 %
	user    = 65532           // that images run as
	service = "dev.panda.service"
)

// Target is what the files are for.
type Target string

// The targets.
const (
	Compose    Target = "compose"
	Kubernetes Target = "kubernetes"
	Systemd    Target = "systemd"
)

// Targets returns all targets.
func Targets() []Target { return []Target{Compose, Kubernetes, Systemd} }

// ParseTarget returns the target of that name. The error names those that there are.
func ParseTarget(name string) (Target, error) {
	var known []string
	for _, t := range Targets() {
		if string(t) == name {
			return t, nil
		}
		known = append(known, string(t))
	}
	if near := nearname.Of(name, known); len(near) > 0 {
		return "", inputErrorf("", "unknown target %q; near: %s", name, strings.Join(near, ", "))
	}
	return "", inputErrorf("", "unknown target %q; known: %s", name, strings.Join(known, ", "))
}

// Images reports whether programs are deployed as images; else they are files on each host.
func (t Target) Images() bool { return t != Systemd }

// Plan describes what is to run. The zero value of a field that has a default means the default.
type Plan struct {
	Project  string    // name of the whole; a DNS label
	Services []Service // at least one, each behind those that it waits for
	Consul   Consul
	Chinese  bool // whether README is in Chinese, in place of English
}

// Service is one program of which some instances run.
type Service struct {
	Name     string // a DNS label
	Source   string // the folder of its main package, for people
	Image    string // with a tag or digest; not used for systemd
	Replicas int    // 1 to 100
	Env      map[string]string
	Args     []string
	After    []string      // names of services that are started before it
	Oneshot  bool          // does its work and ends
	MilliCPU int           // the most, in thousandths of a processor; 0 is no limit
	Memory   int64         // the most, in bytes, whole MiB; 0 is no limit
	Secrets  []Secret      // variables whose values are kept elsewhere
	Drain    time.Duration // the most that a call may take when an instance is stopped
	Expose   int           // the port outside; 0: it is called by other services only
}

// Secret is a variable of a service and the name under which its value is kept. A variable whose name ends in _FILE
// gets the path of a file with the value.
type Secret struct{ Variable, Reference string }

// IsFile reports whether the variable gets a path.
func (s Secret) IsFile() bool { return strings.HasSuffix(s.Variable, "_FILE") }

// Object is the name of the secret without that of the key in it.
func (s Secret) Object() string {
	object, _, _ := strings.Cut(s.Reference, "/")
	return object
}

// Key is the name of the key in the secret; "value" when the reference names none.
func (s Secret) Key() string {
	if _, key, ok := strings.Cut(s.Reference, "/"); ok {
		return key
	}
	return "value"
}

// File is the reference as the name of a file.
func (s Secret) File() string { return strings.ReplaceAll(s.Reference, "/", "-") }

// Upper is the reference as the name of a variable.
func (s Secret) Upper() string {
	return strings.ToUpper(strings.NewReplacer("/", "_", "-", "_", ".", "_").Replace(s.Reference))
}

// Consul is the registry that the services are found in.
type Consul struct {
	Address    string // host:port of one that is there; "": servers are deployed, and an agent on each host
	Image      string // with a tag or digest
	Datacenter string
	Servers    int    // 1, 3 or 5
	Token      string // reference of a secret: the token of the services; "" for none
	Config     string // reference of a secret: a piece of configuration in HCL for every agent; "" for none
}

// Grace is how long an instance may take to end once it has been told to.
func (s *Service) Grace() time.Duration { return LeaveDelay + s.Drain + margin }

// InputError says what of a plan cannot be deployed; nothing has been written.
type InputError struct {
	Text string
	Do   string // what to do about it, a sentence without its full stop; may be empty
}

func (e *InputError) Error() string { return e.Text }

func inputErrorf(do, format string, args ...any) error {
	return &InputError{Text: fmt.Sprintf(format, args...), Do: do}
}

// Volume is the name of the volume that holds the secret.
func (s Secret) Volume() string {
	return "secret-" + strings.ToLower(strings.NewReplacer("/", "-", ".", "-", "_", "-").Replace(s.Reference))
}
