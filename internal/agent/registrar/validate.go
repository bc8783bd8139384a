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
	if err := validateService(s); err != nil {
		return nil, err
	}
	weights := consulwire.Weights{Passing: 1, Warning: 1}
	if s.Weights != nil {
		weights = *s.Weights
	}
	return &catalog.Instance{Node: r.cfg.Node, Local: true, NodeService: consulwire.NodeService{
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
	if err := ValidateMeta(s.Meta); err != nil {
		return invalid("Invalid Service Meta: %v", err)
	}
	return refuse(s)
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
		return fmt.Errorf("Passing and Warning must not be greater than %d", heaviest) //nolint:staticcheck // Consul's text
	}
	return nil
}

// ValidateMeta says what is wrong with the metadata of a service.
func ValidateMeta(meta map[string]string) error {
	if len(meta) > mostMeta {
		return fmt.Errorf("cannot contain more than %d key/value pairs", mostMeta)
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

// refuse names what the registration asks for and this agent does not have: a service that believed
// itself in a mesh would be called without it.
func refuse(s *consulwire.ServiceRegistration) error {
	if s.Kind != "" {
		return invalid("Kind %q is not supported by this agent, which has no service mesh", s.Kind)
	}
	for _, field := range []struct {
		name  string
		value json.RawMessage
	}{{"Proxy", s.Proxy}, {"Connect", s.Connect}, {"Ports", s.Ports}, {"AI", s.AI}, {"Locality", s.Locality}} {
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
