package child_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/bench/internal/child"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func echo(_ context.Context, name string) (string, error) { return name, nil }

func dialing(calls ...child.Call) func() ([]child.Call, func() error, error) {
	return func() ([]child.Call, func() error, error) {
		return calls, func() error { return nil }, nil
	}
}

// drive runs a client over the requests and returns its exit code, replies and problems.
func drive(t *testing.T, dial func() ([]child.Call, func() error, error), requests ...child.Request) (int, []child.Reply, string) {
	t.Helper()
	var in, out, problems bytes.Buffer
	for _, request := range requests {
		if err := json.NewEncoder(&in).Encode(request); err != nil {
			t.Fatal(err)
		}
	}
	code := child.Drive(&in, &out, &problems, dial)
	return code, replies(t, &out), problems.String()
}

func replies(t *testing.T, out io.Reader) []child.Reply {
	t.Helper()
	var all []child.Reply
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text, ours := strings.CutPrefix(lines.Text(), child.Prefix)
		var reply child.Reply
		if err := json.Unmarshal([]byte(text), &reply); !ours || err != nil {
			t.Fatalf("line %q: not a reply: %v", lines.Text(), err)
		}
		all = append(all, reply)
	}
	return all
}

func load(callers, calls int, limit time.Duration) child.Request {
	return child.Request{Op: child.OpLoad, Load: child.Load{Callers: callers, MaxCalls: calls, For: limit}}
}

func TestDriveEndsAtTheNumberOfCalls(t *testing.T) {
	var made atomic.Int64
	count := func(ctx context.Context, name string) (string, error) {
		made.Add(1)
		return echo(ctx, name)
	}
	code, got, problems := drive(t, dialing(count), load(3, 10, time.Minute))
	if code != 0 || len(got) != 2 {
		t.Fatalf("exit code %d, %d replies, %s", code, len(got), problems)
	}
	if !got[0].Ready {
		t.Errorf("first reply %+v, want ready", got[0])
	}
	if done := got[1].Done; done.Calls != 10 || done.InTime != 10 {
		t.Errorf("done %+v, want 10 calls in time", done)
	}
	if made.Load() != 11 {
		t.Errorf("%d calls made, want 10 and the first", made.Load())
	}
}

func TestDriveEndsAtTheTime(t *testing.T) {
	const limit = 5 * time.Millisecond
	code, got, problems := drive(t, dialing(echo), load(2, 1_000_000_000, limit))
	if code != 0 || len(got) != 2 {
		t.Fatalf("exit code %d, %d replies, %s", code, len(got), problems)
	}
	done := got[1].Done
	if done.Elapsed != limit {
		t.Errorf("elapsed %v, want %v", done.Elapsed, limit)
	}
	if late := done.Calls - done.InTime; late != 2 {
		t.Errorf("%d of %d calls ended late, want one for each of 2 callers", late, done.Calls)
	}
}

func TestDriveSharesOutConnections(t *testing.T) {
	var made [2]atomic.Int64
	on := func(i int) child.Call {
		return func(ctx context.Context, name string) (string, error) {
			made[i].Add(1)
			return echo(ctx, name)
		}
	}
	if code, _, problems := drive(t, dialing(on(0), on(1)), load(4, 8, time.Minute)); code != 0 {
		t.Fatalf("exit code %d: %s", code, problems)
	}
	if a, b := made[0].Load(), made[1].Load(); a != 5 || b != 5 {
		t.Errorf("%d and %d calls, want 5 on each: the first one and half of 8", a, b)
	}
}

func TestDriveReportsFailures(t *testing.T) {
	first := true
	broken := func(want string, err error) child.Call {
		return func(ctx context.Context, name string) (string, error) {
			if first {
				first = false
				return echo(ctx, name)
			}
			return want, err
		}
	}
	tests := []struct {
		name    string
		call    child.Call
		request child.Request
		want    string
	}{
		{"a failed call", broken("", errors.New("no such instance")), load(1, 5, time.Minute), "no such instance"},
		{"a wrong answer", broken("goodbye", nil), load(1, 5, time.Minute), `answer "goodbye"`},
		{"no callers", echo, load(0, 5, time.Minute), "0 callers"},
		{"no calls", echo, load(1, 0, time.Minute), "at most 0 calls"},
		{"no time", echo, load(1, 5, 0), "for 0s"},
		{"an hour", echo, load(1, 5, time.Hour), "for 1h0m0s"},
		{"an unknown operation", echo, child.Request{Op: "dance"}, `operation "dance"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			first = true
			code, got, problems := drive(t, dialing(test.call), test.request)
			if code != 0 || len(got) != 2 {
				t.Fatalf("exit code %d, %d replies, %s", code, len(got), problems)
			}
			if !strings.Contains(got[1].Error, test.want) {
				t.Errorf("error %q, want one about %q", got[1].Error, test.want)
			}
		})
	}
}

func TestDriveFailsToStart(t *testing.T) {
	refused := errors.New("connection refused")
	tests := []struct {
		name string
		dial func() ([]child.Call, func() error, error)
		want string
	}{
		{"dial", func() ([]child.Call, func() error, error) { return nil, nil, refused }, "dial: connection refused"},
		{
			"first call",
			dialing(func(context.Context, string) (string, error) { return "", refused }),
			"first call: connection refused",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, got, problems := drive(t, test.dial)
			if code != 1 || len(got) != 0 || !strings.Contains(problems, test.want) {
				t.Errorf("exit code %d, replies %v, problems %q; want 1, none, %q", code, got, problems, test.want)
			}
		})
	}
}

func TestServeEndsWithItsInput(t *testing.T) {
	in, harness := io.Pipe()
	answers, out := io.Pipe()
	code := make(chan int)
	var problems bytes.Buffer
	go func() {
		code <- child.Serve(in, out, &problems, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	if _, err := io.WriteString(harness, `{"Op":"usage"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(answers).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if got := replies(t, strings.NewReader(line)); got[0].Usage.Mallocs == 0 {
		t.Errorf("usage %+v, want some allocations", got[0].Usage)
	}
	if err := harness.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-code; got != 0 {
		t.Errorf("exit code %d: %s", got, problems.String())
	}
}

func TestServeReportsItsFailure(t *testing.T) {
	in, harness := io.Pipe()
	defer harness.Close()
	var out, problems bytes.Buffer
	code := child.Serve(in, &out, &problems, func(context.Context) error { return errors.New("address in use") })
	if code != 1 || !strings.Contains(problems.String(), "serve: address in use") {
		t.Errorf("exit code %d, problems %q", code, problems.String())
	}
}
