package buf_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/conformance/buf"
	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/breaking"
)

// categories are ours, and buf's of the same meaning.
var categories = []struct {
	ours breaking.Category
	buf  string
}{
	{breaking.Wire, "WIRE"},
	{breaking.JSON, "WIRE_JSON"},
	{breaking.Source, "FILE"},
}

// judgement is what is said of one pair: rules, each with the file and line and how often.
type judgement map[string]int

func (j judgement) String() string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(j)) {
		parts = append(parts, fmt.Sprintf("%s×%d", key, j[key]))
	}
	return strings.Join(parts, ", ")
}

// TestAgreesWithBuf has buf and Panda judge the same changes.
func TestAgreesWithBuf(t *testing.T) {
	tool, err := buf.Binary(t.Context())
	if err != nil {
		t.Skipf("buf %s is not to be had here, so nothing is compared: %v", buf.Version, err)
	}
	pairs := makeCorpus()
	slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	before, now := t.TempDir(), t.TempDir()
	for i, p := range pairs {
		write(t, before, folderOf(i), p.before)
		write(t, now, folderOf(i), p.now)
	}
	invalid := dropInvalid(t, before, now)
	imageBefore, imageNow := image(t, tool, before), image(t, tool, now)
	old, current := compile(t, before), compile(t, now)
	used := map[string]int{}
	var counts []string
	for _, category := range categories {
		theirs := judgedByBuf(t, tool, imageBefore, imageNow, category.buf)
		ours := judgedByPanda(t, old, current, category.ours)
		agree, findings := 0, 0
		for i, p := range pairs {
			folder := folderOf(i)
			if _, err := os.Stat(filepath.Join(now, folder)); err != nil {
				continue
			}
			for _, n := range theirs[folder] {
				findings += n
			}
			if maps.Equal(ours[folder], theirs[folder]) {
				agree++
				continue
			}
			why := explained(p, ours[folder], theirs[folder])
			if why == "" {
				t.Errorf("%s: %s:\n buf:   %v\n panda: %v\nbefore: %v\nnow: %v", category.buf, p.name, theirs[folder], ours[folder], p.before, p.now)
				continue
			}
			used[why]++
		}
		counts = append(counts, fmt.Sprintf("by %s %d, with %d findings", category.buf, agree, findings))
	}
	// One line, which the Makefile looks for.
	t.Logf("compared with buf: %d pairs of files, judged alike: %s; the others differ for a reason that is known",
		len(pairs)-invalid, strings.Join(counts, "; "))
	for _, d := range differences {
		if used[d.why] == 0 {
			t.Errorf("no pair differs any more because: %s", d.why)
		}
		t.Logf("%4d differ: %s", used[d.why], d.why)
	}
	t.Logf("%d pairs were left out, whose files do not compile", invalid)
}

// image has buf compile a folder, and returns the file that it then reads quicker than the folder.
func image(t *testing.T, tool, folder string) string {
	t.Helper()
	output := filepath.Join(t.TempDir(), "image.binpb")
	for _, a := range askBuf(t, tool, "build", folder, "--output", output, "--error-format", "json") {
		t.Fatalf("buf does not take the corpus: %s: %s", a.Path, a.Message)
	}
	return output
}

func folderOf(i int) string { return fmt.Sprintf("p%05d", i) }

// dropInvalid removes the folders of pairs that Panda does not compile, and returns how many those were: not every
// combination is a file.
func dropInvalid(t *testing.T, before, now string) int {
	t.Helper()
	dropped := map[string]bool{}
	for _, folder := range []string{before, now} {
		_, err := build(t.Context(), folder)
		problems, ok := errors.AsType[*protobuild.ProblemsError](err)
		if err != nil && !ok {
			t.Fatal(err)
		}
		if problems == nil {
			continue
		}
		for _, problem := range problems.Problems {
			name, _, _ := strings.Cut(problem.File, "/")
			dropped[name] = true
		}
		for name := range dropped {
			drop(t, name, before, now)
		}
	}
	return len(dropped)
}

func drop(t *testing.T, name string, roots ...string) {
	t.Helper()
	for _, root := range roots {
		if err := os.RemoveAll(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, root, folder string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(root, folder), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		text = strings.NewReplacer("$P", folder, "; ", ";\n", "{ ", "{\n").Replace(text) // so that lines tell places
		if err := os.WriteFile(filepath.Join(root, folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func build(ctx context.Context, folder string) (*protobuild.Compiled, error) {
	source, err := protobuild.Find(folder, protobuild.Settings{})
	if err != nil {
		return nil, err
	}
	return protobuild.Compile(ctx, source)
}

func compile(t *testing.T, folder string) []protoreflect.FileDescriptor {
	t.Helper()
	compiled, err := build(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Files
}

func judgedByPanda(t *testing.T, before, now []protoreflect.FileDescriptor, category breaking.Category) map[string]judgement {
	t.Helper()
	findings, err := breaking.Compare(before, now, breaking.Options{Category: category})
	if err != nil {
		t.Fatal(err)
	}
	result := map[string]judgement{}
	for _, f := range findings {
		folder, name, _ := strings.Cut(f.Place.Path, "/")
		count(result, folder, fmt.Sprintf("%s %s:%d", f.Rule, name, max(f.Place.Line, 1)))
	}
	return result
}

func count(result map[string]judgement, folder, key string) {
	if result[folder] == nil {
		result[folder] = judgement{}
	}
	result[folder][key]++
}

// annotation is one finding of buf's.
type annotation struct {
	Path    string `json:"path"`
	Line    int    `json:"start_line"` // 1 when the whole file is meant
	Type    string `json:"type"`
	Message string `json:"message"`
}

func judgedByBuf(t *testing.T, tool, before, now, category string) map[string]judgement {
	t.Helper()
	config := fmt.Sprintf(`{"version":"v2","breaking":{"use":[%q]}}`, category)
	result := map[string]judgement{}
	for _, a := range askBuf(t, tool, "breaking", now, "--against", before, "--config", config, "--against-config", config, "--error-format", "json") {
		path := a.Path
		if a.Type == "FILE_NO_DELETE" { // which has its path in words
			_, rest, _ := strings.Cut(a.Message, `"`)
			path, _, _ = strings.Cut(rest, `"`)
		}
		folder, name, _ := strings.Cut(path, "/")
		count(result, folder, fmt.Sprintf("%s %s:%d", a.Type, name, max(a.Line, 1)))
	}
	return result
}

// askBuf runs buf, which has no network to ask and no settings of the user's, and returns what it finds.
func askBuf(t *testing.T, tool string, arguments ...string) []annotation {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool, arguments...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+cmd.Dir, "BUF_CACHE_DIR="+cmd.Dir)
	var output, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &complaints
	const findings = 100
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != findings {
		t.Fatalf("buf %s: %v: %s", arguments[0], err, &complaints)
	}
	var list []annotation
	lines := bufio.NewScanner(io.MultiReader(&output, &complaints))
	for lines.Scan() {
		var a annotation
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			continue // a warning
		}
		list = append(list, a)
	}
	return list
}
