package netns_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/netns"
)

// role is the variable that makes this test binary act as one of the programs below.
const role = "NETNS_TEST_ROLE"

func TestMain(m *testing.M) {
	if act := roles[os.Getenv(role)]; act != nil {
		act(os.Args[1])
		return
	}
	goleak.VerifyTestMain(m)
}

// How long a host tries to reach another, and one that it must not reach.
const (
	dialTimeout    = 10 * time.Second
	cutDialTimeout = 300 * time.Millisecond
)

var roles = map[string]func(address string){
	"echo": func(address string) { // sends back what it gets
		listener, err := net.Listen("tcp", address)
		if err != nil {
			panic(err)
		}
		fmt.Println("listening")
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	},
	"dial": func(address string) { // reports whether it can connect
		dial(address, dialTimeout)
	},
	"dial in vain": func(address string) {
		dial(address, cutDialTimeout)
	},
	"talk": func(address string) { // connects its streams
		conn, err := net.DialTimeout("tcp", address, dialTimeout)
		if err != nil {
			panic(err)
		}
		go func() {
			_, _ = io.Copy(conn, os.Stdin)
			_ = conn.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(os.Stdout, conn)
	},
}

func dial(address string, timeout time.Duration) {
	conn, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_ = conn.Close()
}

// newLab makes a lab, which is gone when the test ends.
func newLab(t *testing.T, name string, subnet string, hosts ...string) *netns.Lab {
	t.Helper()
	needsRoot(t)
	removeLeft(t, name)
	lab, err := netns.New(t.Context(), name, netip.MustParsePrefix(subnet), hosts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
		nothingLeft(t, name)
	})
	return lab
}

// removeLeft removes what a killed test has left.
func removeLeft(t *testing.T, name string) {
	t.Helper()
	if left, err := netns.Open(t.Context(), name); err == nil {
		if err := left.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func needsRoot(t *testing.T) {
	t.Helper()
	if err := netns.Supported(); err != nil {
		t.Skip("SKIPPED:", err)
	}
}

func nothingLeft(t *testing.T, name string) {
	t.Helper()
	spaces, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(spaces)) {
		if strings.HasPrefix(line, name) {
			t.Errorf("namespace %s is left", strings.TrimSpace(line))
		}
	}
	if _, err := net.InterfaceByName(name); err == nil {
		t.Errorf("interface %s is left", name)
	}
}

// as returns a run of this binary on a host, in a role.
func as(t *testing.T, lab *netns.Lab, host, act, address string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := lab.Command(t.Context(), host, self, address)
	cmd.Env = append(os.Environ(), role+"="+act)
	return cmd
}

// serve starts an echo server on the hosts.
func serve(t *testing.T, lab *netns.Lab, hosts ...string) {
	t.Helper()
	for _, host := range hosts {
		cmd := as(t, lab, host, "echo", at(lab, host))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatalf("echo server on %s: %q, %v", host, line, err)
		}
	}
}

func at(lab *netns.Lab, host string) string {
	return netip.AddrPortFrom(lab.Address(host), 7).String()
}

// reaches fails the test unless a host can connect to another.
func reaches(t *testing.T, lab *netns.Lab, from, to string) {
	t.Helper()
	if out, err := as(t, lab, from, "dial", at(lab, to)).CombinedOutput(); err != nil {
		t.Errorf("%s does not reach %s: %v, %s", from, to, err, out)
	}
}

// misses fails the test unless what a host sends to another is lost without a word.
func misses(t *testing.T, lab *netns.Lab, from, to string) {
	t.Helper()
	if out, err := as(t, lab, from, "dial in vain", at(lab, to)).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("timeout")) {
		t.Errorf("%s reaches %s, or is told that it does not: %v, %s", from, to, err, out)
	}
}

