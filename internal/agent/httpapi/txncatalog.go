package httpapi

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/consulwire"
)

func precheckNode(op *consulwire.TxnNode) error {
	if op.Node.Node.Node == "" {
		return errors.New("Must provide node") //nolint:staticcheck // Consul's text
	}
	if id := op.Node.ID; id != "" {
		if err := uuid(id); err != nil {
			return fmt.Errorf("Bad node ID: %w", err) //nolint:staticcheck // Consul's text
		}
	}
	return nil
}

// uuidShape is where a UUID has its dashes.
const uuidShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"

func uuid(text string) error {
	if len(text) != len(uuidShape) {
		return errors.New("uuid string is wrong length")
	}
	for at, c := range uuidShape {
		if (c == '-') != (text[at] == '-') {
			return errors.New("uuid is improperly formatted")
		}
	}
	_, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	return err
}

func precheckService(s *consulwire.TxnServiceFields) error {
	if s.ID == "" {
		s.ID = s.Service
	}
	if s.Service == "" {
		return errors.New("Must provide service name with ID") //nolint:staticcheck // Consul's text
	}
	if ip, err := netip.ParseAddr(strings.Trim(s.Address, "[]")); err == nil && ip.IsUnspecified() {
		return errors.New("Invalid service address") //nolint:staticcheck // Consul's text
	}
	return nil
}

// stale reports whether an operation with the index must not change what has the other one, which is 0 when there
// is nothing. Without an index it may only add.
func stale(given, existing uint64) bool { return given != existing }

func (t txnReader) node(op *consulwire.TxnNode) ([]*consulwire.TxnResult, error) {
	if op.Verb != "get" {
		return nil, fmt.Errorf("unknown Node verb %q", op.Verb)
	}
	node := t.find(&op.Node.Node)
	if node == nil {
		return nil, fmt.Errorf("node %q doesn't exist", op.Node.Node.Node)
	}
	return []*consulwire.TxnResult{{Node: node}}, nil
}

// find returns the node with that ID, or with that name when no ID is given.
func (t txnReader) find(given *consulwire.Node) *consulwire.Node {
	if given.ID != "" {
		return t.nodeByID(given.ID)
	}
	return t.Node(given.Node)
}

func (t txnReader) nodeByID(id string) *consulwire.Node {
	for _, n := range t.Nodes() {
		if strings.EqualFold(n.ID, id) {
			return n
		}
	}
	return nil
}

func (t *txnWriter) writeNode(op *consulwire.TxnNode) ([]*consulwire.TxnResult, error) {
	given, index := op.Node.Node, uint64(0)
	existing := t.Node(given.Node)
	if existing != nil {
		index = existing.ModifyIndex
	}
	switch op.Verb {
	case "set", "cas":
		if op.Verb == "cas" && stale(given.ModifyIndex, index) {
			return nil, fmt.Errorf("failed to set node %q, index is stale", given.Node)
		}
		if err := t.setNode(&given); err != nil {
			return nil, err
		}
		return []*consulwire.TxnResult{{Node: t.find(&given)}}, nil
	case "delete", "delete-cas":
		if op.Verb == "delete-cas" && (existing == nil || stale(given.ModifyIndex, index)) {
			return nil, fmt.Errorf("failed to delete node %q, index is stale", given.Node)
		}
		if !t.isOwn(given.Node) {
			t.w.DeleteNode(given.Node)
		}
		return nil, nil
	}
	return t.node(op)
}

// isOwn reports whether the node is the agent's own: it stays as the agent has it.
func (t *txnWriter) isOwn(node string) bool { return strings.EqualFold(node, t.own) }

// setNode adds or replaces a node. One whose ID another node has already is that node, renamed.
func (t *txnWriter) setNode(given *consulwire.Node) error {
	if given.Datacenter == "" {
		given.Datacenter = t.datacenter
	}
	if t.isOwn(given.Node) {
		return nil
	}
	if given.ID != "" {
		old := t.nodeByID(given.ID)
		if err := t.nameFree(given, old == nil); err != nil {
			return err
		}
		if old != nil && !strings.EqualFold(old.Node, given.Node) {
			if t.isOwn(old.Node) {
				return fmt.Errorf("Node ID %q is the agent's own", given.ID) //nolint:staticcheck // beside Consul's texts
			}
			t.w.DeleteNode(old.Node)
		}
	}
	return t.w.SetNode(given)
}

