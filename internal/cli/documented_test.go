package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// console is a block of what a reader types.
var console = regexp.MustCompile("(?ms)^```(?:sh|console)\n(.*?)^```$")

// calling is the part of a line that calls panda: after sudo, a prompt, variables, a path to the binary, or in $( ).
var calling = regexp.MustCompile(`(?:^|&& |\$\()(?:\$ )?(?:sudo )?(?:[A-Z_]+=\S+ )*(?:bin/)?panda (.*?)(?: +#.*| \| .*|\).*| > .*|)$`)

// TestDocumentedCommandsExist gives each command that README and the guide show to the command tree, and asks only for its
// help: a command or flag that is no more is wrong usage before that.
func TestDocumentedCommandsExist(t *testing.T) {
	pages := []string{"../../README.md", "../../README.zh-CN.md"}
	err := filepath.WalkDir("../../docs/guide", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, page := range pages {
		for _, line := range typed(t, page) {
			args := words(line)
			if len(args) == 0 || slices.Contains([]string{"agent", "consul", "kv"}, args[0]) { // they take Consul's arguments, in Consul's way
				continue
			}
			tried++
			e, _, stderr := env(helpFor(args)...)
			if code := Main(t.Context(), e); code != 0 {
				t.Errorf("%s: panda %s: exit code %d: %s", page, line, code, stderr)
			}
		}
	}
	if tried < 100 {
		t.Errorf("%d commands were found; the pages show more", tried)
	}
}

// TestLanguagesShowTheSameCommands compares each chapter with its translation.
func TestLanguagesShowTheSameCommands(t *testing.T) {
	chapters, err := filepath.Glob("../../docs/guide/en/*.md")
	if err != nil || len(chapters) == 0 {
		t.Fatalf("no chapters: %v", err)
	}
	for _, english := range chapters {
		chinese := filepath.Join("../../docs/guide/zh", filepath.Base(english))
		if one, other := verbs(typed(t, english)), verbs(typed(t, chinese)); !slices.Equal(one, other) {
			t.Errorf("%s shows the commands %q, and its translation %q", english, one, other)
		}
	}
}

// verbs are the names of the commands, which no translation changes as it may change arguments.
func verbs(lines []string) []string {
	var names []string
	for _, line := range lines {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	return names
}

// typed returns what follows "panda" in each line that a reader types.
func typed(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, block := range console.FindAllStringSubmatch(string(text), -1) {
		joined := strings.ReplaceAll(block[1], "\\\n", " ")
		for line := range strings.Lines(joined) {
			line = strings.TrimRight(line, "\n")
			for part := range strings.SplitSeq(line, " && ") {
				if m := calling.FindStringSubmatch(part); m != nil {
					lines = append(lines, strings.TrimSpace(m[1]))
				}
			}
		}
	}
	return lines
}

// helpFor puts --help where flags of panda still count.
func helpFor(args []string) []string {
	if at := slices.Index(args, "--"); at >= 0 {
		args = args[:at]
	}
	return append(slices.Clone(args), "--help")
}

// words splits a line as a shell does, as far as the pages need it.
func words(line string) []string {
	var all []string
	var word strings.Builder
	open, quote := false, rune(0)
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, open = r, true
		case r == ' ' && open:
			all, open = append(all, word.String()), false
			word.Reset()
		case r == ' ':
		default:
			open = true
			word.WriteRune(r)
		}
	}
	if open {
		all = append(all, word.String())
	}
	return all
}
