package pandatest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/inmemory"
	"github.com/pandakit/panda/pandatest"
	"github.com/pandakit/panda/pandatest/internal/hellov1"
)

func TestNoVariableHasASay(t *testing.T) {
	for name, value := range map[string]string{
		"PANDA_ADDR": "256.1.1.1:x", "PANDA_ADVERTISE": "nobody:1", "PANDA_INSTANCE": "other", "CONSUL_HTTP_ADDR": "http://[::1",
		"CONSUL_HTTP_SSL": "true", "HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "",
	} {
		t.Setenv(name, value)
	}
	registry := pandatest.NewRegistry(t)
	running := pandatest.Run(t, registry, newService(registry.ServiceOptions(t)...))
	if !strings.HasPrefix(running.Addr(), "127.0.0.1:") {
		t.Errorf("it listens on %s", running.Addr())
	}
	conn := pandatest.Dial(t, registry, "hello")
	if _, err := hellov1.NewHelloServiceClient(conn).SayHello(t.Context(), &hellov1.SayHelloRequest{}); err != nil {
		t.Error(err)
	}
	var reply int
	if err := pandatest.DialRPC(t, registry, "hello").Call(t.Context(), "Panda.GetInfo", 1, &reply); err != nil {
		t.Error(err)
	}
	response, err := pandatest.HTTPClient(t, registry).Get("http://hello.service.consul/")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
}

// waitForSignal is a test that goes on until a signal ends it.
func waitForSignal() {
	tb := newRecorder()
	registry := pandatest.NewRegistry(tb)
	running := pandatest.Run(tb, registry, newService(registry.ServiceOptions(tb)...))
	fmt.Println(running.Addr())
	select {}
}

// Ctrl-C ends a test, and does not drain its services while the test goes on.
func TestASignalIsForTheTest(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted alone there")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), "PANDATEST_WAITS=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "interrupt") {
		t.Errorf("it ended with %v", err)
	}
}

// Each of many tests that run at once meets its own service alone.
func TestParallelTestsDoNotMeet(t *testing.T) {
	t.Parallel()
	for range 8 {
		t.Run("one", func(t *testing.T) {
			t.Parallel()
			registry := pandatest.NewRegistry(t)
			pandatest.Run(t, registry, newService(registry.ServiceOptions(t)...))
			client := hellov1.NewHelloServiceClient(pandatest.Dial(t, registry, "hello"))
			for want := range int32(5) {
				if reply, err := client.Greet(t.Context(), &hellov1.GreetRequest{}); err != nil || reply.GetCount() != want+1 {
					t.Errorf("greeting %d of this test: got %v, %v", want+1, reply, err)
				}
			}
		})
	}
}

// A client may come first, and a second instance takes over when the first stops.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	registry := pandatest.NewRegistry(t)
	client := hellov1.NewHelloServiceClient(pandatest.Dial(t, registry, "hello"))
	first := pandatest.Run(t, registry, newService(registry.ServiceOptions(t)...))
	call := func() {
		t.Helper()
		if _, err := client.SayHello(t.Context(), &hellov1.SayHelloRequest{}); err != nil {
			t.Error(err)
		}
	}
	call()
	second := pandatest.Run(t, registry, newService(registry.ServiceOptions(t)...))
	if first.Addr() == second.Addr() {
		t.Errorf("both listen on %s", first.Addr())
	}
	first.Stop()
	first.Stop()
	call()
}

func TestAServiceThatCannotRunFailsTheTest(t *testing.T) {
	t.Parallel()
	tb := newRecorder()
	went := false
	tb.try(func() {
		registry := pandatest.NewRegistry(tb)
		pandatest.Run(tb, registry, panda.NewService("hello", append(registry.ServiceOptions(tb), panda.WithAddress("127.0.0.1:99999"))...))
		went = true
	})
	if failures := tb.end(); went || len(failures) != 1 || !strings.HasPrefix(failures[0], `run service "hello": listen on "127.0.0.1:99999"`) {
		t.Errorf("the test went on: %v; failures: %q", went, failures)
	}
}

func TestAServiceOfAnotherRegistryFailsTheTest(t *testing.T) {
	t.Parallel()
	tb := newRecorder()
	tb.try(func() {
		registry := pandatest.NewRegistry(tb)
		registry.SetPatience(10 * time.Millisecond)
		pandatest.Run(tb, registry, newService(panda.WithRegistry(inmemory.New()), panda.WithLogger(slog.New(slog.DiscardHandler)), panda.WithLeaveDelay(0)))
	})
	if failures := tb.end(); len(failures) != 1 || !strings.Contains(failures[0], "was it made with the registry's ServiceOptions") {
		t.Errorf("failures: %q", failures)
	}
}

