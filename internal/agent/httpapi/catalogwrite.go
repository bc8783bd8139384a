package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/consulwire"
)

// register writes a node, an instance and checks to the catalog itself: for machines and services that have no agent.
// What the agent has registered of its own stays as it is.
func (h *Handler) register(_ http.ResponseWriter, r *http.Request) (any, error) {
	var wanted consulwire.CatalogRegistration
	if err := decode(r, &wanted); err != nil {
		return nil, err
	}
	if err := h.validateRegistration(&wanted); err != nil {
		return nil, err
	}
	if err := h.cfg.Catalog.Write(func(w *catalog.Writer) error { return h.write(w, &wanted) }); err != nil {
		return true, failure(err)
	}
	if s := wanted.Service; s != nil {
		h.cfg.Registrar.WarnOfMesh(&consulwire.NodeService{ID: s.ID, Service: s.Service, Kind: s.Kind, Connect: consulwire.Connect{Native: s.Connect.Native}})
	}
	return true, nil
}

func (h *Handler) write(w *catalog.Writer, wanted *consulwire.CatalogRegistration) error {
	change := registration{w, h.cfg.Node, wanted}
	for _, step := range []func() error{change.node, change.service, change.checks} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// failure is an error that the client is told as it is: Consul's servers answer so.
func failure(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*statusError](err); ok {
		return err
	}
	return &statusError{http.StatusInternalServerError, err.Error()}
}

func fail(format string, args ...any) error {
	return &statusError{http.StatusInternalServerError, fmt.Sprintf(format, args...)}
}

var nodeID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// uuidLength is that of a UUID as text.
const uuidLength = 36

func (h *Handler) validateRegistration(wanted *consulwire.CatalogRegistration) error {
	switch {
	case wanted.Datacenter != "" && wanted.Datacenter != h.cfg.Datacenter:
		return errNoDatacenter
	case wanted.Node == "":
		return fail("Must provide node")
	case wanted.ID != "" && len(wanted.ID) != uuidLength:
		return fail("Bad node ID: uuid string is wrong length")
	case wanted.ID != "" && !nodeID.MatchString(wanted.ID):
		return fail("Bad node ID: uuid is improperly formatted")
	case wanted.Address == "" && !wanted.SkipNodeUpdate:
		return fail("Must provide address if SkipNodeUpdate is not set")
	}
	wanted.Datacenter = h.cfg.Datacenter
	if wanted.Service != nil {
		if err := validateInstance(wanted.Service); err != nil {
			return err
		}
	}
	if wanted.Check != nil {
		wanted.Checks = append(wanted.Checks, wanted.Check)
	}
	return nil
}

func validateInstance(s *consulwire.CatalogInstance) error {
	if err := registrar.ValidateMember(registrar.Member{
		Kind: s.Kind, Port: s.Port, SocketPath: s.SocketPath, Proxy: &s.Proxy, Connect: &s.Connect,
	}); err != nil {
		return fail("%v", err)
	}
	s.ID = cmp.Or(s.ID, s.Service)
	if s.Service == "" {
		return fail("Must provide service name with ID")
	}
	if ip, err := netip.ParseAddr(strings.Trim(s.Address, "[]")); err == nil && ip.IsUnspecified() {
		return fail("Invalid service address")
	}
	return nil
}

// registration is one while it is written.
type registration struct {
	*catalog.Writer
	own    string // the agent's node
	wanted *consulwire.CatalogRegistration
}

func (r *registration) node() error {
	wanted := r.wanted
	before := r.Node(wanted.Node)
	if before != nil && (wanted.SkipNodeUpdate || strings.EqualFold(before.Node, r.own)) {
		return r.clash(before)
	}
	node := &consulwire.Node{
		ID: wanted.ID, Node: wanted.Node, Address: wanted.Address, Datacenter: wanted.Datacenter,
		TaggedAddresses: wanted.TaggedAddresses, Meta: wanted.NodeMeta,
	}
	if err := r.rename(before); err != nil {
		return fail("failed inserting node: %v", err)
	}
	return r.SetNode(node)
}

