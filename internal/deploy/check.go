package deploy

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// maxName leaves room for the number of an instance within a DNS label.
const maxName = 52

var (
	namePattern     = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)
	variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// prepare returns the plan with its defaults, or what of it cannot be deployed.
func (p Plan) prepare(target Target) (*Plan, error) {
	p.Consul.Servers = cmp.Or(p.Consul.Servers, DefaultServers)
	p.Consul.Datacenter = cmp.Or(p.Consul.Datacenter, DefaultDatacenter)
	p.Consul.Image = cmp.Or(p.Consul.Image, ConsulImage)
	if len(p.Services) == 0 {
		return nil, inputErrorf("", "there is no service to deploy")
	}
	if target.Images() && p.Consul.Address == "" {
		if err := checkImage("deploy.consul.image", p.Consul.Image); err != nil {
			return nil, err
		}
	}
	p.Services = slices.Clone(p.Services)
	taken := make(map[string]string) // names of containers and objects, and of the services that have them
	for i := range p.Services {
		s := &p.Services[i]
		if err := s.check(target); err != nil {
			return nil, err
		}
		for _, name := range s.names() {
			if other := taken[name]; other != "" {
				return nil, inputErrorf("", "service %q: an instance of %s would be called %s, too", s.Name, other, name)
			}
			taken[name] = s.Name
		}
	}
	return &p, p.checkPorts(target)
}

// names are those that a service takes: its own and those of its instances.
func (s *Service) names() []string {
	names := []string{s.Name}
	for i := range s.Replicas {
		names = append(names, fmt.Sprintf("%s-%d", s.Name, i+1))
	}
	return names
}

func (s *Service) check(target Target) error {
	const rename = "name it below services in panda.yaml, with its path: {orders: {path: ./folder}}"
	switch {
	case !namePattern.MatchString(s.Name):
		return inputErrorf(rename, "service %q: containers and units have names of a to z, digits and - between them", s.Name)
	case len(s.Name) > maxName:
		return inputErrorf(rename, "service %q: the name is longer than %d characters", s.Name, maxName)
	case s.Name == "consul" || strings.HasPrefix(s.Name, "consul-"):
		return inputErrorf(rename, "service %q: names that begin with consul are the registry's own", s.Name)
	case s.Replicas < 1:
		return inputErrorf("", "service %q: %d replicas, want at least 1", s.Name, s.Replicas)
	case s.Oneshot && s.Expose != 0:
		return inputErrorf("", "service %q does its work and ends; it has no port to expose", s.Name)
	}
	for _, variable := range slices.Sorted(maps.Keys(s.Env)) {
		if !variablePattern.MatchString(variable) {
			return inputErrorf("", "service %q: env %q: a variable has a name of letters, digits and _", s.Name, variable)
		}
	}
	if !target.Images() {
		return nil
	}
	if s.Image == "" {
		return inputErrorf("set its image in panda.yaml (hello: {image: example.com/team/hello:1.4}), or name the version of all with --tag",
			"service %q: no image is named", s.Name)
	}
	return checkImage(fmt.Sprintf("service %q: image", s.Name), s.Image)
}

// checkImage refuses a reference that means one image today and another tomorrow.
func checkImage(what, text string) error {
	const pin = "name a version, such as :1.4, or a digest"
	reference, err := name.ParseReference(text)
	if err != nil {
		return inputErrorf("a reference is written as example.com/team/hello:1.4", "%s %q is no reference of an image", what, text)
	}
	if tag, ok := reference.(name.Tag); ok {
		switch {
		case !strings.HasSuffix(text, ":"+tag.TagStr()):
			return inputErrorf(pin, "%s %q has neither tag nor digest", what, text)
		case tag.TagStr() == name.DefaultTag:
			return inputErrorf(pin, "%s %q: latest is another image tomorrow", what, text)
		}
	}
	return nil
}

// checkPorts refuses two owners of one port of a host.
func (p *Plan) checkPorts(target Target) error {
	if target == Kubernetes {
		return nil // each Service has an address of its own
	}
	taken := map[int]string{}
	if p.Consul.Address == "" {
		taken[8500] = "consul"
	}
	for _, s := range p.Services {
		if s.Expose == 0 {
			continue
		}
		for at := s.Expose; at < s.Expose+s.Replicas; at++ {
			if at > 65535 {
				return inputErrorf("", "service %q: expose is %d, and %d replicas take ports beyond 65535", s.Name, s.Expose, s.Replicas)
			}
			if other := taken[at]; other != "" {
				return inputErrorf("", "service %q: expose: port %d is that of %s", s.Name, at, other)
			}
			taken[at] = s.Name
		}
	}
	return nil
}