// A handler that does not return is cut off, and that fails the test.
func TestACallThatIsCutOffFailsTheTest(t *testing.T) {
	t.Parallel()
	tb := newRecorder()
	registry, faults := pandatest.NewRegistry(tb), pandatest.NewFaults(tb)
	pandatest.Run(tb, registry, newService(append(registry.ServiceOptions(tb), faults.ServiceOption(), panda.WithDrainTimeout(50*time.Millisecond))...))
	faults.Add(pandatest.EveryMethod, pandatest.Delay(time.Hour))
	conn, err := panda.Dial("hello", panda.WithRegistry(registry)) // which the test does not close before the service drains
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ended := make(chan error)
	go func() {
		_, err := hellov1.NewHelloServiceClient(conn).Greet(context.Background(), &hellov1.GreetRequest{})
		ended <- err
	}()
	await(t, func() bool { return faults.Calls(pandatest.EveryMethod) == 1 })
	if failures := tb.end(); len(failures) != 1 || !strings.Contains(failures[0], "gRPC calls were still running after 50ms and were cut off") {
		t.Errorf("failures: %q", failures)
	}
	if err := <-ended; err == nil {
		t.Error("the call worked")
	}
}

// await polls, because nothing tells when a call has reached a handler.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the test has ended")
		}
	}
}

func TestLogsGoToTheTest(t *testing.T) {
	t.Parallel()
	tb := newRecorder()
	registry := pandatest.NewRegistry(tb)
	options := append(registry.ServiceOptions(tb), panda.WithServerOptions(grpc.ChainUnaryInterceptor(
		func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
			panic("at the disco")
		})))
	pandatest.Run(tb, registry, newService(options...))
	conn := pandatest.Dial(tb, registry, "hello")
	if _, err := hellov1.NewHelloServiceClient(conn).Greet(t.Context(), &hellov1.GreetRequest{}); status.Code(err) != codes.Internal {
		t.Errorf("got %v", err)
	}
	kept := pandatest.NewLogger(tb)
	kept.Info("during the test")
	tb.end()
	kept.Info("after the test") // would panic if it were written
	for _, want := range []string{`level=INFO msg="service listens" service=hello`, "at the disco", `msg="service drains"`, "during the test"} {
		if !strings.Contains(tb.logged(), want) {
			t.Errorf("the log lacks %q:\n%s", want, tb.logged())
		}
	}
	if strings.Contains(tb.logged(), "after the test") {
		t.Errorf("logged after the end:\n%s", tb.logged())
	}
}

