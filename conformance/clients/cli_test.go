package clients

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ran is what a command printed and how it ended.
type ran struct {
	code           int
	stdout, stderr string
}

func (r ran) String() string {
	return fmt.Sprintf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
}

// run runs a program with the agent as its Consul.
func (a *agent) run(t testing.TB, folder, stdin, binary string, args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = folder, a.environ(), strings.NewReader(stdin)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatalf("%v: %v", args, err)
	}
	return ran{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// step is one command line. Its output is compared between the agents but for what differs by nature.
type step struct {
	args  string // separated by spaces; ~ stands for a space in an argument
	stdin string
	code  int
	fits  string // a pattern that the output must have; any when empty
	loose bool   // the output is not compared, only judged by fits
}

// split cuts a step's arguments.
func (s step) split() []string {
	args := strings.Fields(s.args)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "~", " ")
	}
	return args
}

var (
	idPattern      = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	timePattern    = regexp.MustCompile(`\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 UTC)?`)
	indexPattern   = regexp.MustCompile(`(Index"?:? *)\d+`)
	versionPattern = regexp.MustCompile(`1\.12\.9(\+panda)?:?`)
	portPattern    = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	hashPattern    = regexp.MustCompile(`"(ContentHash|Value)": *"[^"]*"`)
	spacePattern   = regexp.MustCompile(` +|-{3,}`)
)

// normal replaces what differs between any two agents.
func (a *agent) normal(text string) string {
	text = strings.ReplaceAll(text, a.node, "NODE")
	text = portPattern.ReplaceAllString(text, "127.0.0.1:PORT")
	text = idPattern.ReplaceAllString(text, "UUID")
	text = regexp.MustCompile(`\b[0-9a-f]{8}\b`).ReplaceAllString(text, "SHORTID")
	text = timePattern.ReplaceAllString(text, "TIME")
	text = indexPattern.ReplaceAllString(text, "${1}N")
	text = versionPattern.ReplaceAllString(text, "VERSION")
	text = hashPattern.ReplaceAllString(text, `"$1":"HASH"`)
	return spacePattern.ReplaceAllString(text, " ") // columns are as wide as what is in them
}

// lines are the command lines of Consul's own program, in the order in which they are run.
func lines() []step { return slices.Concat(catalogLines(), keyLines(), agentLines(), serverLines()) }

func catalogLines() []step {
	return []step{
		{args: "members", fits: "alive +server"},
		{args: "members -detailed", fits: "role=consul", loose: true},
		{args: "members -status=failed", code: 2},
		{args: "catalog datacenters", fits: "^dc1\n"},
		{args: "catalog nodes"},
		{args: "catalog nodes -detailed"},
		{args: "catalog nodes -service=consul"},
		{args: "catalog nodes -service=nothing", code: 0},
		{args: "catalog nodes -node-meta=consul-network-segment="},
		{args: "catalog services", fits: "consul"},
		{args: "services register web.json", fits: "Registered service: web"},
		{args: "services register web.hcl", fits: "Registered service: hcl"},
		{args: "services register -name=flags -port=81 -tag=a -tag=b -meta=k=v -address=10.0.0.1", fits: "Registered service: flags"},
		{args: "services register nothing.json", code: 1},
		{args: "services register", code: 1},
		{args: "catalog services", fits: "flags"},
		{args: "catalog services -tags"},
		{args: "catalog services -node={node}", loose: true, fits: "web"},
		{args: "catalog nodes -service=web", fits: "NODE|node"},
		{args: "services deregister -id=flags", fits: "Deregistered service: flags"},
		{args: "services deregister web.json", fits: "Deregistered service: web"},
		{args: "services deregister -id=nothing", code: 1},
		{args: "catalog services"},
	}
}

