package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/cli/command"
)

// Consul's flags have one dash; what is no flag, or the value of one, stays as it is.
func TestDoubleDashes(t *testing.T) {
	for given, want := range map[string]string{
		"":                             "",
		"kv get -recurse x":            "kv get --recurse x",
		"kv get --recurse x":           "kv get --recurse x",
		"kv get x -recurse":            "kv get x --recurse",
		"kv get -separator -x y":       "kv get --separator -x y",
		"kv get -separator=-x -keys y": "kv get --separator=-x --keys y",
		"kv get -h":                    "kv get -h",
		"kv get -- -recurse":           "kv get -- -recurse",
		"kv put -flags=3 key -5":       "kv put --flags=3 key -5",
		"kv put -flags 3 key -flags":   "kv put --flags 3 key -flags",
		"kv put key -":                 "kv put key -",
		"kv get -nonsense x":           "kv get --nonsense x",
		"services -json":               "services -json",
		"consul kv get -recurse x":     "consul kv get -recurse x",
		"nonsense -json":               "nonsense -json",
		"members -token -detailed":     "members --token -detailed",
	} {
		e, _, _ := env(strings.Fields(given)...)
		if got := doubleDashes(newRoot(e), e.Args); got == nil || !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}

func TestCalledConsul(t *testing.T) {
	for program, want := range map[string]bool{
		"": false, "panda": false, "/usr/bin/consul": true, "consul": true, "./consul.exe": true, "/opt/consul/panda": false, "consuls": false,
	} {
		if got := (&command.Env{Program: program}).CalledConsul(); got != want {
			t.Errorf("%q: got %v", program, got)
		}
	}
}

// Wrong usage is a failure like any other under the name consul, and an exit code that Consul has stays.
func TestExitCodesOfConsul(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		told string
	}{
		{"kv get", 1, "Error! Missing KEY argument\n"},
		{"kv nonsense", 1, "consul: unknown command \"nonsense\"\n"},
		{"members -http-addr=ftp://x", 1, "consul: read the agent's address \"ftp://x\": want host:port, http://…, https://… or unix:///path\n"},
		{"version -format=x", 1, "Unknown format: x\n"},
		{"", 127, ""},
	} {
		e, _, stderr := env(strings.Fields(c.args)...)
		e.Program = "consul"
		if code := Main(t.Context(), e); code != c.code || !strings.HasPrefix(stderr.String(), c.told) {
			t.Errorf("%q: exit code %d, stderr %q", c.args, code, stderr)
		}
	}
}
