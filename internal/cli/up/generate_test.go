package up

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/workspace/logs"
)

func TestGenerateTellsWhatIsWrongAndLeavesTheUnpinnedAlone(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("go.mod", "module example.com/shop\n\ngo 1.26\n")
	file := write("proto/shop/v1/shop.proto", "syntax = \"proto3\";\npackage shop.v1;\nmessage A { sting name = 1; }\n")
	var told bytes.Buffer
	s := &screen{Merger: logs.New(&told, nil, false), env: &command.Env{Stdout: io.Discard, Stderr: io.Discard, Dir: root, Environ: os.Environ, Getenv: os.Getenv}}
	err := s.generate(t.Context(), []string{file})
	if err == nil || !strings.Contains(err.Error(), "proto/shop/v1/shop.proto:3:13: ") || !strings.Contains(err.Error(), "\n              ^") {
		t.Errorf("generate from a wrong file = %v, want its place and a caret", err)
	}
	write("proto/shop/v1/shop.proto", "syntax = \"proto3\";\npackage shop.v1;\nmessage A { string name = 1; }\n")
	for range 2 {
		if err := s.generate(t.Context(), []string{file}); err != nil {
			t.Errorf("generate in a module that pins no plugins = %v, want nil", err)
		}
	}
	if n := strings.Count(told.String(), "panda gen --pin"); n != 1 {
		t.Errorf("that no code is generated is told %d times, want once: %s", n, told.String())
	}
	if err := os.RemoveAll(filepath.Join(root, "proto")); err != nil {
		t.Fatal(err)
	}
	if err := s.generate(t.Context(), []string{file}); err != nil {
		t.Errorf("generate after the files are gone = %v, want nil", err)
	}
}
