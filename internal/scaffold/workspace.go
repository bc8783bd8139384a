package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// AddService returns the text of a panda.yaml with one more service at the end of its services. All else stays as it
// is: comments, order, indents and line ends. A service that is there with the same path leaves the text unchanged; one
// with another path is an error, and so is a text that cannot be added to. Errors begin with the place: ":3:1: …".
func AddService(text []byte, name, path string) ([]byte, error) {
	plainText := text
	windows := bytes.Contains(text, []byte("\r\n")) && bytes.Count(text, []byte("\r\n")) == bytes.Count(text, []byte("\n"))
	if windows {
		plainText = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	}
	if bytes.Contains(bytes.ReplaceAll(plainText, []byte("\r\n"), nil), []byte("\r")) {
		return nil, errors.New(": it has a carriage return within a line")
	}
	added, err := addService(string(plainText), name, path)
	if err != nil {
		return nil, err
	}
	if added == string(plainText) {
		return text, nil
	}
	if err := onlyAdded(plainText, []byte(added), name, path); err != nil {
		return nil, err
	}
	if windows {
		added = strings.ReplaceAll(added, "\n", "\r\n")
	}
	return []byte(added), nil
}

func addService(text, name, path string) (string, error) {
	tree, err := parser.ParseBytes([]byte(text), parser.ParseComments)
	if err != nil {
		return "", fmt.Errorf(": %s", firstLine(err.Error()))
	}
	entry := entryOf(name, path)
	services, err := servicesOf(tree)
	if err != nil {
		return "", err
	}
	if services == nil {
		return endLine(text) + "services:\n" + entry.block(2), nil
	}
	at := services.Key.GetToken().Position
	if at.Line > strings.Count(text, "\n")+1 {
		return "", errors.New(": its lines cannot be told apart")
	}
	if there, err := existing(services.Value, name, path); err != nil || there {
		return text, err
	}
	switch value := services.Value.(type) {
	case *ast.MappingNode:
		if value.IsFlowStyle {
			return addToFlow(text, value, entry), nil
		}
		return addToBlock(text, at.Line, at.Column-1, value.Values[0].Key.GetToken().Position.Column-1, entry), nil
	case *ast.MappingValueNode:
		return addToBlock(text, at.Line, at.Column-1, value.Key.GetToken().Position.Column-1, entry), nil
	case nil, *ast.NullNode:
		return addToNothing(text, at.Line, at.Column-1, entry)
	}
	return "", fmt.Errorf(":%d:%d: services is not a mapping", at.Line, at.Column)
}

// entry is a service as it is written.
type entry struct{ name, path string }

func entryOf(name, path string) entry { return entry{scalarOf(name), scalarOf(path)} }

func (e entry) block(indent int) string {
	space := strings.Repeat(" ", indent)
	return space + e.name + ":\n" + space + "  path: " + e.path + "\n"
}

func (e entry) flow() string { return e.name + ": {path: " + e.path + "}" }

var plain = regexp.MustCompile(`^[./]*[\pL][\pL\pN./_-]*$`)

// scalarOf writes a text plainly where that is one, else in quotes.
func scalarOf(text string) string {
	if plain.MatchString(text) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, text) {
		return text
	}
	quoted, err := quote(text)
	if err != nil {
		return "''" // quoting a text cannot go wrong
	}
	return quoted
}

// servicesOf finds the key services of the file; nil when there is none.
func servicesOf(tree *ast.File) (*ast.MappingValueNode, error) {
	if len(tree.Docs) > 1 {
		at := tree.Docs[1].Start
		return nil, fmt.Errorf(":%d:%d: a second document; the file holds one", at.Position.Line, at.Position.Column)
	}
	if len(tree.Docs) == 0 {
		return nil, nil //nolint:nilnil // an empty file
	}
	switch body := tree.Docs[0].Body.(type) {
	case *ast.MappingNode:
		if body.IsFlowStyle {
			at := body.GetToken().Position
			return nil, fmt.Errorf(":%d:%d: the file is one {…}; write it as lines, and add the service again", at.Line, at.Column)
		}
		for _, value := range body.Values {
			if value.Key.GetToken().Value == "services" {
				return value, nil
			}
		}
	case *ast.MappingValueNode:
		if body.Key.GetToken().Value == "services" {
			return body, nil
		}
	case nil, *ast.NullNode, *ast.CommentGroupNode:
	default:
		at := body.GetToken().Position
		return nil, fmt.Errorf(":%d:%d: the file is not a mapping", at.Line, at.Column)
	}
	return nil, nil //nolint:nilnil // a file without the key
}

