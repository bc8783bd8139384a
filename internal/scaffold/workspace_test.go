package scaffold

import (
	"strings"
	"testing"
)

func TestAddService(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ what, text, want string }{
		{"an empty file", "", "services:\n  web:\n    path: ./web\n"},
		{"only a comment", "# none yet\n", "# none yet\nservices:\n  web:\n    path: ./web\n"},
		{"no line end", "# none yet", "# none yet\nservices:\n  web:\n    path: ./web\n"},
		{"another key", "proto:\n  roots: [a]\n", "proto:\n  roots: [a]\nservices:\n  web:\n    path: ./web\n"},
		{"no value", "services:\n", "services:\n  web:\n    path: ./web\n"},
		{"no value, and a key behind", "services: # none\nproto: {}\n", "services: # none\n  web:\n    path: ./web\nproto: {}\n"},
		{"one service", "services:\n  a:\n", "services:\n  a:\n  web:\n    path: ./web\n"},
		{
			"comments, odd indents and a key behind",
			"# top\nservices:\n    # the first\n    b:   # beside\n        replicas: 3\n\n    a: {path: x}\n    # the last\n\n# of the rest\nproto:\n    roots: [p]\n",
			"# top\nservices:\n    # the first\n    b:   # beside\n        replicas: 3\n\n    a: {path: x}\n    # the last\n    web:\n      path: ./web\n\n# of the rest\nproto:\n    roots: [p]\n",
		},
		{"a text of several lines", "services:\n  a:\n    args:\n    - |\n      x\n\n      y\n", "services:\n  a:\n    args:\n    - |\n      x\n\n      y\n  web:\n    path: ./web\n"},
		{"line ends of Windows", "services:\r\n  a:\r\n", "services:\r\n  a:\r\n  web:\r\n    path: ./web\r\n"},
		{"braces", "services: {a: {path: x}} # odd\n", "services: {a: {path: x}, web: {path: ./web}} # odd\n"},
		{"braces with a comma", "services: {a: {path: x}, }\n", "services: {a: {path: x}, web: {path: ./web} }\n"},
		{"braces over lines", "services: {\n  熊: {path: x}\n}\n", "services: {\n  熊: {path: x}, web: {path: ./web}\n}\n"},
		{"empty braces", "services: {}\n", "services: {web: {path: ./web}}\n"},
		{"there already", "services:\n  web: {path: ./web, replicas: 2}\n", "services:\n  web: {path: ./web, replicas: 2}\n"},
	} {
		got, err := AddService([]byte(c.text), "web", "./web")
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got\n%s%v\nwant\n%s", c.what, got, err, c.want)
		}
	}
}

func TestAddServiceQuotes(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"./我的/web.srv": "./我的/web.srv", "./my web": `"./my web"`, "./a: b": `"./a: b"`, "./a#b": `"./a#b"`, ".": `"."`, "./2": `"./2"`,
	} {
		got, err := AddService(nil, "on", path)
		if text := "services:\n  \"on\":\n    path: " + want + "\n"; err != nil || string(got) != text {
			t.Errorf("path %q: got\n%s%v\nwant\n%s", path, got, err, text)
		}
	}
}

func TestAddServiceRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ what, text, want string }{
		{"another of the name", "services:\n  web: {path: ./other}\n", `:2:3: it has a service "web" already`},
		{"one of the name without a path", "services:\n  a:\n  web:\n", `:3:3: it has a service "web" already`},
		{"no mapping", "- a\n", ":1:1: the file is not a mapping"},
		{"services is a list", "services: [a]\n", ":1:1: services is not a mapping"},
		{"a broken file", "services: {\n", ":"},
		{"two documents", "services: {}\n---\nservices: {}\n", ":2:1: a second document"},
		{"one line of braces", "{services: {}}\n", ":1:1: the file is one {…}"},
		{"a null that is written", "services: ~\n", ":1:1: services is written in a way"},
	} {
		got, err := AddService([]byte(c.text), "web", "./web")
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %q, %v, want %q", c.what, got, err, c.want)
		}
	}
}

func FuzzAddService(f *testing.F) {
	f.Add("services:\n  a:\n    path: x # y\n\n# end\n")
	f.Add("services: {a: {}, }\nx: |\n  services:\n")
	f.Add("? services\n: a: b\n")
	f.Add("services: &x\n  a: *x\n")
	f.Add("\"services\":\r\n  a:\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 {
			t.Skip("longer than any such file")
		}
		got, err := AddService([]byte(text), "web", "./web")
		if err != nil {
			return
		}
		again, err := AddService(got, "web", "./web")
		if err != nil || string(again) != string(got) {
			t.Errorf("%q: a second time gives %q, %v", got, again, err)
		}
	})
}
