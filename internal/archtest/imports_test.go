package archtest

import (
	"go/token"
	"slices"
	"strings"
	"testing"
)

// layer is a floor of the house. An import goes to the same package's own tree or to a floor that
// mayImport names.
type layer string

const (
	layerCmd       layer = "cmd"
	layerCLI       layer = "cli"
	layerFeature   layer = "feature"
	layerLibrary   layer = "library"
	layerDiscovery layer = "discovery"
	layerLeaf      layer = "leaf"
	layerTesting   layer = "testing"
	layerRules     layer = "rules"
)

// placement is where each package of the root module stands; the first pattern that fits counts.
var placement = []struct {
	pattern string
	layer   layer
}{
	{"cmd/...", layerCmd},
	{"internal/cli/...", layerCLI},

	{"internal/rpccall/rpccalltest/...", layerTesting},

	{"internal/agent/...", layerFeature},
	{"internal/workspace/...", layerFeature},
	{"internal/rpccall/...", layerFeature},
	{"internal/protobuild/...", layerFeature},
	{"internal/scaffold/...", layerFeature},
	{"internal/image/...", layerFeature},
	{"internal/engine/...", layerFeature},
	{"internal/rollout/...", layerFeature},
	{"internal/deploy/...", layerFeature},
	{"internal/cluster/...", layerFeature},
	{"internal/gateway/...", layerFeature},
	{"internal/dashboard/...", layerFeature},
	{"internal/consulbuild/...", layerFeature},

	{"discovery/discoverytest/...", layerTesting},
	{"pandatest/...", layerTesting},

	{".", layerLibrary},
	{"discovery/consul/...", layerLibrary},
	{"discovery/inmemory/...", layerLibrary},
	{"discovery/internal/...", layerLibrary},
	{"internal/loadbalance/...", layerLibrary},
	{"internal/oneport/...", layerLibrary},
	{"internal/netrpc/...", layerLibrary},
	{"internal/metrics/...", layerLibrary},
	{"internal/tracecontext/...", layerLibrary},
	{"internal/grpcserver/...", layerLibrary},
	{"internal/retry/...", layerLibrary},

	{"discovery", layerDiscovery},

	{"internal/consulwire", layerLeaf},
	{"internal/backoff", layerLeaf},
	{"internal/allornone", layerLeaf},
	{"internal/nearname", layerLeaf},
	{"internal/rungroup", layerLeaf},
	{"internal/privatefolder", layerLeaf},
	{"internal/controlsocket", layerLeaf},
	{"internal/netns/...", layerLeaf},
	{"internal/process", layerLeaf},
	{"internal/processid", layerLeaf},

	{"internal/archtest/...", layerRules},
}

// mayImport says for each layer what it may import of this repository, besides its own tree.
var mayImport = map[layer]struct {
	layers []layer
	reason string
}{
	layerCmd: {
		[]layer{layerCLI},
		"main only hands the process to the command tree, so that tests can drive the same entry",
	},
	layerCLI: {
		[]layer{layerCLI, layerFeature, layerLibrary, layerDiscovery, layerLeaf},
		"nothing but main stands above the command tree",
	},
	layerFeature: {
		[]layer{layerLibrary, layerDiscovery, layerLeaf},
		"a feature is used by commands and knows neither them nor another feature; a command combines them",
	},
	layerLibrary: {
		[]layer{layerLibrary, layerDiscovery, layerLeaf},
		"a user's service links the library, and must not link our tools with it",
	},
	layerDiscovery: {
		nil,
		"the vocabulary is what other registries implement; it must cost them nothing but the standard library",
	},
	layerLeaf: {
		[]layer{layerLeaf},
		"a leaf is one small thing that all may import, so it can import none of them",
	},
	layerTesting: {
		[]layer{layerTesting, layerFeature, layerLibrary, layerDiscovery, layerLeaf},
		"test machinery may start an agent, but nothing drives the command tree from inside",
	},
	layerRules: {
		nil,
		"rules read the tree as text; a rule that imports what it judges could not see it broken",
	},
}

