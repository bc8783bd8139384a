package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// configEntryEndpoints are those of what configures a mesh. Entries are kept and told as they were given; nothing acts on
// them, and so their fields are not judged.
func (h *Handler) configEntryEndpoints() []endpoint {
	return []endpoint{
		{"GET,DELETE", "/v1/config/{name...}", h.configEntries},
		{http.MethodPut, "/v1/config", h.applyConfigEntry},
	}
}

// configKinds are Consul's, with the only name that entries of a kind may have where there is one.
var configKinds = map[string]string{
	"service-defaults": "", "proxy-defaults": "global", "service-router": "", "service-splitter": "", "service-resolver": "",
	"ingress-gateway": "", "terminating-gateway": "", "service-intentions": "", "mesh": "mesh", "exported-services": "default",
}

// configClass is the class of documents that the entries of a kind are.
func configClass(kind string) string { return "config/" + kind }

func (h *Handler) configEntries(w http.ResponseWriter, r *http.Request) (any, error) {
	kind, name, named := strings.Cut(r.PathValue("name"), "/")
	_, known := configKinds[kind]
	switch {
	case r.Method == http.MethodDelete && !named:
		return nil, &statusError{http.StatusNotFound, "Must provide both a kind and name to delete"}
	case r.Method == http.MethodDelete && !known:
		return nil, badRequest("invalid config entry kind: %s", kind)
	case r.Method == http.MethodDelete:
		return h.deleteConfigEntry(r, kind, name)
	case !known && (named || kind != ""):
		return nil, fail("invalid config entry kind: %s", kind)
	}
	topic := catalog.Documents(configClass(kind))
	if kind == "" {
		topic = catalog.Everything
	}
	return h.blocking(whole(topic), func(v catalog.View, _ *http.Request) (any, error) {
		if named {
			return oneConfigEntry(w, v, kind, name)
		}
		return allConfigEntries(v, kind)
	})(w, r)
}

func oneConfigEntry(w http.ResponseWriter, v catalog.View, kind, name string) (any, error) {
	document := v.Document(configClass(kind), name)
	if document == nil {
		meta(w, v.Mark(catalog.Documents(configClass(kind))).Index, true)
		return nil, &statusError{http.StatusNotFound, fmt.Sprintf("Config entry not found for %q / %q", kind, name)}
	}
	return configEntry(document)
}

