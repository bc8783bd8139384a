package config

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// The bounds of what the file may say about deploying.
const (
	MaxDrain = time.Hour

	maxImage   = 255 // characters of a reference
	maxPort    = 65535
	minMilli   = 10      // thousandths of a processor
	maxMilli   = 256_000 // the same
	minMemory  = 16 << 20
	maxMemory  = 1 << 40
	mebibyte   = 1 << 20
	gibibyte   = 1 << 30
	maxServers = 5
)

// The keys, in the order in which people write them.
var (
	limitKeys  = []string{"cpu", "memory"}                                                //nolint:gochecknoglobals // constant
	deployKeys = []string{"registry", "consul"}                                           //nolint:gochecknoglobals // constant
	consulKeys = []string{"image", "servers", "datacenter", "address", "token", "config"} //nolint:gochecknoglobals // constant
)

// Limits bound what one instance takes of its host; 0 is no limit.
type Limits struct {
	MilliCPU int   // thousandths of a processor
	Memory   int64 // bytes, whole MiB
}

// Secret is a variable whose value is kept elsewhere, under a name.
type Secret struct {
	Variable  string
	Reference string // NAME or NAME/KEY
	Pos       Pos    // of the reference
}

// Deploy is what the file says of the whole that is deployed.
type Deploy struct {
	Registry string // with its path, such as example.com/team; "" when left out
	Consul   Consul
}

// Consul is what the file says of the registry that the services are found in.
type Consul struct {
	Image      string // "" when left out
	Servers    int    // 0 when left out
	Datacenter string // "" when left out
	Address    string // host:port of one that is there already; "" when left out
	Token      string // reference of a secret; "" when left out
	Config     string // reference of a secret; "" when left out
}

var (
	referencePattern  = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,62})?$`)
	variablePattern   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	memoryPattern     = regexp.MustCompile(`^([0-9]{1,9})(MiB|GiB)$`)
	registryPattern   = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`)
	datacenterPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]{0,62})$`)
	addressPattern    = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\]):([0-9]{1,5})$`)
)

// IsAddress reports whether text is host:port, the host a name or an IP address, one of IPv6 in brackets.
func IsAddress(text string) bool {
	parts := addressPattern.FindStringSubmatch(text)
	if parts == nil {
		return false
	}
	port, err := strconv.Atoi(parts[3])
	return err == nil && port > 0 && port <= maxPort
}

// deployed reads those keys of a service that only panda deploy uses.
func (p parse) deployed(s *Service, key string, at Pos, value ast.Node) (err error) {
	switch key {
	case "image":
		s.Image, err = p.image(value)
	case "limits":
		s.Limits, err = p.limits(value)
	case "secrets":
		s.Secrets, err = p.secrets(value)
	case "drain":
		s.Drain, err = p.drain(value)
	case "expose":
		s.Expose, err = p.whole(value, "expose", 1, maxPort)
	default:
		err = p.unknownKey(at, key, serviceKeys)
	}
	return err
}

// checkSecrets refuses a variable that has both a value and a reference.
func (p parse) checkSecrets(s *Service) error {
	for _, secret := range s.Secrets {
		if _, both := s.Env[secret.Variable]; both {
			return p.Errorf(secret.Pos, "service %s: %s is below env too; keep one of the two", s.Name, secret.Variable)
		}
	}
	return nil
}

func (p parse) image(node ast.Node) (string, error) {
	text, err := p.text(node, "image", "a reference, such as example.com/team/hello:1.4")
	switch {
	case err != nil:
		return "", err
	case len(text) > maxImage:
		return "", p.Errorf(position(node), "image is longer than %d characters", maxImage)
	}
	return text, nil
}

func (p parse) text(node ast.Node, what, want string) (string, error) {
	n, ok := node.(*ast.StringNode)
	if !ok || n.Value == "" || strings.ContainsAny(n.Value, " \t\r\n\x00") {
		return "", p.wrongType(node, what, want)
	}
	return n.Value, nil
}

func (p parse) limits(node ast.Node) (Limits, error) {
	var limits Limits
	if isEmpty(node) {
		return limits, nil
	}
	err := p.mapping(node, "limits", func(key string, at Pos, value ast.Node) (err error) {
		switch key {
		case "cpu":
			limits.MilliCPU, err = p.cpu(value)
		case "memory":
			limits.Memory, err = p.memory(value)
		default:
			err = p.unknownKey(at, key, limitKeys)
		}
		return err
	})
	return limits, err
}

func (p parse) cpu(node ast.Node) (int, error) {
	switch node.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
	default:
		return 0, p.wrongType(node, "cpu", "a number of processors, such as 0.5")
	}
	text := node.GetToken().Value
	count, err := strconv.ParseFloat(text, 64)
	milli := math.Round(count * 1000)
	if err != nil || !(milli >= minMilli && milli <= maxMilli) || math.Abs(count*1000-milli) > 1e-6 {
		return 0, p.Errorf(position(node), "cpu is %s, want 0.01 to %d processors in steps of 0.001", text, maxMilli/1000)
	}
	return int(milli), nil
}