func keyLines() []step {
	return []step{
		{args: "kv put config/a 1", fits: "Success! Data written to: config/a"},
		{args: "kv put -flags=42 config/b two~words"},
		{args: "kv put config/stdin -", stdin: "from stdin"},
		{args: "kv put config/file @web.json"},
		{args: "kv put -base64 config/base aGVsbG8="},
		{args: "kv put empty"},
		{args: "kv put odd~key/%3F?x=1#y v"},
		{args: "kv get odd~key/%3F?x=1#y", fits: "^v\n"},
		{args: "kv get config/a", fits: "^1\n"},
		{args: "kv get config/stdin", fits: "^from stdin\n"},
		{args: "kv get -detailed config/b", fits: "Flags +42"},
		{args: "kv get -base64 config/base", fits: "^aGVsbG8=\n"},
		{args: "kv get -recurse config/"},
		{args: "kv get -recurse -detailed config/"},
		{args: "kv get -recurse nothing/"},
		{args: "kv get -keys"},
		{args: "kv get -keys -separator=i"},
		{args: "kv get -keys -separator= config"},
		{args: "kv get nothing", code: 1, fits: "No key exists at: nothing"},
		{args: "kv put -cas config/a 2", code: 1, fits: "key already exists"},
		{args: "kv put -cas -modify-index=1 config/a 2", code: 1, fits: "CAS failed"},
		{args: "kv put -cas config/new 2"},
		{args: "kv put -acquire -session=00000000-0000-0000-0000-000000000000 lock x", code: 1, fits: "invalid session"},
		{args: "kv delete -cas -modify-index=1 config/a", code: 1, fits: "CAS failed"},
		{args: "kv export config/"},
		{args: "kv import -", stdin: `[{"key":"in/a","flags":3,"value":"aGVsbG8="},{"key":"in/folder/","flags":0,"value":""}]`, fits: "Imported: in/folder/"},
		{args: "kv get -recurse in/"},
		{args: "kv delete -recurse in/", fits: "Deleted keys with prefix: in/"},
		{args: "kv delete config/a", fits: "Deleted key: config/a"},
		{args: "kv delete nothing"},
		{args: "lock -child-exit-code locks/cli exit~3", code: 2},
		{args: "lock locks/cli echo~holds~it", fits: "holds it"},
		{args: "lock -n=2 locks/many echo~a~slot", fits: "a slot"},
	}
}

func agentLines() []step {
	return []step{
		{args: "maint"},
		{args: "maint -enable -reason=disks", fits: "Node maintenance is now enabled"},
		{args: "maint", fits: "disks"},
		{args: "maint -disable", fits: "Node maintenance is now disabled"},
		{args: "maint -enable -service=nothing", code: 1},
		{args: "services register web.json"},
		{args: "maint -enable -service=web -reason=new~disks"},
		{args: "maint", fits: "new disks"},
		{args: "maint -disable -service=web"},
		{args: "event -name=deploy -service=web payload", fits: "^Event ID: "},
		{args: "event", code: 1},
		{args: "watch -type=services", loose: true, fits: `"web"`},
		{args: "watch -type=service -service=web", loose: true, fits: `"ID": "web"`},
		{args: "watch -type=nodes", loose: true, fits: `"Address": "127.0.0.1"`},
		{args: "watch -type=key -key=config/b", loose: true, fits: `"Flags": 42`},
		{args: "watch -type=keyprefix -prefix=config/", loose: true, fits: `"config/b"`},
		{args: "watch -type=checks -state=passing", loose: true, fits: `"serfHealth"`},
		{args: "info", loose: true, fits: "(?s)agent:.*consul:.*runtime:"},
		{args: "validate web.json good", fits: "Configuration is valid!"},
		{args: "validate bad.json", code: 1},
		{args: "reload", fits: "Configuration reload triggered"},
	}
}

func serverLines() []step {
	return []step{
		{args: "snapshot save saved.snap", loose: true, fits: "Saved and verified snapshot"},
		{args: "snapshot inspect saved.snap", loose: true, fits: "KVS"},
		{args: "snapshot restore saved.snap", fits: "Restored snapshot"},
		{args: "operator raft list-peers", loose: true, fits: "leader +true"},
		{args: "operator autopilot get-config", fits: "CleanupDeadServers = true"},
		{args: "force-leave nobody", code: 1},
		{args: "join 127.0.0.1:1", code: 1, loose: true, fits: "Error joining address"}, // panda's agent says that it never joins
		{args: "rtt nobody", code: 1},
		{args: "config list -kind=service-defaults", code: 0},
		{args: "intention list", code: 2, fits: "There are no intentions"},
		{args: "acl token list", code: 1, fits: "ACL support disabled"},
		{args: "exec -wait=1s true", loose: true, code: -1},
		{args: "debug -duration=5s -interval=5s -capture=agent -archive=false -output=out", loose: true, code: -1},
	}
}

