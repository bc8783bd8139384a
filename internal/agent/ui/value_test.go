package ui

import (
	"strings"
	"testing"
)

// FuzzValue holds that a value which a form shows comes back from it as it was, whatever it is.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{"", "a\n", "a\r\nb", "a\r\nb\n", "\r", "\x00", "\xff", "中文\t🐼", "\n\n", strings.Repeat("中", editable/3+1), strings.Repeat("a\r\n", editable/3)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		v := valueOf([]byte(content))
		if v.Size != len(content) {
			t.Errorf("%q has %d bytes", content, v.Size)
		}
		if !v.Editable() {
			if v.Large == (v.Hex != "") || len(v.Hex) > 5*hexShown+200 || len(v.Text) > textShown {
				t.Errorf("%q is shown as %q %q", content, v.Hex, v.Text)
			}
			return
		}
		sent := strings.ReplaceAll(v.Text, "\n", "\r\n") // as browsers send it
		if got := unform(sent, v.CRLF); got != content {
			t.Errorf("%q comes back as %q", content, got)
		}
	})
}

func FuzzPreferred(f *testing.F) {
	for _, seed := range []string{"", "zh-CN,zh;q=0.9,en;q=0.8", "zh;q=NaN", ";;,,q=", "en;q=1e999", "*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if l := preferred(header); !known(l) {
			t.Errorf("%q prefers %q", header, l)
		}
	})
}

// FuzzCrumbs holds that the folders above a key make up its folder, whatever the key is.
func FuzzCrumbs(f *testing.F) {
	for _, seed := range []string{"", "/", "a", "a/", "a//b", "../..", "/a/b/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		folder := folderOf(key)
		if !strings.HasPrefix(key, folder) || folder != "" && folder == key {
			t.Errorf("%q is in %q", key, folder)
		}
		whole := ""
		for _, c := range crumbs(folder) {
			whole += c.Name
			if c.Prefix != whole {
				t.Errorf("%q: %q leads to %q", key, c.Name, c.Prefix)
			}
		}
		if whole != folder {
			t.Errorf("%q: crumbs are %q", key, whole)
		}
	})
}