func (p parse) memory(node ast.Node) (int64, error) {
	text, err := p.scalar(node, "memory")
	if err != nil {
		return 0, err
	}
	parts := memoryPattern.FindStringSubmatch(text)
	if parts == nil {
		return 0, p.Errorf(position(node), "memory is %q, want a number and MiB or GiB, such as 256MiB", text)
	}
	size, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return 0, p.Errorf(position(node), "memory is %q, which is no number", text)
	}
	unit := int64(mebibyte)
	if parts[2] == "GiB" {
		unit = gibibyte
	}
	if size *= unit; size < minMemory || size > maxMemory {
		return 0, p.Errorf(position(node), "memory is %q, want %dMiB to %dGiB", text, minMemory/mebibyte, maxMemory/gibibyte)
	}
	return size, nil
}

func (p parse) secrets(node ast.Node) ([]Secret, error) {
	if isEmpty(node) {
		return nil, nil
	}
	var secrets []Secret
	err := p.mapping(node, "secrets", func(key string, at Pos, value ast.Node) error {
		if !variablePattern.MatchString(key) {
			return p.Errorf(at, "secrets: %q cannot be the name of a variable", key)
		}
		if slices.Contains([]string{"PANDA_INSTANCE", "PANDA_ADDR", "CONSUL_HTTP_ADDR", "CONSUL_HTTP_TOKEN"}, key) {
			return p.Errorf(at, "secrets: %s is set by panda deploy", key)
		}
		reference, err := p.reference(value, "secrets: "+key)
		secrets = append(secrets, Secret{key, reference, position(value)})
		return err
	})
	return secrets, err
}

// reference reads the name of a secret. What is none is not repeated in the error: it may be the secret itself.
func (p parse) reference(node ast.Node, what string) (string, error) {
	n, ok := node.(*ast.StringNode)
	if !ok || !referencePattern.MatchString(n.Value) {
		return "", p.Errorf(position(node), "%s: this is no name of a secret, such as db-password or db/password; its value is not for this file", what)
	}
	return n.Value, nil
}

func (p parse) drain(node ast.Node) (*time.Duration, error) {
	text, err := p.scalar(node, "drain")
	if err != nil {
		return nil, err
	}
	bound, err := time.ParseDuration(text)
	if err != nil || bound < 0 || bound > MaxDrain {
		return nil, p.Errorf(position(node), "drain is %q, want a time from 0s to 1h, such as 30s or 2m", text)
	}
	return &bound, nil
}

func (p parse) whole(node ast.Node, what string, least, most int) (int, error) {
	n, ok := node.(*ast.IntegerNode)
	if !ok {
		return 0, p.wrongType(node, what, "a number")
	}
	text := n.GetToken().Value
	number, err := strconv.Atoi(text)
	if err != nil || number < least || number > most {
		return 0, p.Errorf(position(node), "%s is %s, want %d to %d", what, text, least, most)
	}
	return number, nil
}

func (p parse) deploy(node ast.Node) error {
	settings := new(Deploy)
	p.Deploy = settings
	if isEmpty(node) {
		return nil
	}
	return p.mapping(node, "deploy", func(key string, at Pos, value ast.Node) (err error) {
		switch key {
		case "registry":
			settings.Registry, err = p.registry(value)
		case "consul":
			err = p.consul(&settings.Consul, value)
		default:
			err = p.unknownKey(at, key, deployKeys)
		}
		return err
	})
}

func (p parse) registry(node ast.Node) (string, error) {
	const want = "a host and a path, such as example.com/team"
	text, err := p.text(node, "registry", want)
	if err == nil && (len(text) > maxImage || !registryPattern.MatchString(text)) {
		err = p.Errorf(position(node), "registry is %q, want %s", text, want)
	}
	return text, err
}

func (p parse) consul(c *Consul, node ast.Node) error {
	if isEmpty(node) {
		return nil
	}
	return p.mapping(node, "consul", func(key string, at Pos, value ast.Node) (err error) {
		switch key {
		case "image":
			c.Image, err = p.image(value)
		case "servers":
			c.Servers, err = p.servers(value)
		case "datacenter":
			c.Datacenter, err = p.text(value, "datacenter", "a name, such as dc1")
			if err == nil && !datacenterPattern.MatchString(c.Datacenter) {
				err = p.Errorf(position(value), "datacenter is %q, want a to z, digits, - and _", c.Datacenter)
			}
		case "address":
			c.Address, err = p.text(value, "address", "host:port, such as 10.0.0.5:8500")
			if err == nil && !IsAddress(c.Address) {
				err = p.Errorf(position(value), "address is %q, want host:port, such as 10.0.0.5:8500", c.Address)
			}
		case "token":
			c.Token, err = p.reference(value, "token")
		case "config":
			c.Config, err = p.reference(value, "config")
		default:
			err = p.unknownKey(at, key, consulKeys)
		}
		return err
	})
}

// servers reads an odd number: an even one tolerates no more losses than the odd one below it.
func (p parse) servers(node ast.Node) (int, error) {
	count, err := p.whole(node, "servers", 1, maxServers)
	if err == nil && count%2 == 0 {
		err = p.Errorf(position(node), "servers is %d, which tolerates the loss of no more than %d do; want 1, 3 or 5", count, count-1)
	}
	return count, err
}