// layerOf returns where a folder stands, and the pattern that says so; "" when nothing does.
func layerOf(dir string) (layer, string) {
	for _, p := range placement {
		if matches(p.pattern, dir) {
			return p.layer, p.pattern
		}
	}
	return "", ""
}

func TestEveryPackageIsPlaced(t *testing.T) {
	tree := repository(t)
	told := map[string]bool{}
	for _, f := range tree.files {
		if !f.inRootModule() || told[f.dir] {
			continue
		}
		told[f.dir] = true
		if l, _ := layerOf(f.dir); l == "" {
			t.Errorf("%s: no layer; add the package to placement, where its imports are judged", f.dir)
		}
	}
}

func TestImportsPointDown(t *testing.T) {
	tree := repository(t)
	for _, f := range tree.files {
		from, fromTree := layerOf(f.dir)
		if f.test || !f.inRootModule() || from == "" {
			continue
		}
		rule := mayImport[from]
		for _, imp := range f.imports() {
			if imp.dir == "" {
				continue
			}
			to, toTree := layerOf(imp.dir)
			if fromTree == toTree || slices.Contains(rule.layers, to) {
				continue
			}
			t.Errorf("%s: %s (%s) imports %s (%s): %s", tree.at(imp.pos), f.dir, from, imp.dir, to, rule.reason)
		}
	}
}

// ban forbids packages to import others, beyond what the layers say.
type ban struct {
	from   []string // folders
	except []string // folders
	to     []string // import paths
	tests  bool     // tests are bound too; others may open sockets and files, and judge with any library
	reason string
}

var bans = []ban{
	{
		from:   []string{"internal/agent/..."},
		to:     []string{module + "/discovery/consul/..."},
		tests:  true,
		reason: "the agent and the client of Consul's API must not agree on a mistake; a real Consul judges each of them",
	},
	{
		from:   []string{"discovery/consul/..."},
		to:     []string{module + "/internal/consulwire/..."},
		tests:  true,
		reason: "the client takes its wire types from Consul's own library, not from our agent's idea of them",
	},
	{
		from:   []string{"internal/agent/catalog/..."},
		to:     []string{"net", "net/...", "os", "os/...", "io/fs", "syscall"},
		reason: "the catalog is state only: no socket and no file, so that every interleaving can be tested",
	},
	{
		from:   []string{"internal/consulwire/..."},
		to:     []string{"net/http", "os", "sync", module + "/..."},
		reason: "wire types carry no behaviour",
	},
	{
		from:   []string{"./..."},
		except: []string{"internal/cli/...", "cmd/..."},
		to:     []string{"flag", "github.com/spf13/cobra/...", "golang.org/x/term/..."},
		reason: "only the command tree reads arguments and terminals",
	},
	{
		from:   []string{"./..."},
		except: []string{"internal/agent/..."},
		to:     []string{"github.com/hashicorp/go-memdb/..."},
		reason: "only the agent keeps a catalog",
	},
	{
		from:   []string{"./..."},
		except: []string{"internal/engine/..."},
		to:     []string{"github.com/moby/...", "github.com/docker/..."},
		reason: "one package speaks the engine's API, so that it alone knows whose engine it is",
	},
	{
		from:   []string{"./..."},
		except: []string{"discovery/consul/...", "internal/workspace/health/...", "internal/cli/agentapi/..."},
		to:     []string{"github.com/hashicorp/consul/..."},
		reason: "discovery/consul speaks Consul's API for all, so that another registry can take its place; only the health of a workspace, and commands that are Consul's own such as kv, need more",
	},
	{
		from:   []string{"./..."},
		to:     []string{"log", "golang.org/x/exp/...", "github.com/pkg/errors", "io/ioutil", "math/rand"},
		reason: "log/slog is passed in, and the standard library has replaced the others",
	},
}