// clash refuses a registration that takes the agent's own node for another.
func (r *registration) clash(before *consulwire.Node) error {
	if r.wanted.SkipNodeUpdate || r.wanted.ID == "" || strings.EqualFold(r.wanted.ID, before.ID) {
		return nil
	}
	return fail("failed inserting node: Error while renaming Node ID: %q: %v", r.wanted.ID, reserved(r.wanted, before))
}

func reserved(wanted *consulwire.CatalogRegistration, before *consulwire.Node) error {
	return fmt.Errorf("Node name %s is reserved by node %s with name %s (%s)", wanted.Node, before.ID, before.Node, before.Address) //nolint:staticcheck // Consul's text
}

// rename removes the node that has the ID under another name, and refuses a name that a living node has. before is
// the node of the name, or nil.
func (r *registration) rename(before *consulwire.Node) error {
	if r.wanted.ID == "" {
		return nil
	}
	same := r.NodeByID(r.wanted.ID)
	if same == nil || !strings.EqualFold(same.Node, r.wanted.Node) {
		if before != nil && !strings.EqualFold(before.ID, r.wanted.ID) && (before.ID != "" || same != nil) && r.alive(before) {
			return fmt.Errorf("Error while renaming Node ID: %q: %w", r.wanted.ID, reserved(r.wanted, before))
		}
	}
	if same == nil || strings.EqualFold(same.Node, r.wanted.Node) {
		return nil
	}
	if strings.EqualFold(same.Node, r.own) {
		return fmt.Errorf("Error while renaming Node ID: %q: it is the ID of this agent's own node %s", r.wanted.ID, r.own)
	}
	r.DeleteNode(same.Node)
	return nil
}

// alive reports whether an agent stands behind the node.
func (r *registration) alive(node *consulwire.Node) bool {
	serf := r.Check(node.Node, consulwire.SerfHealth)
	return serf != nil && serf.Status != consulwire.Critical
}

func (r *registration) service() error {
	s := r.wanted.Service
	if s == nil {
		return nil
	}
	if before := r.Instance(r.wanted.Node, s.ID); before != nil && strings.EqualFold(before.Node, r.own) && isOwn(before) {
		return nil
	}
	if err := registrar.ValidateServiceMeta(s.Kind, s.Meta); err != nil {
		return fail("failed inserting service: Invalid Service Meta for node %s and serviceID %s: %v", r.wanted.Node, s.ID, err)
	}
	weights := consulwire.Weights{Passing: 1, Warning: 1}
	if s.Weights != nil && registrar.ValidateWeights(*s.Weights) == nil {
		weights = *s.Weights
	}
	return r.SetInstance(&catalog.Instance{Node: r.Node(r.wanted.Node).Node, NodeService: consulwire.NodeService{
		ID: s.ID, Service: s.Service, Tags: s.Tags, Address: s.Address, TaggedAddresses: s.TaggedAddresses, Meta: s.Meta,
		Port: s.Port, SocketPath: s.SocketPath, Weights: weights, EnableTagOverride: s.EnableTagOverride,
		Kind: s.Kind, Proxy: s.Proxy, Connect: consulwire.Connect{Native: s.Connect.Native},
	}})
}

// isOwn reports whether the agent would put the instance back.
func isOwn(i *catalog.Instance) bool { return i.Local || i.ID == registrar.OwnService }

func isOwnCheck(c *catalog.Check) bool { return c.Local || c.CheckID == consulwire.SerfHealth }

func (r *registration) checks() error {
	for _, c := range r.wanted.Checks {
		if c == nil {
			continue
		}
		if err := r.check(*c); err != nil {
			return err
		}
	}
	return nil
}

