package newcmd

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/scaffold"
)

func environment(t *testing.T) (env *command.Env, stdout *bytes.Buffer) {
	t.Helper()
	stdout = new(bytes.Buffer)
	return &command.Env{Dir: t.TempDir(), Getenv: os.Getenv, Environ: os.Environ, Stdin: strings.NewReader(""), Stdout: stdout}, stdout
}

// An interrupt ends what the go command does, and leaves nothing.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	env, stdout := environment(t)
	ctx, cancel := context.WithCancel(t.Context())
	env.Stdout = writer(func(text []byte) (int, error) {
		if bytes.Contains(text, []byte("compiling")) {
			cancel()
		}
		return stdout.Write(text)
	})
	err := run(ctx, env, options{kind: "rpc"}, "day2/info.rpc")
	if err == nil || err.Error() != "create day2/info.rpc: interrupted; nothing was made" {
		t.Errorf("got %v\n%s", err, stdout)
	}
	if entries, err := os.ReadDir(env.Dir); err != nil || len(entries) > 0 {
		t.Errorf("it left %v, %v", entries, err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(text []byte) (int, error) { return w(text) }

// The language is that of the first variable that is set, as in other programs, and --lang wins.
func TestLanguage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		variables map[string]string
		flag      string
		want      scaffold.Language
	}{
		{nil, "", scaffold.English},
		{map[string]string{"LANG": "zh_CN.UTF-8"}, "", scaffold.Chinese},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US"}, "", scaffold.English},
		{map[string]string{"LC_ALL": "zh_CN", "LC_MESSAGES": "en_US", "LANG": "C"}, "", scaffold.Chinese},
		{map[string]string{"LC_ALL": "zh_CN"}, "en", scaffold.English},
		{nil, "zh", scaffold.Chinese},
	} {
		env := &command.Env{Getenv: func(name string) string { return c.variables[name] }}
		got, err := (&options{kind: "srv", language: c.flag}).request(env, "x")
		if err != nil || got.Language != c.want {
			t.Errorf("%v and --lang %q: got %q, %v, want %q", c.variables, c.flag, got.Language, err, c.want)
		}
	}
}

func TestNextCommands(t *testing.T) {
	t.Parallel()
	env := &command.Env{Dir: t.TempDir()}
	for _, c := range []struct {
		kind scaffold.Type
		path string
		want string
	}{
		{scaffold.Srv, "my 服务/rpc.srv", `panda up 'my 服务/rpc.srv'; panda call rpc Greet '{"name":"panda"}'`},
		{scaffold.RPC, "info.rpc", "panda up info.rpc; panda instances info-rpc"},
		{scaffold.CLI, "tool", "go -C tool run ."},
	} {
		p, err := scaffold.NewPlan(scaffold.Request{Dir: env.Dir, Path: c.path, Type: c.kind})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(next(env, p), "; "); got != c.want {
			t.Errorf("%s: got %s, want %s", c.kind, got, c.want)
		}
	}
}
