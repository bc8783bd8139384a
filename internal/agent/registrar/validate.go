package registrar

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// Consul's limits of a service's metadata.
const (
	mostMeta      = 64
	longestKey    = 128
	longestValue  = 512
	reservedStart = "consul-"
	heaviest      = 65535
)

var metaKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// instance returns the row that the registration asks for.
func (r *Registrar) instance(s *consulwire.ServiceRegistration) (*catalog.Instance, error) {
	proxy := proxyOf(s)
	if err := validateService(s); err != nil {
		return nil, err
	}
	weights := consulwire.Weights{Passing: 1, Warning: 1}
	if s.Weights != nil {
		weights = *s.Weights
	}
	return &catalog.Instance{Node: r.cfg.Node, Local: true, NodeService: consulwire.NodeService{
		Kind: s.Kind, Proxy: proxy, Connect: consulwire.Connect{Native: s.Connect != nil && s.Connect.Native},
		ID: cmp.Or(s.ID, s.Name), Service: s.Name, Tags: s.Tags, Address: s.Address, Port: s.Port, SocketPath: s.SocketPath,
		TaggedAddresses: taggedAddresses(s), Meta: s.Meta, Weights: weights, EnableTagOverride: s.EnableTagOverride,
	}}, nil
}

func validateService(s *consulwire.ServiceRegistration) error {
	switch {
	case s.Name == "":
		return invalid("Missing service name")
	case cmp.Or(s.ID, s.Name) == OwnService:
		return invalid("Service ID %q is the agent's own", OwnService)
	case unspecified(s.Address):
		return invalid("Invalid service address")
	case s.Port < 0 || s.Port > 65535:
		return invalid("Invalid service port %d", s.Port)
	case !defaultOnly(s.Namespace) || !defaultOnly(s.Partition):
		return invalid("Invalid Namespace or Partition: this agent has only the default one")
	}
	if w := s.Weights; w != nil {
		if err := ValidateWeights(*w); err != nil {
			return invalid("Invalid Weights: %v", err)
		}
	}
	if err := ValidateServiceMeta(s.Kind, s.Meta); err != nil {
		return invalid("Invalid Service Meta: %v", err)
	}
	if err := ValidateMember(Member{s.Kind, s.Port, s.SocketPath, s.Proxy, s.Connect}); err != nil {
		return invalid("Validation failed: %v", err)
	}
	return refuse(s)
}

// admit refuses what Consul's agent refuses once a request is well formed, and tells of names that DNS cannot find.
func (r *Registrar) admit(i *catalog.Instance, checks []*definedCheck, scripts bool) error {
	for _, tagged := range []struct {
		name string
		four bool
	}{{"lan_ipv4", true}, {"wan_ipv4", true}, {"lan_ipv6", false}, {"wan_ipv6", false}} {
		address, given := i.TaggedAddresses[tagged.name]
		if !given {
			continue
		}
		if ip, err := netip.ParseAddr(address.Address); err != nil || ip.Unmap().Is4() != tagged.four {
			return &RefusedError{fmt.Sprintf("Service tagged address %q must be a valid ip%s address", tagged.name, tagged.name[len("lan_ip"):])}
		}
	}
	r.warnOfNames(i)
	r.WarnOfMesh(&i.NodeService)
	return scriptsAllowed(checks, scripts, noRemoteScripts)
}

// longestLabel is that of a part of a name in DNS.
const longestLabel = 63

var notInDNS = regexp.MustCompile(`[^A-Za-z0-9\-]`)

func (r *Registrar) warnOfNames(i *catalog.Instance) {
	const chars, long = "has characters other than letters, digits and dashes", "is longer than 63 bytes"
	why := func(name string) string {
		switch {
		case notInDNS.MatchString(name):
			return chars
		case len(name) > longestLabel:
			return long
		}
		return ""
	}
	if reason := why(i.Service); reason != "" {
		r.cfg.Logger.Warn("DNS will not find the service: its name "+reason, "service", i.Service)
	}
	for _, tag := range i.Tags {
		if reason := why(tag); reason != "" {
			r.cfg.Logger.Debug("DNS will not find the service by a tag, which "+reason, "service", i.Service, "tag", tag)
		}
	}
}

// Why a check that would run a program is refused, in Consul's words.
const (
	noRemoteScripts = "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
	noLocalScripts  = "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or 'enable_local_script_checks' to true"
)

func scriptsAllowed(checks []*definedCheck, allowed bool, refusal string) error {
	for _, c := range checks {
		if len(c.definition.Script) > 0 && !allowed {
			return &RefusedError{refusal}
		}
	}
	return nil
}

func unspecified(address string) bool {
	ip, err := netip.ParseAddr(strings.Trim(address, "[]"))
	return err == nil && ip.IsUnspecified()
}

func defaultOnly(name string) bool { return name == "" || strings.EqualFold(name, "default") }

// ValidateWeights says what is wrong with the weights of a service.
func ValidateWeights(w consulwire.Weights) error {
	switch {
	case w.Passing < 1:
		return errors.New("Passing must be greater than 0") //nolint:staticcheck // Consul's text
	case w.Warning < 0:
		return errors.New("Warning must be greater or equal than 0") //nolint:staticcheck // Consul's text
	case w.Passing > heaviest || w.Warning > heaviest:
		return fmt.Errorf("DNS Weight must be between 0 and %d", heaviest)
	}
	return nil
}

// ValidateMeta says what is wrong with the metadata of a service.
func ValidateMeta(meta map[string]string) error {
	if len(meta) > mostMeta {
		return fmt.Errorf("Node metadata cannot contain more than %d key/value pairs", mostMeta) //nolint:staticcheck // Consul's text
	}
	for key, value := range meta {
		var why string
		switch {
		case !metaKey.MatchString(key):
			why = "Key contains invalid characters"
		case len(key) > longestKey:
			why = fmt.Sprintf("Key is too long (limit: %d characters)", longestKey)
		case strings.HasPrefix(key, reservedStart):
			why = fmt.Sprintf("Key prefix '%s' is reserved for internal use", reservedStart)
		case len(value) > longestValue:
			why = fmt.Sprintf("Value is too long (limit: %d characters)", longestValue)
		default:
			continue
		}
		return fmt.Errorf("Couldn't load metadata pair ('%s', '%s'): %s", key, value, why) //nolint:staticcheck // Consul's text
	}
	return nil
}

// refuse names what the registration asks for and this agent does not have.
func refuse(s *consulwire.ServiceRegistration) error {
	for _, field := range []struct {
		name  string
		value json.RawMessage
	}{{"Ports", s.Ports}, {"AI", s.AI}, {"Locality", s.Locality}} {
		if !slices.Contains([]string{"", "null", "{}", "[]"}, string(field.value)) {
			return invalid("%s is not supported by this agent", field.name)
		}
	}
	return nil
}

// taggedAddresses adds to those given the ones that Consul derives from an IP address.
func taggedAddresses(s *consulwire.ServiceRegistration) map[string]consulwire.ServiceAddress {
	tagged := make(map[string]consulwire.ServiceAddress, len(s.TaggedAddresses)+2)
	if ip, err := netip.ParseAddr(s.Address); err == nil {
		family := "ipv4"
		if ip.Is6() {
			family = "ipv6"
		}
		for _, net := range []string{"lan_", "wan_"} {
			tagged[net+family] = consulwire.ServiceAddress{Address: s.Address, Port: s.Port}
		}
	}
	maps.Copy(tagged, s.TaggedAddresses)
	return tagged
}
