package command

import (
	"bytes"
	"errors"
	"testing"
)

func TestPrintTable(t *testing.T) {
	var out bytes.Buffer
	env := &Env{Stdout: &out}
	rows := [][]string{
		{"hello", "3", ""},
		{"a-longer-name", "12", "canary"},
		{"web", "", ""},
	}
	if err := env.PrintTable([]string{"NAME", "INSTANCES", "TAGS"}, rows); err != nil {
		t.Fatal(err)
	}
	want := "NAME           INSTANCES  TAGS\n" +
		"hello          3\n" +
		"a-longer-name  12         canary\n" +
		"web\n"
	if out.String() != want {
		t.Errorf("got:\n%q\nwant:\n%q", out.String(), want)
	}
}

// broken is a stream whose reader has gone.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestPrintTableTellsOfABrokenStream(t *testing.T) {
	gone := errors.New("the reader has gone")
	if err := (&Env{Stdout: broken{gone}}).PrintTable([]string{"NAME"}, nil); !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
}

func TestPrintTableSteersNoTerminal(t *testing.T) {
	var out bytes.Buffer
	rows := [][]string{{"a\x1b[31mred", "two\nlines", "a\ttab"}}
	if err := (&Env{Stdout: &out}).PrintTable([]string{"NAME", "TAGS", "META"}, rows); err != nil {
		t.Fatal(err)
	}
	want := "NAME       TAGS       META\na [31mred  two lines  a tab\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
