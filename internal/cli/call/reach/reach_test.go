package reach

import (
	"slices"
	"strings"
	"testing"
)

func TestBareNames(t *testing.T) {
	methods := []string{"a.v1.S/Create", "a.v1.S/Delete", "a.v2.S/Create"}
	for begun, want := range map[string]string{
		"":       "a.v1.S/Create Delete a.v2.S/Create",
		"D":      "Delete",
		"a.v1":   "a.v1.S/Create a.v1.S/Delete",
		"nobody": "",
	} {
		if got := strings.Join(BareNames(methods, begun), " "); got != want {
			t.Errorf("%q: got %q, want %q", begun, got, want)
		}
	}
}

func TestFitting(t *testing.T) {
	got := fitting([]string{"hello", "help", "web", "he\x1b[31m", "he\u009bx", "he\tx", "he\nx"}, "he")
	if !slices.Equal(got, []string{"hello", "help"}) {
		t.Errorf("got %q", got)
	}
}

func TestWrapIsFitForATerminal(t *testing.T) {
	err := Wrap("call a\x1b/b", strings.NewReader("").UnreadByte())
	if err == nil || strings.ContainsRune(err.Error(), '\x1b') || !strings.HasPrefix(err.Error(), `call a\u001b/b: `) {
		t.Errorf("got %q", err)
	}
	if Wrap("x", nil) != nil {
		t.Error("no error became one")
	}
}
