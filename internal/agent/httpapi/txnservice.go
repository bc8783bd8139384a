package httpapi

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/consulwire"
)

func precheckService(s *consulwire.TxnServiceFields) error {
	if s.ID == "" {
		s.ID = s.Service
	}
	if s.Service == "" {
		return opError("Must provide service name with ID")
	}
	if ip, err := netip.ParseAddr(strings.Trim(s.Address, "[]")); err == nil && ip.IsUnspecified() {
		return opError("Invalid service address")
	}
	return nil
}

func (t txnReader) service(op *consulwire.TxnService) ([]*consulwire.TxnResult, error) {
	if op.Verb != "get" {
		return nil, opError("unknown Service verb %q", op.Verb)
	}
	instance := t.Instance(op.Node, op.Service.ID)
	if instance == nil {
		return nil, opError("service %q on node %q doesn't exist", op.Service.ID, op.Node)
	}
	return instanceResult(instance), nil
}

// instanceResult tells of an instance; here, unlike elsewhere, Consul tells of no tags by null.
func instanceResult(i *catalog.Instance) []*consulwire.TxnResult {
	told := i.NodeService
	if len(told.Tags) == 0 {
		told.Tags = nil
	}
	return []*consulwire.TxnResult{{Service: &told}}
}

func (t *txnWriter) writeService(op *consulwire.TxnService) ([]*consulwire.TxnResult, error) {
	given, index := &op.Service, uint64(0)
	existing := t.Instance(op.Node, given.ID)
	if existing != nil {
		index = existing.ModifyIndex
	}
	kept := t.isOwn(op.Node) && (given.ID == registrar.OwnService || existing != nil && existing.Local)
	switch op.Verb {
	case "set", "cas":
		if op.Verb == "cas" && stale(given.ModifyIndex, index) {
			return nil, opError("failed to set service %q on node %q, index is stale", given.ID, op.Node)
		}
		if err := serviceMeta(op.Node, given); err != nil {
			return nil, err
		}
		if kept {
			return instanceResult(existing), nil
		}
		if err := t.w.SetInstance(instanceOf(op)); err != nil {
			return nil, err
		}
		results := instanceResult(t.Instance(op.Node, given.ID))
		results[0].Service.Tags = given.Tags
		return results, nil
	case "delete", "delete-cas":
		if op.Verb == "delete-cas" && (existing == nil || stale(given.ModifyIndex, index)) {
			return nil, opError("failed to delete service %q on node %q, index is stale", given.ID, op.Node)
		}
		if !kept {
			t.w.DeleteInstance(op.Node, given.ID)
		}
		return nil, nil
	}
	return t.service(op)
}

func instanceOf(op *consulwire.TxnService) *catalog.Instance {
	given := &op.Service
	weights := given.Weights
	if weights.Passing < 1 || weights.Warning < 0 || weights.Passing > heaviest || weights.Warning > heaviest {
		weights = consulwire.Weights{Passing: 1, Warning: 1}
	}
	return &catalog.Instance{Node: op.Node, NodeService: consulwire.NodeService{
		ID: given.ID, Service: given.Service, Tags: given.Tags, Address: given.Address, Meta: given.Meta, Port: given.Port,
		Weights: weights, EnableTagOverride: given.EnableTagOverride,
	}}
}

// Bounds of what a service says of itself.
const (
	heaviest      = 65535
	mostMeta      = 64
	longestKey    = 128
	longestValue  = 512
	reservedStart = "consul-"
)

var metaKey = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

func serviceMeta(node string, s *consulwire.TxnServiceFields) error {
	what := fmt.Sprintf("Invalid Service Meta for node %s and serviceID %s: ", node, s.ID)
	if len(s.Meta) > mostMeta {
		return opError("%sNode metadata cannot contain more than %d key/value pairs", what, mostMeta)
	}
	for key, value := range s.Meta {
		if why := badMeta(key, value); why != "" {
			return opError("%sCouldn't load metadata pair ('%s', '%s'): %s", what, key, value, why)
		}
	}
	return nil
}

func badMeta(key, value string) string {
	switch {
	case key == "":
		return "Key cannot be blank"
	case !metaKey.MatchString(key):
		return "Key contains invalid characters"
	case len(key) > longestKey:
		return fmt.Sprintf("Key is too long (limit: %d characters)", longestKey)
	case strings.HasPrefix(key, reservedStart):
		return fmt.Sprintf("Key prefix '%s' is reserved for internal use", reservedStart)
	case len(value) > longestValue:
		return fmt.Sprintf("Value is too long (limit: %d characters)", longestValue)
	}
	return ""
}
