package deploy

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/goccy/go-yaml"
)

// templates is every text that files are made of. Actions stand between « and », which no file uses.
//
//go:embed templates
var templates embed.FS

// File is one file for a target.
type File struct {
	Path    string // its name in the folder; there are no folders below it
	Content []byte
	Note    bool // for people; nothing is applied from it
}

// Render makes the files of a target in memory, in the order in which they are to be read. What cannot be deployed is an
// *[InputError].
func Render(target Target, plan Plan) ([]File, error) {
	p, err := plan.prepare(target)
	if err != nil {
		return nil, err
	}
	var files []File
	add := func(source, to string, data any) error {
		content, err := execute(path.Join(string(target), source), data)
		if err == nil && path.Ext(to) == ".yaml" {
			err = readable(content)
		}
		if err != nil {
			return fmt.Errorf("make %s: %w", to, err)
		}
		files = append(files, File{Path: to, Content: content, Note: path.Ext(to) == ".md"})
		return nil
	}
	for _, made := range sources(target, p) {
		if err := add(made.source, made.to, made.data); err != nil {
			return nil, err
		}
	}
	readme := "README.en.md.tmpl"
	if p.Chinese {
		readme = "README.zh.md.tmpl"
	}
	return files, add(readme, "README.md", p)
}

// made is a file and what it is made of.
type made struct {
	source, to string
	data       any
}

// Part is one service within the whole.
type Part struct {
	*Service

	Plan *Plan
}

func sources(target Target, p *Plan) []made {
	var list []made
	own := p.Consul.Address == ""
	switch target {
	case Compose:
		return []made{{"compose.yaml.tmpl", "compose.yaml", p}}
	case Kubernetes:
		list = append(list, made{"kustomization.yaml.tmpl", "kustomization.yaml", p})
		if own {
			list = append(list, made{"consul.yaml.tmpl", "consul.yaml", p})
		}
		for i := range p.Services {
			list = append(list, made{"service.yaml.tmpl", p.Services[i].Name + ".yaml", Part{&p.Services[i], p}})
		}
	case Systemd:
		if own {
			list = append(list, made{"consul-server.service.tmpl", "consul-server.service", p}, made{"consul-agent.service.tmpl", "consul-agent.service", p})
		}
		for i := range p.Services {
			s := Part{&p.Services[i], p}
			list = append(list, made{"unit.service.tmpl", s.Unit(), s})
		}
	}
	return list
}

// execute makes a text of a template.
func execute(name string, data any) ([]byte, error) {
	functions := template.FuncMap{
		"quote": quote, "dollars": dollars, "word": word, "argument": argument, "seconds": seconds, "upto": upto, "mib": mib,
		"decimal": decimal, "below": func(n int) int { return n - 1 }, "percent": percent, "limit": limit,
	}
	parsed, err := template.New(path.Base(name)).Delims("«", "»").Funcs(functions).Option("missingkey=error").
		ParseFS(templates, path.Join("templates", name))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, data)
	return out.Bytes(), err
}

// readable reads all documents of a YAML text once.
func readable(content []byte) error {
	for document := range bytes.SplitSeq(content, []byte("\n---\n")) {
		var anything map[string]any
		if err := yaml.Unmarshal(document, &anything); err != nil {
			return err
		}
	}
	return nil
}

// quote writes a text as YAML and JSON have it.
func quote(text string) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(text)
	return strings.TrimSpace(out.String()), err
}

// dollars keeps a text from having variables put into it, by Compose and by Kubernetes in a command.
func dollars(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// word writes a text as one word of a unit, without what systemd would put in.
func word(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r == '%':
			out.WriteString("%%")
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// argument is a word of a unit's command, in which variables are put in too.
func argument(text string) string { return word(dollars(text)) }

// seconds rounds up to whole ones.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// upto counts from 1 to n.
func upto(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i + 1
	}
	return numbers
}

func mib(size int64) int64 { return size >> 20 }

// limit is the memory at which Go's collector works harder, 90 % of what there is: it does not count all of it.
func limit(size int64) int64 { return size >> 20 * 9 / 10 }

// decimal writes thousandths as a decimal number.
func decimal(milli int) string { return strconv.FormatFloat(float64(milli)/1000, 'f', -1, 64) }

// percent writes thousandths of a processor as systemd has them, at least 1 %.
func percent(milli int) int { return max(1, (milli+9)/10) }

// Variable is a variable of a program and its value.
type Variable struct{ Name, Value string }

// Variables are those of panda.yaml, sorted, without those that the target sets itself.
func (s *Service) Variables() []Variable {
	var list []Variable
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if !slices.Contains([]string{"PANDA_ADDR", "PANDA_INSTANCE", "PANDA_WEIGHT", "GOMEMLIMIT", "CONSUL_HTTP_ADDR"}, name) {
			list = append(list, Variable{name, s.Env[name]})
		}
	}
	return list
}

// Weight is that of an instance, unless panda.yaml has another.
func (s *Service) Weight() string { return cmp.Or(s.Env["PANDA_WEIGHT"], weight) }

// MemoryLimit is what the program takes for the limit of its memory; "" for none.
func (s *Service) MemoryLimit() string {
	if set := s.Env["GOMEMLIMIT"]; set != "" || s.Memory == 0 {
		return set
	}
	return fmt.Sprintf("%dMiB", limit(s.Memory))
}