func (r *registration) check(c consulwire.HealthCheck) error {
	c.CheckID = cmp.Or(c.CheckID, c.Name)
	node := r.Node(r.wanted.Node).Node
	switch {
	case c.Node != "" && !strings.EqualFold(c.Node, r.wanted.Node):
		return fail("Node '%s' for check '%s' doesn't match register request node '%s'", c.Node, c.CheckID, r.wanted.Node)
	case c.ServiceID != "" && r.Instance(node, c.ServiceID) == nil:
		return fail("Unknown service ID '%s' for check ID '%s'", c.ServiceID, c.CheckID)
	case c.CheckID == "":
		return fail("failed inserting check on node %q: failed health check lookup: index error: object is missing a value for this index", r.wanted.Node)
	}
	if before := r.Check(node, c.CheckID); before != nil && strings.EqualFold(node, r.own) && isOwnCheck(before) {
		return nil
	}
	c.Node = node
	c.Status = cmp.Or(c.Status, consulwire.Critical)
	c.Type = cmp.Or(c.Type, kind(&c.Definition))
	return r.SetCheck(&catalog.Check{HealthCheck: c})
}

// kind is what sort of check the definition describes.
func kind(d *consulwire.CheckDefinition) string {
	switch periodic := d.Interval > 0; {
	case d.GRPC != "" && periodic:
		return "grpc"
	case d.HTTP != "" && periodic:
		return "http"
	case d.TTL > 0:
		return "ttl"
	case d.TCP != "" && periodic:
		return "tcp"
	case d.UDP != "" && periodic:
		return "udp"
	case d.AliasNode != "" || d.AliasService != "":
		return "alias"
	case len(d.ScriptArgs) > 0 && d.DockerContainerID != "" && periodic:
		return "docker"
	case len(d.ScriptArgs) > 0 && periodic:
		return "script"
	case d.H2PING != "" && periodic:
		return "h2ping"
	}
	return ""
}

// deregister removes an instance, a check or a whole node from the catalog. What is not there is removed already;
// what the agent itself has registered would be put back, and stays.
func (h *Handler) deregister(_ http.ResponseWriter, r *http.Request) (any, error) {
	var wanted consulwire.CatalogDeregistration
	if err := decode(r, &wanted); err != nil {
		return nil, err
	}
	if wanted.Datacenter != "" && wanted.Datacenter != h.cfg.Datacenter {
		return nil, errNoDatacenter
	}
	if wanted.Node == "" {
		return nil, fail("Must provide node")
	}
	return true, failure(h.cfg.Catalog.Write(func(w *catalog.Writer) error {
		h.remove(w, &wanted)
		return nil
	}))
}

func (h *Handler) remove(w *catalog.Writer, wanted *consulwire.CatalogDeregistration) {
	switch {
	case wanted.ServiceID != "":
		if i := w.Instance(wanted.Node, wanted.ServiceID); i != nil && !(h.ownNode(i.Node) && isOwn(i)) {
			w.DeleteInstance(i.Node, i.ID)
		}
	case wanted.CheckID != "":
		if c := w.Check(wanted.Node, wanted.CheckID); c != nil && !(h.ownNode(c.Node) && isOwnCheck(c)) {
			w.DeleteCheck(c.Node, c.CheckID)
		}
	case h.ownNode(wanted.Node):
		h.removeStrangers(w)
	default:
		w.DeleteNode(wanted.Node)
	}
}

func (h *Handler) ownNode(name string) bool { return strings.EqualFold(name, h.cfg.Node) }

// removeStrangers removes from the agent's own node what is not the agent's.
func (h *Handler) removeStrangers(w *catalog.Writer) {
	for _, i := range w.NodeInstances(h.cfg.Node) {
		if !isOwn(i) {
			w.DeleteInstance(i.Node, i.ID)
		}
	}
	for _, c := range w.NodeChecks(h.cfg.Node) {
		if !isOwnCheck(c) {
			w.DeleteCheck(c.Node, c.CheckID)
		}
	}
}
