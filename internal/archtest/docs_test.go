package archtest

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages returns the Markdown files of the repository.
func pages(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, name := range repository(t).text {
		if path.Ext(name) == ".md" {
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		t.Fatal("the repository has no Markdown file")
	}
	return list
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var (
	linkPattern  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fencePattern = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, name := range pages(t) {
		for _, link := range linkPattern.FindAllStringSubmatch(fencePattern.ReplaceAllString(readPage(t, name), ""), -1) {
			target, _, _ := strings.Cut(link[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			file := path.Join(path.Dir(name), target)
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err != nil {
				t.Errorf("%s links to %s: %v", name, link[1], err)
			}
		}
	}
}

// commandsOf returns what a page tells its reader to type, files included, comments left out.
func commandsOf(t *testing.T, name string) []string {
	t.Helper()
	var commands []string
	for _, fence := range fencePattern.FindAllStringSubmatch(readPage(t, name), -1) {
		if !slices.Contains([]string{"sh", "console", "json", "hcl"}, fence[1]) {
			continue
		}
		for line := range strings.Lines(fence[2]) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "# ")
			if line = strings.TrimSpace(line); line != "" {
				commands = append(commands, line)
			}
		}
	}
	return commands
}

// TestLanguagesAgree compares what the English and the Chinese pages have their readers type, and see.
func TestLanguagesAgree(t *testing.T) {
	pairs := map[string]string{"README.md": "README.zh-CN.md"}
	for _, name := range pages(t) {
		if rest, ok := strings.CutPrefix(name, "docs/guide/en/"); ok {
			pairs[name] = "docs/guide/zh/" + rest
		}
		if rest, ok := strings.CutPrefix(name, "docs/guide/zh/"); ok {
			pairs["docs/guide/en/"+rest] = name
		}
	}
	for english, chinese := range pairs {
		if en, zh := commandsOf(t, english), commandsOf(t, chinese); !slices.Equal(en, zh) {
			t.Errorf("%s and %s show different commands:\n%s\n\n%s", english, chinese, strings.Join(en, "\n"), strings.Join(zh, "\n"))
		}
	}
}

func TestDecisionsAreListed(t *testing.T) {
	index := readPage(t, "docs/decisions/README.md")
	for _, name := range pages(t) {
		if path.Dir(name) != "docs/decisions" || path.Base(name) == "README.md" {
			continue
		}
		number, _, _ := strings.Cut(path.Base(name), "-")
		if !strings.Contains(index, "["+number+"]("+path.Base(name)+")") {
			t.Errorf("docs/decisions/README.md does not list %s", path.Base(name))
		}
		if title := "# " + number + ": "; !strings.HasPrefix(readPage(t, name), title) {
			t.Errorf("%s: its title begins with %q", name, title)
		}
	}
}