// An outage of the registry is one of the real thing: what was known still serves.
func TestARegistryThatIsAway(t *testing.T) {
	t.Parallel()
	registry := pandatest.NewRegistry(t)
	pandatest.Run(t, registry, newService(registry.ServiceOptions(t)...))
	client := hellov1.NewHelloServiceClient(pandatest.Dial(t, registry, "hello"))
	for range 2 {
		if _, err := client.SayHello(t.Context(), &hellov1.SayHelloRequest{}); err != nil {
			t.Error(err)
		}
		registry.Disconnect()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := hellov1.NewHelloServiceClient(pandatest.Dial(t, registry, "hello")).SayHello(ctx, &hellov1.SayHelloRequest{})
	if _, ok := errors.AsType[*discovery.UnreachableError](err); !ok {
		t.Errorf("got %v, want that the registry cannot be reached", err)
	}
	registry.Reconnect()
}

func withFaults(t *testing.T) (hellov1.HelloServiceClient, *pandatest.Faults) {
	t.Helper()
	registry, faults := pandatest.NewRegistry(t), pandatest.NewFaults(t)
	pandatest.Run(t, registry, newService(append(registry.ServiceOptions(t), faults.ServiceOption())...))
	return hellov1.NewHelloServiceClient(pandatest.Dial(t, registry, "hello")), faults
}

func TestAShareOfCallsIsPickedBySeed(t *testing.T) {
	t.Parallel()
	pick := func(seed uint64) (failed []int) {
		client, faults := withFaults(t)
		faults.Add("hello.v1.HelloService/Greet", pandatest.Fail(status.New(codes.Aborted, "")).Share(0.3, seed))
		for i := range 200 {
			if _, err := client.Greet(t.Context(), &hellov1.GreetRequest{}); status.Code(err) == codes.Aborted {
				failed = append(failed, i)
			} else if err != nil {
				t.Fatal(err)
			}
		}
		return failed
	}
	first := pick(1)
	if len(first) < 40 || len(first) > 80 {
		t.Errorf("%d of 200 calls failed, want about 60", len(first))
	}
	if again := pick(1); !slices.Equal(first, again) {
		t.Errorf("the same seed picked %v and %v", first, again)
	}
	if other := pick(2); slices.Equal(first, other) {
		t.Errorf("another seed picked the same: %v", first)
	}
}

func TestFaultsAreMetInOrder(t *testing.T) {
	t.Parallel()
	client, faults := withFaults(t)
	faults.Add(pandatest.EveryMethod, pandatest.Fail(status.New(codes.DataLoss, "of every method")))
	faults.Add(hellov1.HelloService_Greet_FullMethodName,
		pandatest.Delay(time.Millisecond), pandatest.Fail(status.New(codes.Aborted, "first")).Times(1), pandatest.Fail(status.New(codes.NotFound, "second")).Times(1))
	for _, want := range []codes.Code{codes.Aborted, codes.NotFound, codes.DataLoss, codes.DataLoss} {
		if _, err := client.Greet(t.Context(), &hellov1.GreetRequest{}); status.Code(err) != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if n := faults.Calls(hellov1.HelloService_Greet_FullMethodName); n != 4 {
		t.Errorf("%d calls were counted", n)
	}
}

func TestFaultsOfStreams(t *testing.T) {
	t.Parallel()
	client, faults := withFaults(t)
	chat := func() error {
		stream, err := client.Chat(t.Context())
		if err != nil {
			return err
		}
		if err := stream.Send(&hellov1.ChatRequest{Text: "hi"}); err != nil {
			return err
		}
		if _, err = stream.Recv(); err != nil {
			return err
		}
		stream.CloseSend()
		_, err = stream.Recv()
		return err
	}
	if err := chat(); err == nil || err.Error() != "EOF" {
		t.Errorf("without a fault: %v", err)
	}
	for _, c := range []struct {
		fault pandatest.Fault
		want  codes.Code
	}{
		{pandatest.Fail(status.New(codes.Aborted, "")), codes.Aborted},
		{pandatest.DropReply(), codes.Unavailable},
		{pandatest.Drop(), codes.Unavailable},
	} {
		faults.Add(hellov1.HelloService_Chat_FullMethodName, c.fault.Times(1))
		if err := chat(); status.Code(err) != c.want && !(err != nil && err.Error() == "EOF" && c.want == codes.Unavailable) {
			t.Errorf("got %v, want %v", err, c.want)
		}
	}
}

// Faults come and go while calls are made; the race detector looks on.
func TestFaultsChangeUnderLoad(t *testing.T) {
	t.Parallel()
	client, faults := withFaults(t)
	ended := make(chan error)
	for range 4 {
		go func() {
			var wrong error
			for range 100 {
				if _, err := client.SayHello(t.Context(), &hellov1.SayHelloRequest{}); err != nil && status.Code(err) != codes.Aborted {
					wrong = err
				}
			}
			ended <- wrong
		}()
	}
	for range 100 {
		faults.Add(pandatest.EveryMethod, pandatest.Fail(status.New(codes.Aborted, "")).Times(1))
		faults.Calls(pandatest.EveryMethod)
		faults.Clear()
	}
	for range 4 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestFaultsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	const greet = hellov1.HelloService_Greet_FullMethodName
	for want, add := range map[string]func(*pandatest.Faults){
		`hello.v1.HelloService has no method "Gret"; near: Greet`:       func(f *pandatest.Faults) { f.Add("/hello.v1.HelloService/Gret", pandatest.Drop()) },
		`a service "hello.v1.HeloService"; near: hello.v1.HelloService`: func(f *pandatest.Faults) { f.Add("hello.v1.HeloService/Greet", pandatest.Drop()) },
		`a service "Greet"`:                     func(f *pandatest.Faults) { f.Add("Greet", pandatest.Drop()) },
		`count calls: method ""`:                func(f *pandatest.Faults) { f.Calls("") },
		"status OK is no failure":               func(f *pandatest.Faults) { f.Add(greet, pandatest.Fail(nil)) },
		"a delay of -1s is negative":            func(f *pandatest.Faults) { f.Add(greet, pandatest.Delay(-time.Second)) },
		"a share of 1.5 is not between 0 and 1": func(f *pandatest.Faults) { f.Add(greet, pandatest.Drop().Share(1.5, 0)) },
	} {
		tb := newRecorder()
		tb.try(func() { add(pandatest.NewFaults(tb)) })
		if failures := tb.end(); len(failures) != 1 || !strings.Contains(failures[0], want) {
			t.Errorf("failures %q, want %q", fmt.Sprint(failures), want)
		}
	}
}
