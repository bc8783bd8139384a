package ui

import (
	"cmp"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// serviceData is the page of one service.
type serviceData struct {
	Name      string
	Instances []instanceView // of this part of the list
	Counts    tally
	Total     int
	Pager     pager
}

// instanceView is an instance as pages show it.
type instanceView struct {
	ID, Service, Node, Address string
	Status                     string
	Version                    string
	Weights                    consulwire.Weights
	Addresses                  []pair // those that are told by tag
	Tags                       []string
	Meta                       []pair
	Checks                     []checkView // its own before those of its node, the worst first
	Reason                     string      // why it is under maintenance; "" when it is not
}

// pair is a name and a value.
type pair struct{ Name, Value string }

func pairs(m map[string]string) []pair {
	var all []pair
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, pair{name, m[name]})
	}
	return all
}

func (h *Handler) service(r *request) answer {
	name := r.query.Get("name")
	v, index := r.view(topics(catalog.Service(name)))
	instances := v.Instances(name)
	if len(instances) > 0 {
		name = instances[0].Service
	}
	data := serviceData{Name: name, Counts: tally{}, Total: len(instances)}
	statuses := make(map[*catalog.Instance]string, len(instances))
	for _, i := range instances {
		statuses[i] = statusAll(checksOf(v, i))
		data.Counts[statuses[i]]++
	}
	slices.SortStableFunc(instances, func(a, b *catalog.Instance) int {
		return cmp.Compare(rank(statuses[a]), rank(statuses[b]))
	})
	instances, data.Pager = cut(r, instances, instancesOnPage)
	for _, i := range instances {
		data.Instances = append(data.Instances, viewInstance(v, i))
	}
	p := page{name: "service", Title: name, Section: "services", Data: data, Live: true, Index: index, r: r}
	if data.Total == 0 {
		p.status = http.StatusNotFound
	}
	return answer{page: p}
}

func checksOf(v catalog.View, i *catalog.Instance) []*catalog.Check {
	return append(v.InstanceChecks(i.Node, i.ID), v.OwnChecks(i.Node)...)
}

func viewInstance(v catalog.View, i *catalog.Instance) instanceView {
	checks := checksOf(v, i)
	view := instanceView{
		ID: i.ID, Service: i.Service, Node: i.Node, Address: addressOf(v, i), Status: statusAll(checks),
		Version: i.Meta["version"], Weights: i.Weights, Tags: i.Tags, Meta: pairs(i.Meta), Checks: viewChecks(checks),
	}
	for _, tag := range slices.Sorted(maps.Keys(i.TaggedAddresses)) {
		a := i.TaggedAddresses[tag]
		view.Addresses = append(view.Addresses, pair{tag, joinPort(a.Address, a.Port)})
	}
	for _, c := range checks {
		if statusOf(c) == "maintenance" {
			view.Reason = cmp.Or(c.Notes, c.Output)
		}
	}
	return view
}

// addressOf returns where an instance is called: its socket, or its own address or else its node's, and its port.
func addressOf(v catalog.View, i *catalog.Instance) string {
	if i.SocketPath != "" {
		return i.SocketPath
	}
	address := i.Address
	if n := v.Node(i.Node); address == "" && n != nil {
		address = n.Address
	}
	return joinPort(address, i.Port)
}

// joinPort leaves out a port that is none.
func joinPort(address string, port int) string {
	if port == 0 {
		return address
	}
	return net.JoinHostPort(address, strconv.Itoa(port))
}

// checkView is a check as pages show it.
type checkView struct {
	Node, ID, Name, Status string
	OfNode                 bool
	Type, Interval         string
	Timeout, Notes         string
	Service                string
	Output                 string // its beginning, where the page shows many
	Line                   string // the first line of the output
	More                   int    // how many bytes of output are left out
}

// outputShown is how much of a check's output is shown among others, in bytes.
const outputShown = 2 << 10

func viewChecks(checks []*catalog.Check) []checkView {
	views := make([]checkView, len(checks))
	for i, c := range checks {
		views[i] = viewCheck(c, outputShown)
	}
	slices.SortStableFunc(views, func(a, b checkView) int { return cmp.Compare(rank(a.Status), rank(b.Status)) })
	return views
}

func viewCheck(c *catalog.Check, limit int) checkView {
	view := checkView{
		Node: c.Node, ID: c.CheckID, Name: cmp.Or(c.Name, c.CheckID), Status: statusOf(c), OfNode: c.ServiceID == "",
		Type: c.Type, Interval: c.Interval, Timeout: c.Timeout, Notes: c.Notes, Service: c.ServiceName, Output: c.Output,
	}
	if len(c.Output) > limit {
		view.Output = strings.ToValidUTF8(c.Output[:limit], "")
		view.More = len(c.Output) - len(view.Output)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(c.Output), "\n")
	view.Line = shorten(first, lineShown)
	return view
}

// lineShown is how much of an output's first line stands beside a check's name, in characters.
const lineShown = 120

// shorten cuts a text to that many characters at most.
func shorten(text string, limit int) string {
	n := 0
	for at := range text {
		if n++; n > limit {
			return text[:at] + "…"
		}
	}
	return text
}

// Open reports whether the check's output is seen at once.
func (c checkView) Open() bool { return c.Status != "passing" }

// Known reports whether there is anything more to tell than name and status.
func (c checkView) Known() bool { return c.Type != "" || c.Interval != "" || c.Timeout != "" }

// checkData is the page of one check, with all of its output.
type checkData struct {
	Node, ID string
	Check    *checkView // nil when there is none
}

func (h *Handler) check(r *request) answer {
	data := checkData{Node: r.query.Get("node"), ID: r.query.Get("id")}
	v, index := r.view(topics(catalog.Checks))
	p := page{name: "check", Title: data.ID, Section: "nodes", Live: true, Index: index, r: r}
	if c := v.Check(data.Node, data.ID); c != nil {
		view := viewCheck(c, len(c.Output))
		data.Node, data.Check, p.Title = c.Node, &view, view.Name
	} else {
		p.status = http.StatusNotFound
	}
	p.Data = data
	return answer{page: p}
}
