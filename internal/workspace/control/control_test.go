//go:build unix

package control_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/control"
	"github.com/pandakit/panda/internal/workspace/health"
	"github.com/pandakit/panda/internal/workspace/tail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// served is a server for a workspace that does not run: what is asked of its services is refused, and told so.
type served struct {
	folder, dir string
	lines       *tail.Store
	stopped     chan struct{}
	server      *control.Server
}

func serve(t *testing.T, folder string) *served {
	t.Helper()
	registry, err := health.New(consul.Config{Addresses: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &served{folder: folder, dir: dir, lines: new(tail.Store), stopped: make(chan struct{})}
	work := &workspace.Workspace{Services: []*workspace.Service{{Name: "hello", Replicas: 1}}}
	s.server, err = control.Listen(control.Config{
		Folder: folder, Folders: []string{dir}, Dir: dir, Registry: "http://127.0.0.1:8500",
		Runner: workspace.NewRunner(work, workspace.Config{Registry: registry}), Lines: s.lines, Stop: func() { close(s.stopped) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *served) find(t *testing.T) *control.Client {
	t.Helper()
	below := filepath.Join(s.dir, "a", "b")
	if err := os.MkdirAll(below, 0o750); err != nil {
		t.Fatal(err)
	}
	client, err := control.Find(s.folder, below)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestClientAndServer(t *testing.T) {
	for name, folder := range map[string]string{
		"socket":    filepath.Join(t.TempDir(), "run"),
		"port":      filepath.Join(t.TempDir(), strings.Repeat("long", 20), "run"), // too long for a socket
		"odd names": filepath.Join(t.TempDir(), "[a]*? b", "run"),
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, folder)
			client := s.find(t)
			if network := client.Description().Network; (network == "tcp") != (name == "port") {
				t.Errorf("it listens on %s", network)
			}
			status, err := client.Status(t.Context())
			if err != nil || status.PID != os.Getpid() || len(status.Services) != 1 || status.Services[0].State != "waiting" {
				t.Errorf("Status = %+v, %v", status, err)
			}
			s.lines.Add("hello", "hello", "one")
			s.lines.Add("hello", "hello", "two")
			if got := s.logs(t, client, 1, false); got != "two" {
				t.Errorf("the last line is %q", got)
			}
			refusals(t, client)
			s.stop(t, client)
			if left, err := os.ReadDir(filepath.Dir(folder)); err != nil || len(left) > 0 {
				t.Errorf("left behind are %v, %v", left, err)
			}
		})
	}
}

func (s *served) logs(t *testing.T, client *control.Client, n int, follow bool) string {
	t.Helper()
	var texts []string
	err := client.Logs(t.Context(), []string{"hello"}, n, follow, func(line tail.Line) error {
		texts = append(texts, line.Text)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return strings.Join(texts, " ")
}

func refusals(t *testing.T, client *control.Client) {
	t.Helper()
	ctx := t.Context()
	attach := func(name string) error { _, err := client.Attach(ctx, name, ""); return err }
	for name, c := range map[string]struct {
		err   error
		want  string
		wrong bool
	}{
		"unknown":       {client.Restart(ctx, []string{"helo"}), `no service is called "helo"; near: hello`, true},
		"not running":   {client.Restart(ctx, []string{"hello"}), "not running", false},
		"stop unknown":  {client.Stop(ctx, []string{"x"}), `no service is called "x"`, true},
		"scale":         {client.Scale(ctx, map[string]int{"hello": 101}), "want 1 to 100", true},
		"attach":        {attach("hello"), "registers nothing", true},
		"detach":        {client.Detach(ctx, "x"), `no service is called "x"`, true},
		"logs of none":  {client.Logs(ctx, []string{"x"}, 1, false, nil), `no service is called "x"`, true},
		"logs negative": {client.Logs(ctx, nil, -1, false, nil), "want a number from 0", true},
	} {
		told, ok := errors.AsType[*control.Error](c.err)
		if !ok || told.Wrong != c.wrong || !strings.Contains(told.Text, c.want) {
			t.Errorf("%s: %#v, want %q", name, c.err, c.want)
		}
	}
}

// stop asks for the end, which is answered once it has come; who follows is let go.
func (s *served) stop(t *testing.T, client *control.Client) {
	t.Helper()
	followed := make(chan string, 1)
	go func() { followed <- s.logs(t, client, 2, true) }()
	asked := make(chan error, 1)
	go func() { asked <- client.Stop(context.Background(), nil) }()
	<-s.stopped
	select {
	case err := <-asked:
		t.Errorf("it is answered before the end: %v", err)
	default:
	}
	s.server.Drained(errors.New("killed before they had drained: hello"))
	if err := <-asked; err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Stop = %v, want what went wrong in the drain", err)
	}
	if got := <-followed; got != "one two" && got != "" { // it may have come too late
		t.Errorf("followed %q", got)
	}
	s.server.Close()
}

func TestFindRemovesWhatIsStale(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "run")
	if _, err := control.Find(folder, "/"); !isNone(err, 0) {
		t.Errorf("Find without a folder = %v", err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(folder, "77.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = listener.Close() // as a process does that is killed
	write(t, folder, "77.json", `{"pid":77,"folders":["/x"],"network":"unix","address":"`+socket+`"}`)
	write(t, folder, "78.json", `nonsense`)
	write(t, folder, "79.json", strings.Repeat("x", 1<<17))
	if _, err := control.Find(folder, "/x"); !isNone(err, 0) {
		t.Errorf("Find of what is gone = %v", err)
	}
	for _, name := range []string{"77.json", "77.sock"} {
		if _, err := os.Lstat(filepath.Join(folder, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there", name)
		}
	}
}

func isNone(err error, running int) bool {
	none, ok := errors.AsType[*control.NoneError](err)
	return ok && len(none.Running) == running
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Several workspaces run; a process of each is stood in for by a port.
func TestFindTellsThemApart(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "run")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	describe := func(pid int, folders string) {
		write(t, folder, strconv.Itoa(pid)+".json", `{"pid":`+strconv.Itoa(pid)+`,"folders":[`+folders+`],"dir":"/start`+
			strconv.Itoa(pid)+`","network":"tcp","address":"`+listener.Addr().String()+`"}`)
	}
	describe(1, `"/shop"`)
	if client, err := control.Find(folder, "/elsewhere"); err != nil || client.Description().PID != 1 {
		t.Errorf("the only one is not found: %v", err)
	}
	describe(2, `"/shop/inner","/other"`)
	describe(3, `"/twice"`)
	describe(4, `"/twice"`)
	for dir, want := range map[string]int{"/shop": 1, "/shop/x": 1, "/shop/inner/x/y": 2, "/other": 2, "/start1/x": 1} {
		if client, err := control.Find(folder, dir); err != nil || client.Description().PID != want {
			t.Errorf("Find from %s = %v, want process %d", dir, err, want)
		}
	}
	if _, err := control.Find(folder, "/elsewhere"); !isNone(err, 4) {
		t.Errorf("Find from elsewhere = %v", err)
	}
	if _, err := control.Find(folder, "/twice/x"); err == nil || err.Error() != "several panda up run for /twice: processes 3 4" {
		t.Errorf("Find where two run = %v", err)
	}
}

func TestAFolderThatOthersMayEnterIsRefused(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "run")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Find(folder, "/"); err == nil || !strings.Contains(err.Error(), "other users may write to it") {
		t.Errorf("Find = %v", err)
	}
	if _, err := control.Listen(control.Config{Folder: folder}); err == nil || !strings.Contains(err.Error(), "other users may write to it") {
		t.Errorf("Listen = %v", err)
	}
}

func TestFolder(t *testing.T) {
	variables := map[string]string{"XDG_RUNTIME_DIR": "/run/user/1"}
	if got := control.Folder(func(name string) string { return variables[name] }); got != "/run/user/1/panda" {
		t.Errorf("Folder = %q", got)
	}
	variables["XDG_RUNTIME_DIR"] = "relative"
	if got := control.Folder(func(name string) string { return variables[name] }); !strings.HasSuffix(got, "panda-"+strconv.Itoa(os.Getuid())) {
		t.Errorf("Folder = %q", got)
	}
}