func TestBannedImports(t *testing.T) {
	tree := repository(t)
	for _, b := range bans {
		for _, f := range tree.files {
			if !f.inRootModule() || !anyMatch(b.from, f.dir) || anyMatch(b.except, f.dir) || f.test && !b.tests {
				continue
			}
			for _, imp := range f.imports() {
				if anyMatch(b.to, imp.path) {
					t.Errorf("%s: %s imports %s: %s", tree.at(imp.pos), f.dir, imp.path, b.reason)
				}
			}
		}
	}
}

func anyMatch(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return p == "./..." || matches(p, dir)
	})
}

// processUse forbids what belongs to the process as a whole.
var processUse = []struct {
	importPath string
	names      []string // nil: any
	allowed    []string // folders or files
	reason     string
}{
	{
		"os", []string{"Args", "Exit", "Stdin", "Stdout", "Stderr"}, []string{"cmd/..."},
		"only main touches the process's arguments, exit and streams; everyone else is handed them",
	},
	{
		"os", []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}, []string{"cmd/...", "environment.go"},
		"the environment is read by main, and by the library in the one file that documents its variables",
	},
	{
		"os", []string{"Setenv", "Unsetenv", "Clearenv", "Chdir"}, nil,
		"the environment and the working directory are shared by the whole process",
	},
	{
		"fmt", []string{"Print", "Printf", "Println"}, nil,
		"standard output is passed in as a writer",
	},
	{
		"log/slog", []string{"Debug", "Info", "Warn", "Error", "Log", "SetDefault"}, nil,
		"a logger is passed in, never the global one",
	},
	{
		"net/http", []string{"DefaultServeMux", "Handle", "HandleFunc", "ListenAndServe"}, nil,
		"the default mux is shared by the whole process",
	},
	{
		"net/rpc", []string{"DefaultServer", "Register", "RegisterName", "HandleHTTP"}, nil,
		"the default server is shared by the whole process",
	},
}

func TestProcessIsPassedIn(t *testing.T) {
	tree := repository(t)
	for _, rule := range processUse {
		for _, f := range tree.files {
			if f.test || !f.inRootModule() || anyMatch(rule.allowed, f.dir) || slices.Contains(rule.allowed, f.path) {
				continue
			}
			f.selectors(rule.importPath, func(name string, pos token.Pos) {
				if slices.Contains(rule.names, name) {
					t.Errorf("%s: %s.%s: %s", tree.at(pos), rule.importPath, name, rule.reason)
				}
			})
		}
	}
}

// clockless packages are handed the time, so that a test of them needs no real clock.
var clockless = []string{"discovery", "internal/agent/catalog/...", "internal/backoff", "internal/nearname", "internal/consulwire"}

func TestNoWallClock(t *testing.T) {
	tree := repository(t)
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}
	for _, f := range tree.files {
		if f.test || !anyMatch(clockless, f.dir) {
			continue
		}
		f.selectors("time", func(name string, pos token.Pos) {
			if slices.Contains(clock, name) {
				t.Errorf("%s: time.%s: this package is state or arithmetic; it is handed the time", tree.at(pos), name)
			}
		})
	}
}

// initAllowed are the files that may have an init function, each with its reason.
var initAllowed = map[string]string{
	"internal/loadbalance/": "gRPC finds balancers in a process-wide registry that takes writes only while programs initialise",
}

func TestNoInit(t *testing.T) {
	tree := repository(t)
	for _, f := range tree.files {
		if f.generated || hasPrefixIn(f.path, initAllowed) {
			continue
		}
		for _, fn := range f.functions() {
			if fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init: importing a package must do nothing; build a value instead", tree.at(fn.Pos()))
			}
		}
	}
}

func hasPrefixIn(name string, prefixes map[string]string) bool {
	for prefix := range prefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
