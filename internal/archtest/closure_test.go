package archtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// unlinked is what a program that imports package panda must not carry, with the reason.
var unlinked = []struct{ pattern, reason string }{
	{"github.com/spf13/cobra/...", "the command tree is ours alone"},
	{"github.com/hashicorp/go-memdb/...", "the catalog belongs to the agent"},
	{"github.com/prometheus/client_golang/...", "a metrics page is a few hundred lines; the client library is most of a megabyte"},
	{"github.com/goccy/go-yaml/...", "panda.yaml is read by `panda up`, never by a service"},
	{"go.yaml.in/yaml/...", "panda.yaml is read by `panda up`, never by a service"},
	{"gopkg.in/yaml.v3/...", "panda.yaml is read by `panda up`, never by a service"},
	{"go.opentelemetry.io/otel/sdk/...", "the library carries trace context on; exporting is the program's own choice"},
	{"github.com/bufbuild/protocompile/...", "compiling .proto files is a tool's work"},
	{"github.com/moby/...", "the container engine is asked by tools"},
	{"github.com/google/go-containerregistry/...", "images are made by a tool"},
	{"go.etcd.io/bbolt/...", "storage belongs to the agent"},
	{"go.uber.org/goleak/...", "it is for tests"},
	{"testing/...", "it adds flags to the program that links it"},
	{module + "/internal/agent/...", "the agent is a feature"},
	{module + "/internal/workspace/...", "running a workspace is a feature"},
	{module + "/internal/rpccall/...", "calling from JSON is a feature"},
	{module + "/internal/engine/...", "asking a container engine is a feature"},
	{module + "/internal/image/...", "making images is a feature"},
	{module + "/internal/rollout/...", "upgrading is a feature"},
	{module + "/internal/deploy/...", "writing deployments is a feature"},
	{module + "/internal/cluster/...", "running a cluster is a feature"},
	{module + "/internal/cli/...", "the command tree is ours alone"},
	{module + "/internal/consulwire/...", "only the agent serves Consul's API"},
}

func TestServiceLinksLittle(t *testing.T) {
	t.Parallel()
	for _, goos := range []string{"linux", "darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			t.Parallel()
			for _, dep := range dependencies(t, goos, ".") {
				for _, u := range unlinked {
					if matches(u.pattern, dep) {
						t.Errorf("package panda links %s: %s", dep, u.reason)
					}
				}
			}
		})
	}
}

// dependencies lists the import paths that a package links; none when it has no Go file yet.
func dependencies(t *testing.T, goos, pkg string) []string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", pkg)
	list.Dir = root
	list.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	out, err := list.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		if bytes.Contains(failed.Stderr, []byte("no Go files")) {
			t.Skipf("%s has no Go file", pkg)
		}
		t.Fatalf("go list -deps %s: %s", pkg, failed.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}
