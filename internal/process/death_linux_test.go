package process_test

import (
	"strconv"
	"testing"
)

func TestChildrenDieWithTheirParent(t *testing.T) {
	t.Parallel()
	out := newLines()
	p := start(t, self("killed", out))
	pid, err := strconv.Atoi(out.first(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Exit().String(); got != "signal: killed" {
		t.Fatalf("the parent ended with %s", got)
	}
	gone(t, pid) // it led a group of its own: only the death signal reaches it
}
