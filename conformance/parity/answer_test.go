package parity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// answer is what one side said, in a form that two sides can be compared in.
type answer struct {
	status int
	header map[string]string
	form   string // of JSON: whether it is indented
	body   string
}

// formOf returns how JSON is laid out, and nothing of other text.
func formOf(raw []byte) string {
	var compact, indented bytes.Buffer
	text := bytes.TrimSuffix(raw, []byte("\n"))
	if json.Compact(&compact, text) != nil || json.Indent(&indented, text, "", "    ") != nil {
		return ""
	}
	switch {
	case bytes.Equal(compact.Bytes(), indented.Bytes()):
		return "" // a number looks the same in both
	case bytes.Equal(text, indented.Bytes()):
		return "indented JSON\n"
	case bytes.Equal(text, compact.Bytes()):
		return "compact JSON\n"
	}
	return "JSON\n"
}

func (a answer) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", a.status)
	for _, name := range slices.Sorted(maps.Keys(a.header)) {
		fmt.Fprintf(&b, "%s: %s\n", name, a.header[name])
	}
	b.WriteString("\n" + a.form + a.body)
	return b.String()
}

// notCompared are headers that tell of the moment or of the transport, and the one that keeps browsers from guessing.
var notCompared = []string{"X-Content-Type-Options", "Date", "Content-Length", "Connection", "Transfer-Encoding"}

func normalHeader(header http.Header, ignore []string) map[string]string {
	normal := make(map[string]string)
	for name, values := range header {
		value := strings.Join(values, ", ")
		switch {
		case slices.Contains(notCompared, name), slices.ContainsFunc(ignore, func(i string) bool { return strings.EqualFold(i, name) }):
			continue
		case name == "X-Consul-Index", name == "X-Consul-Contenthash":
			value = present(value)
		}
		normal[name] = value
	}
	return normal
}

// present tells a value that must be there from the one that must not be 0.
func present(value string) string {
	if value == "0" || value == "" {
		return value
	}
	return "<some>"
}

// normalizer makes what one agent says of itself comparable. Every UUID becomes a number, the same one each time it
// comes again in the case.
type normalizer struct {
	replace *strings.Replacer
	uuids   []string
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func (n *normalizer) text(s string) string {
	s = n.replace.Replace(s)
	return uuid.ReplaceAllStringFunc(s, func(id string) string {
		at := slices.Index(n.uuids, id)
		if at < 0 {
			at = len(n.uuids)
			n.uuids = append(n.uuids, id)
		}
		return "<uuid " + strconv.Itoa(at+1) + ">"
	})
}

// body returns JSON indented, with what must be ignored left out, and other text as it is.
func (n *normalizer) body(raw []byte, ignore []string) string {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return n.text(string(raw))
	}
	value = n.value(value, nil, ignore)
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if encoder.Encode(value) != nil {
		return n.text(string(raw))
	}
	return text.String()
}

// indexes are the fields that hold an index: that there is one is compared, not which.
var indexes = []string{"CreateIndex", "ModifyIndex", "Index"}

func (n *normalizer) value(value any, way, ignore []string) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			at := append(slices.Clone(way), key)
			switch {
			case ignored(at, ignore):
				out[key] = "<ignored>"
			case slices.Contains(indexes, key):
				out[key] = present(fmt.Sprint(v[key]))
			default:
				out[n.text(key)] = n.value(v[key], at, ignore)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			at := append(slices.Clone(way), strconv.Itoa(i))
			if out[i] = any("<ignored>"); !ignored(at, ignore) {
				out[i] = n.value(item, at, ignore)
			}
		}
		return out
	case string:
		return n.text(v)
	}
	return value
}

func ignored(way, ignore []string) bool {
	return slices.ContainsFunc(ignore, func(pattern string) bool {
		parts := strings.Split(pattern, ".")
		return len(parts) == len(way) && fits(parts, way)
	})
}

func fits(parts, way []string) bool {
	for i, part := range parts {
		if part != "*" && part != way[i] {
			return false
		}
	}
	return true
}

// find returns the value at the end of the way through JSON, as text.
func find(raw []byte, way string) (string, error) {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return "", fmt.Errorf("keep %s: %w", way, err)
	}
	for part := range strings.SplitSeq(way, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return "", fmt.Errorf("keep %s: no %q in a list of %d", way, part, len(v))
			}
			value = v[i]
		default:
			return "", fmt.Errorf("keep %s: nothing at %q", way, part)
		}
	}
	if number, ok := value.(float64); ok {
		return strconv.FormatFloat(number, 'f', -1, 64), nil
	}
	if text, ok := value.(string); ok {
		return text, nil
	}
	return "", fmt.Errorf("keep %s: %v is neither text nor number", way, value)
}