// AllSecrets are those of the service and Consul's token.
func (s Part) AllSecrets() []Secret {
	list := slices.Clone(s.Secrets)
	if s.Plan.Consul.Token != "" && !slices.ContainsFunc(list, func(s Secret) bool { return s.Variable == tokenVariable }) {
		list = append(list, Secret{tokenVariable, s.Plan.Consul.Token})
	}
	return list
}

// tokenVariable is where the library reads the path of Consul's token from.
const tokenVariable = "CONSUL_HTTP_TOKEN_FILE" //nolint:gosec // the name of a variable

// FileSecrets are those that the program reads from a file.
func (s Part) FileSecrets() []Secret {
	return slices.DeleteFunc(s.AllSecrets(), func(s Secret) bool { return !s.IsFile() })
}

// ValueSecrets are those that the program gets as the value of a variable.
func (s Part) ValueSecrets() []Secret {
	return slices.DeleteFunc(s.AllSecrets(), Secret.IsFile)
}

// Parts are the services with the whole that they belong to.
func (p *Plan) Parts() []Part {
	parts := make([]Part, len(p.Services))
	for i := range p.Services {
		parts[i] = Part{&p.Services[i], p}
	}
	return parts
}

// Files are all secrets that are files, each once: of all services, and of Consul's agents.
func (p *Plan) Files() []Secret {
	var list []Secret
	if p.Consul.Config != "" && p.Own() {
		list = append(list, Secret{"", p.Consul.Config})
	}
	for _, s := range p.Parts() {
		list = append(list, s.FileSecrets()...)
	}
	return unique(list)
}

// Values are all secrets that are values of variables, each once.
func (p *Plan) Values() []Secret {
	var list []Secret
	for _, s := range p.Parts() {
		list = append(list, s.ValueSecrets()...)
	}
	return unique(list)
}

func unique(list []Secret) []Secret {
	slices.SortStableFunc(list, func(a, b Secret) int { return cmp.Compare(a.File(), b.File()) })
	return slices.CompactFunc(list, func(a, b Secret) bool { return a.File() == b.File() })
}

// Shown is the service that README takes for its examples: the first that listens, if any does.
func (p *Plan) Shown() *Service {
	at := slices.IndexFunc(p.Services, func(s Service) bool { return !s.Oneshot })
	return &p.Services[max(at, 0)]
}

// Own reports whether Consul is deployed with the services.
func (p *Plan) Own() bool { return p.Consul.Address == "" }

// ConsulConfig is the secret that holds a piece of Consul's configuration, or nil.
func (p *Plan) ConsulConfig() *Secret {
	if p.Consul.Config == "" {
		return nil
	}
	return &Secret{"", p.Consul.Config}
}

// Instances are the names of a service's instances on one host.
func (s *Service) Instances() []Instance {
	list := make([]Instance, s.Replicas)
	for i := range list {
		list[i].Name = s.Name
		if !s.Oneshot {
			list[i].Name = fmt.Sprintf("%s-%d", s.Name, i+1)
		}
		if s.Expose != 0 {
			list[i].Port = s.Expose + i
		}
	}
	return list
}

// Instance is one of a service; Port is where it is reached from outside, or 0.
type Instance struct {
	Name string
	Port int
}

// Awaited are the instances that an instance of the service is started after.
func (s Part) Awaited() []Awaited {
	var list []Awaited
	for _, name := range s.After {
		for i := range s.Plan.Services {
			other := &s.Plan.Services[i]
			if other.Name != name {
				continue
			}
			for _, instance := range other.Instances() {
				list = append(list, Awaited{instance.Name, other.Oneshot})
			}
		}
	}
	return list
}

// Awaited is an instance that others wait for; one of a oneshot is awaited until it has ended.
type Awaited struct {
	Name    string
	Oneshot bool
}

// Unit is the name of a service's unit. That of a service which listens is a template, an instance of which has the
// port outside in its name, or a number.
func (s *Service) Unit() string {
	if s.Oneshot {
		return s.Name + ".service"
	}
	return s.Name + "@.service"
}

// Units are the names of a service's instances for systemctl.
func (s *Service) Units() []string {
	if s.Oneshot {
		return []string{s.Name + ".service"}
	}
	var list []string
	for i, instance := range s.Instances() {
		list = append(list, fmt.Sprintf("%s@%d.service", s.Name, cmp.Or(instance.Port, i+1)))
	}
	return list
}

// AfterUnits are the units that a service's instances are started after.
func (s Part) AfterUnits() []string {
	var list []string
	for _, name := range s.After {
		for i := range s.Plan.Services {
			if s.Plan.Services[i].Name == name {
				list = append(list, s.Plan.Services[i].Units()...)
			}
		}
	}
	return list
}

// AllUnits are the names of all services' instances, those that others wait for first.
func (p *Plan) AllUnits() []string {
	var list []string
	for i := range p.Services {
		list = append(list, p.Services[i].Units()...)
	}
	return list
}

// Privileged reports whether the port outside is one that only a privileged program may listen on.
func (s *Service) Privileged() bool { return s.Expose != 0 && s.Expose < 1024 }
