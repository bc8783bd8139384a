package config

import (
	"path"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// MaxTargets bounds the entries below proto.generate.
const MaxTargets = 50

// The keys, in the order in which people write them.
var (
	protoKeys    = []string{"roots", "exclude", "generate", "lint", "breaking"} //nolint:gochecknoglobals // constant
	targetKeys   = []string{"plugin", "out", "options"}                         //nolint:gochecknoglobals // constant
	lintKeys     = []string{"disable"}                                          //nolint:gochecknoglobals // constant
	breakingKeys = []string{"ignore"}                                           //nolint:gochecknoglobals // constant
)

// Proto is what the file says of .proto files. Paths are relative to the file's folder, with slashes, and do not
// lead out of it; whether they lead anywhere is not asked here.
type Proto struct {
	Roots    []Reference // folders that imports are named from; none: by convention
	Exclude  []Reference // files and folders that are left out; * and ? as in path.Match
	Generate []Target    // nil: Go and gRPC beside the .proto files

	LintDisable    []Reference // rules of panda lint
	BreakingIgnore []Reference // rules of panda breaking, and paths

	Pos Pos // of the key
}

// Target is one generator of code.
type Target struct {
	Plugin  string // as in --NAME_out of protoc, or a path
	Out     string // "" when left out
	Options []string
	Pos     Pos // of the plugin's name
}

func (p parse) proto(at Pos, node ast.Node) error {
	settings := &Proto{Pos: at}
	p.Proto = settings
	if isEmpty(node) {
		return nil
	}
	return p.mapping(node, "proto", func(key string, at Pos, value ast.Node) error {
		switch key {
		case "roots":
			return p.references(value, "roots", &settings.Roots, p.inside)
		case "exclude":
			return p.references(value, "exclude", &settings.Exclude, p.pattern)
		case "generate":
			return p.targets(settings, value)
		case "lint":
			return p.rules(value, "lint", lintKeys, &settings.LintDisable)
		case "breaking":
			return p.rules(value, "breaking", breakingKeys, &settings.BreakingIgnore)
		}
		return p.unknownKey(at, key, protoKeys)
	})
}

// references reads a list of texts with their places.
func (p parse) references(node ast.Node, what string, into *[]Reference, check func(what, text string, at Pos) error) error {
	return p.list(node, what, func(text string, at Pos) error {
		if err := check(what, text, at); err != nil {
			return err
		}
		*into = append(*into, Reference{text, at})
		return nil
	})
}

// inside refuses a path that leads out of the file's folder.
func (p parse) inside(what, text string, at Pos) error {
	switch {
	case text == "":
		return p.Errorf(at, "%s: the path is empty; . is the folder itself", what)
	case strings.Contains(text, `\`):
		return p.Errorf(at, "%s: %q has backslashes; a path is written with slashes", what, text)
	case path.IsAbs(text) || path.Clean(text) == ".." || strings.HasPrefix(path.Clean(text), "../") || strings.Contains(text, ":"):
		return p.Errorf(at, "%s: %q leads out of the folder of %s", what, text, Name)
	}
	return nil
}

func (p parse) pattern(what, text string, at Pos) error {
	if _, err := path.Match(text, ""); err != nil {
		return p.Errorf(at, "%s: %q is no pattern; * and ? and [a-z] stand for parts of a name", what, text)
	}
	return p.inside(what, text, at)
}

// rules reads the one list of names below lint or breaking.
func (p parse) rules(node ast.Node, what string, known []string, into *[]Reference) error {
	if isEmpty(node) {
		return nil
	}
	return p.mapping(node, what, func(key string, at Pos, value ast.Node) error {
		if key != known[0] {
			return p.unknownKey(at, key, known)
		}
		return p.references(value, key, into, func(what, text string, at Pos) error {
			if strings.TrimSpace(text) == "" {
				return p.Errorf(at, "%s: a name is empty", what)
			}
			return nil
		})
	})
}

func (p parse) targets(settings *Proto, node ast.Node) error {
	if isEmpty(node) {
		return nil
	}
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		return p.wrongType(node, "generate", "a list, such as [{plugin: go}, {plugin: es, out: web/gen}]")
	}
	if len(sequence.Values) > MaxTargets {
		return p.Errorf(position(node), "generate has more than %d entries", MaxTargets)
	}
	settings.Generate = []Target{}
	for _, value := range sequence.Values {
		target, err := p.target(value)
		if err != nil {
			return err
		}
		settings.Generate = append(settings.Generate, target)
	}
	return nil
}

func (p parse) target(node ast.Node) (Target, error) {
	t := Target{Pos: position(node)}
	err := p.mapping(node, "an entry of generate", func(key string, at Pos, value ast.Node) (err error) {
		switch key {
		case "plugin":
			t.Pos = position(value)
			t.Plugin, err = p.scalar(value, "plugin")
		case "out":
			if t.Out, err = p.scalar(value, "out"); err == nil {
				err = p.inside("out", t.Out, position(value))
			}
		case "options":
			err = p.list(value, "options", func(option string, _ Pos) error {
				t.Options = append(t.Options, option)
				return nil
			})
		default:
			err = p.unknownKey(at, key, targetKeys)
		}
		return err
	})
	if err == nil && strings.TrimSpace(t.Plugin) == "" {
		err = p.Errorf(t.Pos, "an entry of generate has no plugin, such as go, go-grpc or es")
	}
	return t, err
}