// nameFree refuses a name that a healthy node with another ID has. A node that is new here may take over the name of
// one without an ID.
func (t txnReader) nameFree(given *consulwire.Node, isNew bool) error {
	other := t.Node(given.Node)
	if other == nil || strings.EqualFold(other.ID, given.ID) || other.ID == "" && isNew {
		return nil
	}
	if serf := t.Check(other.Node, consulwire.SerfHealth); serf == nil || serf.Status == consulwire.Critical {
		return nil
	}
	who := fmt.Sprintf("%q (%s)", given.ID, given.Address)
	if isNew {
		who = fmt.Sprintf("%q", given.ID)
	}
	//nolint:staticcheck // Consul's text
	return fmt.Errorf("Error while renaming Node ID: %s: Node name %s is reserved by node %s with name %s (%s)",
		who, given.Node, other.ID, other.Node, other.Address)
}

func (t txnReader) service(op *consulwire.TxnService) ([]*consulwire.TxnResult, error) {
	if op.Verb != "get" {
		return nil, fmt.Errorf("unknown Service verb %q", op.Verb)
	}
	instance := t.Instance(op.Node, op.Service.ID)
	if instance == nil {
		return nil, fmt.Errorf("service %q on node %q doesn't exist", op.Service.ID, op.Node)
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
			return nil, fmt.Errorf("failed to set service %q on node %q, index is stale", given.ID, op.Node)
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
			return nil, fmt.Errorf("failed to delete service %q on node %q, index is stale", given.ID, op.Node)
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
		return fmt.Errorf("%sNode metadata cannot contain more than %d key/value pairs", what, mostMeta)
	}
	for key, value := range s.Meta {
		if why := badMeta(key, value); why != "" {
			return fmt.Errorf("%sCouldn't load metadata pair ('%s', '%s'): %s", what, key, value, why)
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

func (t txnReader) check(op *consulwire.TxnCheck) ([]*consulwire.TxnResult, error) {
	if op.Verb != "get" {
		return nil, fmt.Errorf("unknown Check verb %q", op.Verb)
	}
	check := t.Check(op.Check.Node, op.Check.CheckID)
	if check == nil {
		return nil, fmt.Errorf("check %q on node %q doesn't exist", op.Check.CheckID, op.Check.Node)
	}
	return checkResult(check), nil
}

func checkResult(c *catalog.Check) []*consulwire.TxnResult {
	told := c.HealthCheck
	if len(told.ServiceTags) == 0 {
		told.ServiceTags = nil
	}
	return []*consulwire.TxnResult{{Check: &told}}
}

func (t *txnWriter) writeCheck(op *consulwire.TxnCheck) ([]*consulwire.TxnResult, error) {
	given, index := &op.Check, uint64(0)
	existing := t.Check(given.Node, given.CheckID)
	if existing != nil {
		index = existing.ModifyIndex
	}
	kept := t.isOwn(given.Node) && existing != nil && (given.CheckID == consulwire.SerfHealth || existing.Local)
	switch op.Verb {
	case "set", "cas":
		if op.Verb == "cas" && stale(given.ModifyIndex, index) {
			return nil, fmt.Errorf("failed to set check %q on node %q, index is stale", given.CheckID, given.Node)
		}
		if kept {
			return checkResult(existing), nil
		}
		check, err := checkOf(given)
		if err != nil {
			return nil, err
		}
		if err := t.w.SetCheck(check); err != nil {
			return nil, err
		}
		return checkResult(t.Check(given.Node, given.CheckID)), nil
	case "delete", "delete-cas":
		if op.Verb == "delete-cas" && (existing == nil || stale(given.ModifyIndex, index)) {
			return nil, fmt.Errorf("failed to delete check %q on node %q, index is stale", given.CheckID, given.Node)
		}
		if !kept {
			t.w.DeleteCheck(given.Node, given.CheckID)
		}
		return nil, nil
	}
	return t.check(op)
}

func checkOf(given *consulwire.TxnCheckFields) (*catalog.Check, error) {
	status := given.Status
	if status == "" {
		status = consulwire.Critical
	}
	check := &catalog.Check{HealthCheck: consulwire.HealthCheck{
		Node: given.Node, CheckID: given.CheckID, Name: given.Name, Status: status, Notes: given.Notes,
		Output: given.Output, ServiceID: given.ServiceID,
	}}
	if len(given.Definition) > 0 {
		if err := json.Unmarshal(given.Definition, &check.Definition); err != nil {
			return nil, fmt.Errorf("read the check's definition: %w", err)
		}
	}
	return check, nil
}