// existing reports whether the service is there with that path.
func existing(services ast.Node, name, path string) (bool, error) {
	mapping, ok := services.(ast.MapNode)
	if !ok {
		return false, nil
	}
	for entries := mapping.MapRange(); entries.Next(); {
		key := entries.Key()
		if key.GetToken().Value != name {
			continue
		}
		var settings struct{ Path string }
		if err := yaml.NodeToValue(entries.Value(), &settings); err == nil && settings.Path == path {
			return true, nil
		}
		at := key.GetToken().Position
		return false, fmt.Errorf(":%d:%d: it has a service %q already", at.Line, at.Column, name)
	}
	return false, nil
}

// addToBlock adds the entry after the last line that belongs to services: one that is indented as its entries are, or
// more. key is the line of the key, from 1; outer and inner are the indents of the key and of its entries.
func addToBlock(text string, key, outer, inner int, e entry) string {
	lines := strings.SplitAfter(endLine(text), "\n")
	last := key
	for number := key; number < len(lines); number++ {
		line := strings.TrimRight(lines[number], " \t\r\n")
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if line == "" {
			continue
		}
		if indent <= outer && !strings.HasPrefix(strings.TrimLeft(line, " "), "#") {
			break
		}
		if indent >= inner {
			last = number + 1
		}
	}
	return strings.Join(lines[:last], "") + e.block(inner) + strings.Join(lines[last:], "")
}

// addToNothing adds the first entry to a key without a value.
func addToNothing(text string, key, outer int, e entry) (string, error) {
	lines := strings.SplitAfter(endLine(text), "\n")
	line := lines[key-1]
	if !regexp.MustCompile(`^\s*["']?services["']?\s*:\s*(#.*)?\r?\n$`).MatchString(line) {
		return "", fmt.Errorf(":%d:%d: services is written in a way that cannot be added to; remove what is behind it", key, outer+1)
	}
	return strings.Join(lines[:key], "") + e.block(outer+2) + strings.Join(lines[key:], ""), nil
}

// addToFlow adds the entry before the closing brace.
func addToFlow(text string, services *ast.MappingNode, e entry) string {
	at := byteOffset(text, services.End.Position.Line, services.End.Position.Column)
	before := strings.TrimRight(text[:at], " \t\n")
	switch {
	case len(services.Values) == 0:
		return before + e.flow() + text[at:]
	case strings.HasSuffix(before, ","):
		return before + " " + e.flow() + text[len(before):at] + text[at:]
	}
	return before + ", " + e.flow() + text[len(before):at] + text[at:]
}

// byteOffset is where a place in a text is, which counts characters from 1.
func byteOffset(text string, line, column int) int {
	offset := 0
	for ; line > 1; line-- {
		offset += strings.IndexByte(text[offset:], '\n') + 1
	}
	for i := range text[offset:] {
		if column--; column == 0 {
			return offset + i
		}
	}
	return len(text)
}

func endLine(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// onlyAdded reads both texts and makes sure that the second says what the first does, and the service.
func onlyAdded(before, after []byte, name, path string) error {
	var was, is struct {
		Services yaml.MapSlice
	}
	if err := yaml.Unmarshal(before, &was); err != nil {
		return fmt.Errorf(": %s", firstLine(err.Error()))
	}
	if err := yaml.Unmarshal(after, &is); err != nil {
		return fmt.Errorf(": adding service %q would break it: %s", name, firstLine(err.Error()))
	}
	n := len(was.Services)
	whole := len(is.Services) == n+1 && fmt.Sprint(is.Services[:n]) == fmt.Sprint(was.Services)
	if !whole || is.Services[n].Key != name || fmt.Sprint(is.Services[n].Value) != fmt.Sprint(map[string]any{"path": path}) {
		return fmt.Errorf(": service %q cannot be added to it without changing the rest; add it by hand: %s", name, entryOf(name, path).flow())
	}
	return nil
}
