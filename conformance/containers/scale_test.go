package containers_test

import (
	"strings"
	"testing"
)

func TestScaleUnderLoad(t *testing.T) {
	t.Parallel()
	s := start(t).serve(t, "scaled", 1)
	code, stdout, stderr := s.panda(t.Context(), t, "scale", "scaled=3")
	if code != 0 || stdout != "scaled runs 3 times\n" || strings.Count(stderr, "is passing at") != 2 {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if got := s.numbers(t); got != "1:v1 2:v1 3:v1" {
		t.Errorf("containers %s", got)
	}
	s.registered(t, 3)
	s.calls(t, enough/2)
	code, stdout, stderr = s.panda(t.Context(), t, "scale", "scaled=1", "--engine")
	if code != 0 || stdout != "scaled runs once\n" || stderr != s.world.name+"-scaled-3 has drained\n"+s.world.name+"-scaled-2 has drained\n" {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	s.registered(t, 1)
	if got := s.numbers(t); got != "1:v1" {
		t.Errorf("containers %s", got)
	}
	s.calls(t, enough/2)
	s.noneFailed(t, enough)
}
