package pandatest_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// recorder is a testing.TB that keeps what a test would report, and ends when it is told to: for what must fail a
// test, and for examples, which have none.
type recorder struct {
	testing.TB // nil: what is not defined below is not used
	ctx        context.Context
	cancel     context.CancelFunc

	mu       sync.Mutex
	log      strings.Builder
	failures []string
	cleanups []func()
	ended    bool
}

func newRecorder() *recorder {
	r := new(recorder)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// end runs what the test has to clean up and returns what has failed.
func (r *recorder) end() []string {
	r.cancel()
	for len(r.cleanups) > 0 {
		last := r.cleanups[len(r.cleanups)-1]
		r.cleanups = r.cleanups[:len(r.cleanups)-1]
		last()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	return r.failures
}

// try runs what may end the test.
func (r *recorder) try(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	<-done
}

func (*recorder) Helper() {}

func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Error(args ...any) { r.fail(fmt.Sprint(args...)) }

func (r *recorder) Errorf(format string, args ...any) { r.fail(fmt.Sprintf(format, args...)) }

func (*recorder) FailNow() { runtime.Goexit() }

func (r *recorder) Fatal(args ...any) {
	r.Error(args...)
	r.FailNow()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	r.FailNow()
}

func (r *recorder) fail(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, text)
}

func (r *recorder) Output() io.Writer { return writer(r.write) }

func (r *recorder) write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		panic("written after the test has ended: " + string(text)) // as testing does
	}
	return r.log.Write(text)
}

func (r *recorder) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