// files are what the command lines read.
func files(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{
		"web.json": `{"service": {"name": "web", "port": 8080, "tags": ["v1"], "meta": {"k": "v"}, "check": {"id": "ttl", "ttl": "1h"}}}`,
		"web.hcl":  "service {\n  name = \"hcl\"\n  port = 82\n}\n",
		// The address is for machines with several, such as those with a container engine: neither would choose one.
		"good/good.json": `{"datacenter": "dc1", "data_dir": "data", "bind_addr": "127.0.0.1", "service": {"name": "x"}}`,
		"bad.json":       `{"service": {"name": `,
	} {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// TestConsulCommand runs Consul's own command line against both agents.
func TestConsulCommand(t *testing.T) { //nolint:tparallel // each step builds on those before it
	t.Parallel()
	binary := realConsul(t)
	panda, consul := start(t, pandaAsConsul(t)), start(t, binary)
	ours, theirs := files(t), files(t)
	for _, s := range lines() {
		t.Run(strings.ReplaceAll(s.args, "/", "_"), func(t *testing.T) {
			run := func(a *agent, folder string) ran {
				args := s.split()
				for i := range args {
					args[i] = strings.ReplaceAll(args[i], "{node}", a.node)
				}
				return a.run(t, folder, s.stdin, binary, args...)
			}
			want, got := run(consul, theirs), run(panda, ours)
			judge(t, "consul", s, want)
			judge(t, "panda", s, got)
			if a, b := panda.normal(got.String()), consul.normal(want.String()); !s.loose && a != b {
				t.Errorf("panda's agent:\n%s\nConsul's agent:\n%s", a, b)
			}
		})
	}
}

func judge(t *testing.T, name string, s step, got ran) {
	t.Helper()
	if s.code >= 0 && got.code != s.code {
		t.Errorf("with %s: %s\nwant exit code %d", name, got, s.code)
	}
	if s.fits != "" && !regexp.MustCompile(`(?m)`+s.fits).MatchString(got.stdout+got.stderr) {
		t.Errorf("with %s: %s\nwant %q", name, got, s.fits)
	}
}

// TestOwnCommands runs the commands that panda has itself, under Consul's name, beside Consul's own; both ask a
// real agent, so that nothing but the command differs.
func TestOwnCommands(t *testing.T) { //nolint:tparallel // each step builds on those before it
	t.Parallel()
	binary, own := realConsul(t), pandaAsConsul(t)
	first, second := start(t, binary), start(t, binary)
	theirs, ours := files(t), files(t)
	for _, s := range lines() {
		if verb, _, _ := strings.Cut(s.args, " "); verb != "kv" && verb != "members" && verb != "reload" {
			continue
		}
		t.Run(strings.ReplaceAll(s.args, "/", "_"), func(t *testing.T) {
			want, got := first.run(t, theirs, s.stdin, binary, s.split()...), second.run(t, ours, s.stdin, own, s.split()...)
			if s.code == 2 {
				got.stderr = "" // panda says why
			}
			a, b := second.normal(got.String()), first.normal(want.String())
			if strings.Contains(s.args, "detailed") && strings.HasPrefix(s.args, "members") {
				a, b = tagNames(a), tagNames(b)
			}
			if a != b {
				t.Errorf("panda:\n%s\nConsul:\n%s", a, b)
			}
		})
	}
}

// tagNames drops the values of a member's tags, some of which are ports.
func tagNames(text string) string {
	return regexp.MustCompile(`=[^,\s]*`).ReplaceAllString(text, "")
}

// TestConsulMonitor streams the agent's log until it is interrupted.
func TestConsulMonitor(t *testing.T) {
	t.Parallel()
	binary := realConsul(t)
	each(t, func(t *testing.T, a *agent) {
		cmd := exec.CommandContext(t.Context(), binary, "monitor", "-log-level=debug")
		cmd.Env = a.environ()
		stdout := must[interface{ Read([]byte) (int, error) }](t)(cmd.StdoutPipe())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		seen := make(chan string, 1)
		go func() {
			lines := bufio.NewScanner(stdout)
			for lines.Scan() {
				select {
				case seen <- lines.Text():
				default:
				}
			}
			close(seen)
		}()
		line := ""
		eventually(t, "a line of the log", func() bool {
			_, _ = a.get(t.Context(), "/v1/agent/self") // which is logged
			select {
			case line = <-seen:
			default:
			}
			return line != ""
		})
		if !strings.Contains(line, "[DEBUG]") && !strings.Contains(line, "[INFO]") && !strings.Contains(line, "[WARN]") && !strings.Contains(line, "[TRACE]") {
			t.Errorf("the line has no level: %q", line)
		}
		_ = cmd.Process.Signal(os.Interrupt)
		for range seen { // until it is closed
		}
		_ = cmd.Wait() // interrupted
	})
}

// TestConsulLeave ends the agent by the command line.
func TestConsulLeave(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]func(testing.TB) string{"Consul's command": realConsul, "panda's command": pandaAsConsul} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, a *agent) {
				got := a.run(t, t.TempDir(), "", command(t), "leave")
				if got.code != 0 || got.stdout != "Graceful leave complete\n" {
					t.Errorf("got %s", got)
				}
				<-a.ended
			})
		})
	}
}

// TestInterruptEndsTheAgent is what HashiCorp's test server does when it stops one.
func TestInterruptEndsTheAgent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		if err := a.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		<-a.ended
		if code := a.cmd.ProcessState.ExitCode(); code != 0 && code != 1 {
			t.Errorf("exit code %d: %s", code, a.output)
		}
	})
}