func TestHostsAndTheMachineReachEachOther(t *testing.T) {
	t.Parallel()
	lab := newLab(t, "pcn1", "10.77.1.0/24", "a", "b")
	if got := []any{lab.Hosts(), lab.Address("a").String(), lab.Address("b").String(), lab.Gateway().String(), lab.Address("c").IsValid()}; !reflect.DeepEqual(got,
		[]any{[]string{"a", "b"}, "10.77.1.11", "10.77.1.12", "10.77.1.1", false}) {
		t.Errorf("hosts, addresses, gateway: %v", got)
	}
	serve(t, lab, "a", "b")
	reaches(t, lab, "a", "b")
	reaches(t, lab, "b", "a")
	reaches(t, lab, "a", "a")
	conn, err := net.DialTimeout("tcp", at(lab, "b"), dialTimeout)
	if err != nil {
		t.Fatalf("this machine does not reach a host: %v", err)
	}
	_ = conn.Close()
	listener, err := net.Listen("tcp", netip.AddrPortFrom(lab.Gateway(), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if out, err := as(t, lab, "a", "dial", listener.Addr().String()).CombinedOutput(); err != nil {
		t.Errorf("a host does not reach this machine: %v, %s", err, out)
	}
}

func TestCutAndHeal(t *testing.T) {
	t.Parallel()
	lab := newLab(t, "pcn2", "10.77.2.0/24", "a", "b", "c")
	serve(t, lab, "a", "b", "c")
	say, hear := talk(t, lab, "a", "b")
	say("before")
	hear("before")
	for range 2 { // the second time changes nothing
		if err := lab.Cut("a", "b"); err != nil {
			t.Fatal(err)
		}
	}
	say("meanwhile")
	misses(t, lab, "a", "b")
	misses(t, lab, "b", "a")
	reaches(t, lab, "a", "c")
	reaches(t, lab, "c", "b")
	other, err := netns.Open(t.Context(), "pcn2")
	if err != nil {
		t.Fatal(err)
	}
	if cuts, err := other.Cuts(); err != nil || !reflect.DeepEqual(cuts, [][2]string{{"a", "b"}}) {
		t.Errorf("Cuts = %v, %v, want a and b", cuts, err)
	}
	if err := other.Heal(); err != nil {
		t.Fatal(err)
	}
	hear("meanwhile") // the connection that was open goes on
	if cuts, err := lab.Cuts(); err != nil || len(cuts) != 0 {
		t.Errorf("Cuts after Heal = %v, %v", cuts, err)
	}
	reaches(t, lab, "b", "a")
	if err := lab.Heal(); err != nil {
		t.Errorf("Heal of what is whole = %v", err)
	}
}

// talk connects a host to another's echo server. say sends a line, hear waits until it is back.
func talk(t *testing.T, lab *netns.Lab, from, to string) (say, hear func(string)) {
	t.Helper()
	cmd := as(t, lab, from, "talk", at(lab, to))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewReader(out)
	return func(line string) {
			t.Helper()
			if _, err := fmt.Fprintln(in, line); err != nil {
				t.Fatal(err)
			}
		}, func(line string) {
			t.Helper()
			if got, err := lines.ReadString('\n'); err != nil || got != line+"\n" {
				t.Fatalf("got %q, %v, want %s", got, err, line)
			}
		}
}

func TestImpairAndRepair(t *testing.T) {
	t.Parallel()
	lab := newLab(t, "pcn3", "10.77.3.0/24", "a", "b")
	serve(t, lab, "b")
	say, hear := talk(t, lab, "a", "b")
	say("good")
	hear("good")

	bad := netns.Link{Delay: 40 * time.Millisecond, Jitter: time.Millisecond}
	if err := lab.Impair("b", bad); err != nil {
		t.Fatal(err)
	}
	if got := lab.Links(); !reflect.DeepEqual(got, map[string]netns.Link{"b": bad}) {
		t.Errorf("Links = %v", got)
	}
	began := time.Now()
	say("slow")
	hear("slow")
	if took := time.Since(began); took < 2*bad.Delay { // there and back; never less, however quick the machine
		t.Errorf("a round trip took %v over a link with a delay of %v", took, bad.Delay)
	}

	if err := lab.Impair("b", netns.Link{Loss: 1}); err != nil {
		t.Fatal(err)
	}
	misses(t, lab, "a", "b")
	if err := lab.Repair("b"); err != nil {
		t.Fatal(err)
	}
	reaches(t, lab, "a", "b")
	if got := lab.Links(); len(got) != 0 {
		t.Errorf("Links after Repair = %v", got)
	}
	say("again")
	hear("again")
	if err := lab.Repair("b"); err != nil {
		t.Errorf("Repair of a good link = %v", err)
	}
}

// TestImpairedLinkCarriesAll sends more than fits in any buffer over a link that loses packets: large segments and
// checksums that the kernel leaves to the hardware must come out right.
func TestImpairedLinkCarriesAll(t *testing.T) {
	t.Parallel()
	lab := newLab(t, "pcn4", "10.77.4.0/24", "a", "b")
	serve(t, lab, "b")
	if err := lab.Impair("a", netns.Link{Delay: time.Millisecond, Loss: 0.002}); err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("0123456789abcde\n"), 1<<18)
	cmd := as(t, lab, "a", "talk", at(lab, "b"))
	cmd.Stdin = bytes.NewReader(data)
	got, err := cmd.Output()
	if err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
		t.Errorf("%d bytes came back of %d, or others: %v", len(got), len(data), err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	hosts := []string{"a"}
	for name, c := range map[string]struct {
		name, subnet string
		hosts        []string
		want         string
	}{
		"name":         {"pc-n", "10.77.5.0/24", hosts, `network "pc-n": a name has`},
		"long name":    {"pcnpcnpcnp", "10.77.5.0/24", hosts, `a name has 1 to 9`},
		"host":         {"pcn5", "10.77.5.0/24", []string{"a b"}, `host "a b": a name has`},
		"host twice":   {"pcn5", "10.77.5.0/24", []string{"a", "a"}, `host "a" is there twice`},
		"no host":      {"pcn5", "10.77.5.0/24", nil, `0 hosts`},
		"small subnet": {"pcn5", "10.77.5.0/25", hosts, `10.77.5.0/25 is none of IPv4 with 256`},
		"IPv6":         {"pcn5", "fd00::/64", hosts, `none of IPv4`},
		"in use":       {"pcn5", "127.0.0.0/16", hosts, `subnet 127.0.0.0/16 is in use: interface lo has 127.0.0.1/8`},
		"interface":    {"lo", "10.77.5.0/24", hosts, `an interface of this name is there`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			subnet, err := netip.ParsePrefix(c.subnet)
			if err != nil {
				t.Fatal(err)
			}
			_, err = netns.New(t.Context(), c.name, subnet, c.hosts...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("New = %v, want %q", err, c.want)
			}
		})
	}
}

func TestUnknownHostsAndLabs(t *testing.T) {
	t.Parallel()
	lab := newLab(t, "pcn6", "10.77.6.0/24", "a", "b")
	for what, err := range map[string]error{
		"cut":     lab.Cut("a", "x"),
		"impair":  lab.Impair("x", netns.Link{}),
		"repair":  lab.Repair("x"),
		"command": lab.Command(t.Context(), "x", "true").Run(),
	} {
		if err == nil || err.Error() != `network pcn6 has no host "x"; it has a, b` {
			t.Errorf("%s = %v", what, err)
		}
	}
	for what, err := range map[string]error{
		"itself": lab.Cut("a", "a"),
		"delay":  lab.Impair("a", netns.Link{Delay: -1}),
		"loss":   lab.Impair("a", netns.Link{Loss: 1.5}),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if _, err := netns.New(t.Context(), "pcn6", netip.MustParsePrefix("10.77.7.0/24"), "a"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("New of a lab that is there = %v, want fs.ErrExist", err)
	}
	if _, err := netns.Open(t.Context(), "pcn9"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of a lab that is not there = %v, want fs.ErrNotExist", err)
	}
	opened, err := netns.Open(t.Context(), "pcn6")
	if err != nil || !reflect.DeepEqual(opened.Hosts(), lab.Hosts()) || opened.Address("b") != lab.Address("b") || opened.Gateway() != lab.Gateway() {
		t.Fatalf("Open = %+v, %v, want %+v", opened, err, lab)
	}
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, "pcn6")
}

// TestNewLeavesNothing has each command fail in turn that New runs.
func TestNewLeavesNothing(t *testing.T) {
	needsRoot(t)
	removeLeft(t, "pcn8")
	program, err := exec.LookPath("ip")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\necho >>%[1]s/calls\nif [ $(wc -l <%[1]s/calls) = $(cat %[1]s/fails) ]; then echo broken >&2; exit 1; fi\nexec %[2]s \"$@\"\n", bin, program)
	if err := os.WriteFile(filepath.Join(bin, "ip"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	fail := func(call int) {
		if err := os.WriteFile(filepath.Join(bin, "fails"), []byte(fmt.Sprint(call)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	for call := 1; ; call++ {
		_ = os.Remove(filepath.Join(bin, "calls"))
		fail(call)
		lab, err := netns.New(t.Context(), "pcn8", netip.MustParsePrefix("10.77.8.0/24"), "a")
		if err == nil {
			fail(0)
			if err := lab.Close(); err != nil {
				t.Error(err)
			}
			if call < 10 {
				t.Errorf("New has run only %d commands", call-1)
			}
			return
		}
		if !strings.Contains(err.Error(), "broken") {
			t.Fatalf("command %d fails: %v", call, err)
		}
		nothingLeft(t, "pcn8")
	}
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	if netns.Supported() == nil {
		t.Skip("SKIPPED: labs are supported here")
	}
	_, err := netns.New(t.Context(), "pcn1", netip.MustParsePrefix("10.77.1.0/24"), "a")
	if err == nil || runtime.GOOS == "linux" && !strings.Contains(err.Error(), "root") && !strings.Contains(err.Error(), "iproute2") {
		t.Errorf("New = %v, want what is missing", err)
	}
	if _, err := netns.Open(t.Context(), "pcn1"); err == nil {
		t.Error("Open: no error")
	}
}
