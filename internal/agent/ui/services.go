package ui

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// How much of a list is on one page.
const (
	rowsOnPage      = 100
	instancesOnPage = 50
)

// serviceRow is a service in the list of all.
type serviceRow struct {
	Name      string
	Tags      []string
	Instances tally
	Total     int
	folded    string
}

// tagsShown is how many tags a row has at most.
const tagsShown = 8

// ShownTags are the first of the tags.
func (s *serviceRow) ShownTags() []string { return s.Tags[:min(len(s.Tags), tagsShown)] }

// MoreTags is how many tags ShownTags leaves out.
func (s *serviceRow) MoreTags() int { return len(s.Tags) - len(s.ShownTags()) }

// servicesData is the page of all services.
type servicesData struct {
	Rows   []*serviceRow
	Filter filter
	Counts []statusLink // of the services that the filter leaves, by the worst of their instances
	Shown  int          // how many it leaves
	Total  int          // of all
	Pager  pager
	Start  *start // nil when a service is registered
}

// statusLink is a count that leads to what is counted.
type statusLink struct {
	statusCount

	To string
}

// ownService is the service that stands for the agent itself. It is always there.
const ownService = "consul"

// start says how a first service is registered.
type start struct{ URL string } // of the agent, as the user reached it

// Environment is what a shell sets for a command that looks for the agent elsewhere by default; "" where it does not.
func (s start) Environment() string {
	address := strings.TrimPrefix(s.URL, "http://")
	if address == usualHost || address == "localhost:8500" {
		return ""
	}
	return "CONSUL_HTTP_ADDR=" + address + " "
}

// usualHost is where commands look for an agent.
const usualHost = "127.0.0.1:8500"

// filter is what the user looks for.
type filter struct {
	Q, Status, Sort string
	Hint            string // key of the text that says what Q is looked for in
}

// On reports whether something may be left out.
func (f filter) On() bool { return f.Q != "" || f.Status != "" }

// Statuses are those to choose from.
func (f filter) Statuses() []string { return worstFirst }

func (r *request) filter(hint string) filter {
	f := filter{Hint: hint, Q: strings.TrimSpace(r.query.Get("q")), Status: r.query.Get("status"), Sort: r.query.Get("sort")}
	if !slices.Contains(worstFirst, f.Status) {
		f.Status = ""
	}
	if f.Sort != "name" {
		f.Sort = ""
	}
	return f
}

// contains reports whether one of the texts has the filter's words in it, in any case.
func (f filter) contains(texts ...string) bool {
	q := strings.ToLower(f.Q)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), q) })
}

func (f filter) order(a, b, nameA, nameB string) int {
	if f.Sort == "name" {
		return cmp.Compare(nameA, nameB)
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(nameA, nameB))
}

func (h *Handler) services(r *request) answer {
	v, index := r.view(topics(catalog.Services, catalog.Checks))
	data := servicesData{Filter: r.filter("filter.services"), Start: &start{r.agentURL()}}
	var shown []*serviceRow
	counts := tally{}
	for _, row := range serviceRows(v) {
		status := row.Instances.Status()
		data.Total++
		if row.folded != ownService {
			data.Start = nil
		}
		if f := data.Filter; (f.Status == "" || f.Status == status) && (f.contains(row.Name) || f.contains(row.Tags...)) {
			shown = append(shown, row)
			counts[status]++
		}
	}
	data.Shown = len(shown)
	for _, c := range counts.Counts() {
		data.Counts = append(data.Counts, statusLink{c, r.with("status", c.Status)})
	}
	slices.SortFunc(shown, func(a, b *serviceRow) int {
		return data.Filter.order(a.Instances.Status(), b.Instances.Status(), a.folded, b.folded)
	})
	data.Rows, data.Pager = cut(r, shown, rowsOnPage)
	return answer{page: page{name: "services", Title: r.text("services"), Section: "services", Data: data, Live: true, Index: index, r: r}}
}

// serviceRows returns all services, in no order. Names that differ in case only are one service.
func serviceRows(v catalog.View) []*serviceRow {
	healths := healthOf(v)
	byName := make(map[string]*serviceRow)
	var all []*serviceRow
	for _, n := range v.Nodes() {
		for _, i := range v.NodeInstances(n.Node) {
			folded := strings.ToLower(i.Service)
			row := byName[folded]
			if row == nil {
				row = &serviceRow{Name: i.Service, Instances: tally{}, folded: folded}
				byName[folded] = row
				all = append(all, row)
			}
			row.Instances[healths.instance(i)]++
			row.Total++
			row.Tags = append(row.Tags, i.Tags...)
		}
	}
	for _, row := range all {
		slices.Sort(row.Tags)
		row.Tags = slices.Compact(row.Tags)
	}
	return all
}

// plainHost is a host and port that a shell takes as they are.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9._:\[\]-]+$`)

// agentURL returns the agent's address as the user reached it, for a command to be copied.
func (r *request) agentURL() string {
	scheme, host := "http://", r.Host
	if r.TLS != nil {
		scheme = "https://"
	}
	if !plainHost.MatchString(host) { // none, or one that is no more than a name for a socket
		host = usualHost
	}
	return scheme + host
}
