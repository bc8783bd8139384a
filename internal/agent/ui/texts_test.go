package ui

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTextsAreTheSame holds that every language has every text, with the same places for what is filled in.
func TestTextsAreTheSame(t *testing.T) {
	first := loadTexts(languages[0])
	verbs := regexp.MustCompile(`%[a-z]`)
	for _, l := range languages {
		words := loadTexts(l)
		if !slices.Equal(slices.Sorted(maps.Keys(words)), slices.Sorted(maps.Keys(first))) {
			t.Errorf("%s has other keys than %s", l, languages[0])
		}
		for key, text := range words {
			if text == "" || strings.TrimSpace(text) != text {
				t.Errorf("%s: %s is %q", l, key, text)
			}
			if !slices.Equal(verbs.FindAllString(text, -1), verbs.FindAllString(first[key], -1)) {
				t.Errorf("%s: %s takes other arguments: %q", l, key, text)
			}
		}
	}
}

// TestTextsAreUsed holds that templates and code name only texts that there are, and all of them.
func TestTextsAreUsed(t *testing.T) {
	words := loadTexts(english)
	used := map[string]bool{"language.name": true}
	for _, s := range worstFirst {
		used["status."+s] = true
	}
	for _, done := range []string{"saved", "deleted"} {
		used["kv.done."+done] = true
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`[({ ]([tn]) "([a-z.]+)"`)
	for _, name := range names {
		content, err := templateFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(content), -1) {
			if m[1] == "n" {
				used[m[2]+".one"], used[m[2]+".other"] = true, true
			} else {
				used[m[2]] = true
			}
		}
	}
	for _, key := range []string{
		"error.readonly", "error.form", "error.slow", "error.notfound", "error.title", "error.missing", "error.write", "kv.gone",
		"kv.error.key", "kv.error.long", "kv.error.value", "kv.error.flags", "filter.services", "filter.nodes",
		"kv.error.address", "error.keep", "bytes.kib", "bytes.mib", "bytes.one", "bytes.other",
		"duration.hours", "duration.minutes", "duration.seconds", "duration.milliseconds",
	} {
		used[key] = true
	}
	for key := range used {
		if words[key] == "" {
			t.Errorf("%s is used and does not exist", key)
		}
	}
	for key := range words {
		if !used[key] {
			t.Errorf("%s is used nowhere", key)
		}
	}
}