// allConfigEntries returns the entries of a kind, or of all kinds if it is empty.
func allConfigEntries(v catalog.View, kind string) (any, error) {
	entries := []any{}
	for _, k := range configKindsSorted() {
		if kind != "" && k != kind {
			continue
		}
		for _, document := range v.Documents(configClass(k)) {
			entry, err := configEntry(document)
			if err != nil {
				return nil, err
			}
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

func configKindsSorted() []string {
	var kinds []string
	for kind := range configKinds {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

// configEntry returns an entry as it was given, with its indexes.
func configEntry(document *catalog.Document) (any, error) {
	entry, err := readEntry(document.Content)
	if err != nil {
		return nil, err
	}
	entry["CreateIndex"], entry["ModifyIndex"] = document.CreateIndex, document.ModifyIndex
	return entry, nil
}

// readEntry reads a JSON object with its numbers as they are written.
func readEntry(data []byte) (map[string]any, error) {
	var entry map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	err := decoder.Decode(&entry)
	return entry, err
}

// entryCAS reads ?cas where an empty one is none.
func entryCAS(r *http.Request) (index uint64, given bool, err error) {
	text := r.URL.Query().Get("cas")
	if text == "" {
		return 0, false, nil
	}
	index, err = strconv.ParseUint(text, 10, 64)
	return index, true, failure(err)
}

func (h *Handler) deleteConfigEntry(r *http.Request, kind, name string) (any, error) {
	index, cas, err := entryCAS(r)
	if err != nil {
		return nil, err
	}
	deleted := true // as Consul says it of what is not there
	err = h.cfg.Catalog.Write(func(w *catalog.Writer) error {
		if document := w.Document(configClass(kind), name); document != nil && cas && document.ModifyIndex != index {
			deleted = false
			return nil
		}
		w.DeleteDocument(configClass(kind), name)
		return nil
	})
	if cas {
		return deleted, failure(err)
	}
	return struct{}{}, failure(err)
}

func (h *Handler) applyConfigEntry(_ http.ResponseWriter, r *http.Request) (any, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	given, err := readEntry(body)
	if err != nil {
		return nil, badRequest("Request decoding failed: %v", err)
	}
	entry, err := newEntry(given)
	if err != nil {
		return nil, err
	}
	index, cas, err := entryCAS(r)
	if err != nil {
		return nil, err
	}
	applied := true
	err = h.cfg.Catalog.Write(func(w *catalog.Writer) error {
		before := w.Document(configClass(entry.kind), entry.name)
		switch {
		case before != nil && bytes.Equal(before.Content, entry.content): // as Consul, which then asks for no index
			return nil
		case cas && (before == nil && index != 0 || before != nil && before.ModifyIndex != index):
			applied = false
			return nil
		}
		return w.SetDocument(configClass(entry.kind), entry.name, entry.content)
	})
	if err == nil && applied {
		h.cfg.Logger.Warn("the config entry is kept, but nothing here acts on it: this agent has no service mesh", "kind", entry.kind, "name", entry.name)
	}
	return applied, failure(err)
}

// newConfigEntry is an entry that was given.
type newConfigEntry struct {
	kind, name string
	content    []byte
}

func newEntry(given map[string]any) (*newConfigEntry, error) {
	camel := camelFields(given)
	kind, isText := camel["Kind"].(string)
	if _, given := camel["Kind"]; !given {
		return nil, badRequest("Request decoding failed: Payload does not contain a kind/Kind key at the top level")
	}
	only, known := configKinds[kind]
	if !isText || !known {
		return nil, badRequest("Request decoding failed: invalid config entry kind: %v", camel["Kind"])
	}
	name, _ := camel["Name"].(string)
	switch {
	case kind == "mesh":
		name = only
		delete(camel, "Name")
	case only != "" && name != only:
		return nil, fail("invalid name (%q), only %q is supported", name, only)
	case name == "":
		return nil, fail("Name is required")
	}
	for _, key := range []string{"CreateIndex", "ModifyIndex"} { // the document has them
		delete(camel, key)
	}
	content, err := json.Marshal(camel)
	return &newConfigEntry{kind, name, content}, err
}

// camelFields returns the object with the names of fields in camel case, but for those that are the user's own.
func camelFields(object map[string]any) map[string]any {
	changed := make(map[string]any, len(object))
	for key, value := range object {
		name := camelKey(key)
		changed[name] = camelValue(name, value)
	}
	return changed
}

// camelValue returns the value of a field as camelFields does.
func camelValue(field string, value any) any {
	switch v := value.(type) {
	case []any:
		changed := make([]any, len(v))
		for n, inner := range v {
			changed[n] = camelValue("", inner)
		}
		return changed
	case map[string]any:
		switch field {
		case "Config", "Meta", "Opaque":
			return v
		case "Add", "Failover", "Set", "Subsets": // of headers and of subsets, which have names of the user's own
			changed := make(map[string]any, len(v))
			for name, inner := range v {
				changed[name] = camelValue("", inner)
			}
			return changed
		}
		return camelFields(v)
	}
	return value
}

// camelKey returns the key as Consul writes it: local_bind_port as LocalBindPort, external_sni as ExternalSNI.
func camelKey(key string) string {
	if key == "" || strings.ContainsFunc(key, func(c rune) bool { return c >= 'A' && c <= 'Z' }) {
		return key
	}
	var b strings.Builder
	for part := range strings.SplitSeq(key, "_") {
		switch {
		case slices.Contains([]string{"id", "http", "tls", "sni", "ttl", "ca", "dns", "ip", "sds", "lb"}, part):
			b.WriteString(strings.ToUpper(part))
		case part != "":
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}
