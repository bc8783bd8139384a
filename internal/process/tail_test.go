package process_test

import (
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/process"
)

func TestTail(t *testing.T) {
	t.Parallel()
	var out process.Tail
	if got := out.String(); got != "" {
		t.Errorf("an empty one has %q", got)
	}
	for _, text := range []string{"first ", strings.Repeat("x", process.TailLength-4), "last"} {
		if n, err := out.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	}
	if got := out.String(); got != strings.Repeat("x", process.TailLength-4)+"last" {
		t.Errorf("it keeps %d bytes: %.20s…", len(got), got)
	}
}
