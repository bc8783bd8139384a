//go:build unix

package readme

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These chapters of the guide a reader can follow from the first command to the last.
const (
	aboutMessages  = "docs/guide/en/02-protobuf.md"
	aboutDiscovery = "docs/guide/en/05-discovery.md"
)

// settled bounds how long a command may print something else than is shown: a check has its interval.
const settled = 30 * time.Second

// block is a file, which the sentence above it names at its end, or a console.
var block = regexp.MustCompile("(?ms)(?:`([^`\\s]+\\.(?:json|proto|go))`:\n\n)?^```(json|proto|go|console)\n(.*?)^```$")

// lesson is a reader who follows a chapter in an empty folder.
type lesson struct {
	chapter string
	dir     string
	ports   *strings.Replacer // the ports that the chapter names, replaced by free ones
	flags   string            // of an agent
	env     []string          // of the commands
	agent   *running          // the one that was started last
}

func TestGuideIsFollowed(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles and runs panda")
	}
	free := freePorts(t, 3)
	http, dns, nobody := free[0], free[1], free[2]
	l := &lesson{
		chapter: aboutDiscovery,
		dir:     t.TempDir(),
		ports:   strings.NewReplacer("8500", http, "8600", dns, "3306", nobody),
		flags:   " -http-port " + http + " -dns-port " + dns,
		env:     []string{"CONSUL_HTTP_ADDR=127.0.0.1:" + http},
	}
	buildPanda(t, filepath.Join(l.dir, "bin"))
	if commands := l.follow(t); l.agent == nil || commands < 10 {
		t.Fatalf("%s has %d commands, and starts an agent: %v", l.chapter, commands, l.agent != nil)
	}
	l.agent.wait(t.Errorf) // the chapter leaves nothing running
}

func TestGuideToProtobufIsFollowed(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles panda and the generator of Go code")
	}
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git here")
	}
	bin := t.TempDir()
	buildPanda(t, bin)
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	l := &lesson{
		chapter: aboutMessages,
		dir:     t.TempDir(),
		ports:   strings.NewReplacer(),
		env: []string{
			"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_SYSTEM=" + os.DevNull,
			"GIT_AUTHOR_NAME=reader", "GIT_AUTHOR_EMAIL=reader@example.com",
			"GIT_COMMITTER_NAME=reader", "GIT_COMMITTER_EMAIL=reader@example.com",
		},
	}
	if commands := l.follow(t); commands < 10 {
		t.Fatalf("%s has %d commands", l.chapter, commands)
	}
}

// buildPanda puts the command into the folder.
func buildPanda(t *testing.T, dir string) {
	t.Helper()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "panda"), "./cmd/panda")
	build.Dir = root
	if printed, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build panda: %v\n%s", err, printed)
	}
}

// follow writes the files and does the steps of the chapter, in their order, and returns how many steps there were.
func (l *lesson) follow(t *testing.T) (commands int) {
	t.Helper()
	for _, b := range block.FindAllStringSubmatch(readPage(t, l.chapter), -1) {
		name, kind, text := b[1], b[2], l.ports.Replace(b[3])
		if kind != "console" {
			l.write(t, name, text)
			continue
		}
		for _, s := range stepsOf(t, text) {
			l.take(t, s)
			commands++
		}
	}
	return commands
}

// freePorts returns ports of loopback that nobody has, for TCP nor for UDP.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	var held []io.Closer // until all are found, so that none comes twice
	defer func() {
		for _, h := range held {
			_ = h.Close() // nobody has connected
		}
	}()
	for range 100 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, listener)
		packets, err := net.ListenPacket("udp", listener.Addr().String())
		if err != nil {
			continue
		}
		held = append(held, packets)
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if ports = append(ports, port); len(ports) == n {
			return ports
		}
	}
	t.Fatal("there are not enough ports that are free for TCP and UDP")
	return nil
}

// write makes a file as a reader's editor does.
func (l *lesson) write(t *testing.T, name, text string) {
	t.Helper()
	if name == "" {
		t.Fatalf("%s: the sentence above this does not end with the name of its file:\n%s", l.chapter, text)
	}
	path := filepath.Join(l.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// take does one step of the chapter.
func (l *lesson) take(t *testing.T, s step) {
	t.Helper()
	switch {
	case strings.HasPrefix(s.command, "bin/panda agent -"):
		if l.agent != nil {
			l.agent.wait(t.Errorf) // it was told to leave, or killed
		}
		l.agent = start(t, s, shell(l.dir, "exec "+s.command+l.flags))
	case strings.HasPrefix(s.command, "bin/panda watch "):
		start(t, s, shell(l.dir, "exec "+s.command, l.env...))
	default:
		l.run(t, s)
	}
}

// run runs a command that ends by itself until it prints what is shown. It need not succeed: some show what fails.
func (l *lesson) run(t *testing.T, s step) {
	t.Helper()
	if program, _, _ := strings.Cut(s.command, " "); !strings.Contains(program, "/") {
		if _, err := exec.LookPath(program); err != nil {
			t.Logf("left out, as there is no %s here: $ %s", program, s.command)
			return
		}
	}
	want := regexp.MustCompile(`\A` + shownAs(s.want()) + `\z`)
	deadline := time.NewTimer(settled)
	defer deadline.Stop()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		printed := l.output(t, s.command)
		if want.MatchString(printed) {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("$ %s\nprints:\n%s\n%s shows:\n%s", s.command, printed, l.chapter, s.want())
		}
	}
}

// output returns what a command prints, with the end of line that some answers lack.
func (l *lesson) output(t *testing.T, command string) string {
	t.Helper()
	cmd := shell(l.dir, command, l.env...)
	out := newOutput()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(patience, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }).Stop()
	_ = cmd.Wait() // what it prints tells more
	text := out.String()
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}
