package image_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/image"
)

func TestParsePlatform(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"linux/amd64": "linux/amd64", "linux/arm64/v8": "linux/arm64", "linux/arm": "linux/arm/v7", "linux/arm/v6": "linux/arm/v6", "linux/riscv64": "linux/riscv64",
	} {
		if p, err := image.ParsePlatform(text); err != nil || p.String() != want {
			t.Errorf("ParsePlatform(%q) = %v, %v, want %s", text, p, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                "want linux/ and a processor",
		"amd64":           "want linux/ and a processor",
		"windows/amd64":   "want linux/ and a processor",
		"linux/x86_64":    `no processor "x86_64"; there are amd64, arm64,`,
		"linux/arm/v5":    `no variant "v5" of arm`,
		"linux/amd64/v3":  `no variant "v3" of amd64`,
		"linux/arm64/v9/": "want linux/ and a processor",
	} {
		if p, err := image.ParsePlatform(text); err == nil || !strings.HasPrefix(err.Error(), `platform "`+text+`": `) || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePlatform(%q) = %v, %v, want an error that has %q", text, p, err, want)
		}
	}
}

func TestPlatformOfWhatIsNoProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, file := range map[string]struct{ content, want string }{
		"empty":   {"", "it is not an executable for Linux"},
		"text":    {"hello, world, this is a text of some length", "it is not an executable for Linux"},
		"script":  {"#!/bin/sh\necho hello\n", "it is a script, and an image has no shell"},
		"windows": {"MZ\x90\x00 and more", "it is a program for Windows, want one for Linux"},
		"macos":   {"\xcf\xfa\xed\xfe and more", "it is a program for macOS, want one for Linux"},
		"cut off": {"\x7fELF\x02\x01\x01", "it is "},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(file.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if p, err := image.PlatformOf(path); err == nil || !strings.HasPrefix(err.Error(), "pack "+path+": "+file.want) {
			t.Errorf("PlatformOf %s = %v, %v, want %q", name, p, err, file.want)
		}
	}
	if _, err := image.PlatformOf(dir); err == nil || !strings.HasSuffix(err.Error(), "it is not a file") {
		t.Errorf("PlatformOf a folder: %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	good := image.Spec{Name: "hello-1.x_y", Env: []string{"A=", "B_2=x=y"}, Ports: []string{"80", "53/udp", "443/tcp"}, Volumes: []string{"/data", "/consul/data"}}
	if err := good.Check(); err != nil || strings.Join(good.Ports, " ") != "80/tcp 53/udp 443/tcp" {
		t.Errorf("Check = %v, ports %v", err, good.Ports)
	}
	for want, s := range map[string]image.Spec{
		`name ""`:                                {},
		`name "a/b"`:                             {Name: "a/b"},
		`name ".."`:                              {Name: ".."},
		`name "` + strings.Repeat("a", 81) + `"`: {Name: strings.Repeat("a", 81)},
		`program "a b"`:                          {Name: "a", Program: "a b"},
		`variable "X"`:                           {Name: "a", Env: []string{"X"}},
		`variable "1=2"`:                         {Name: "a", Env: []string{"1=2"}},
		`port "0"`:                               {Name: "a", Ports: []string{"0"}},
		`port "65536"`:                           {Name: "a", Ports: []string{"65536"}},
		`port "80/sctp"`:                         {Name: "a", Ports: []string{"80/sctp"}},
		`port "http"`:                            {Name: "a", Ports: []string{"http"}},
		`volume "data"`:                          {Name: "a", Volumes: []string{"data"}},
		`volume "/"`:                             {Name: "a", Volumes: []string{"/"}},
		`volume "/data/"`:                        {Name: "a", Volumes: []string{"/data/"}},
		`volume "/data/../etc"`:                  {Name: "a", Volumes: []string{"/data/../etc"}},
		`volume "/etc/x"`:                        {Name: "a", Volumes: []string{"/etc/x"}},
		`volume "/usr"`:                          {Name: "a", Volumes: []string{"/usr"}},
	} {
		if err := s.Check(); err == nil || !strings.HasPrefix(err.Error(), want+": ") {
			t.Errorf("Check of %+v = %v, want an error of %s", s, err, want)
		}
	}
}

func TestSourceURL(t *testing.T) {
	t.Parallel()
	for module, want := range map[string]string{
		"github.com/acme/shop":          "https://github.com/acme/shop",
		"github.com/acme/shop/v2/hello": "https://github.com/acme/shop",
		"example.com/acme/shop":         "",
		"github.com/acme":               "",
		"":                              "",
	} {
		if got := image.SourceURL(module); got != want {
			t.Errorf("SourceURL(%q) = %q, want %q", module, got, want)
		}
	}
}
