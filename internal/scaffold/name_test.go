package scaffold

import (
	"strings"
	"testing"
)

func TestDeriveName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		folder  string
		kind    Type
		want    string
		wantErr string
	}{
		{"rpc.srv", Srv, "rpc", ""},
		{"rpc.web", Web, "rpc-web", ""},
		{"rpc.srv", Web, "rpc-srv", ""},
		{"Hello", Srv, "hello", ""},
		{"order_items.v2", Srv, "order-items-v2", ""},
		{"my  service", Srv, "my-service", ""},
		{"func", Srv, "func", ""},
		{"x-windows", Srv, "x-windows", ""},
		{strings.Repeat("a", 63), Srv, strings.Repeat("a", 63), ""},
		{strings.Repeat("a", 64), Srv, "", "longer than 63"},
		{"熊猫.srv", Srv, "", `DNS names cannot have '熊'`},
		{"it's", Srv, "", `DNS names cannot have '\''`},
		{"2048", Srv, "", "begins with a digit"},
		{".srv", Srv, "", "it is empty"},
		{"...", Srv, "", "it is empty"},
		{"consul", Srv, "", "the registry's own service"},
	} {
		got, err := deriveName(c.folder, c.kind)
		if c.wantErr == "" && (err != nil || got != c.want) || c.wantErr != "" && (err == nil || !strings.Contains(err.Error(), c.wantErr)) {
			t.Errorf("deriveName(%q, %s) = %q, %v, want %q, %q", c.folder, c.kind, got, err, c.want, c.wantErr)
		}
		if err == nil && checkName(got) != "" {
			t.Errorf("deriveName(%q, %s) = %q, which is no name: %s", c.folder, c.kind, got, checkName(got))
		}
	}
}

func TestNamesOfCode(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"rpc":           {"rpc", "RpcService"},
		"order-items":   {"orderitems", "OrderItemsService"},
		"hello-service": {"helloservice", "HelloService"},
		"service":       {"service", "ServiceService"},
		"a--b":          {"ab", "ABService"},
		"x-windows":     {"xwindows", "XWindowsService"},
	} {
		if got := [2]string{packageName(name), serviceName(name)}; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestBadFolder(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"rpc.srv", "my service", "熊猫", "it's", "console", "com", "com10", "func"} {
		if why := badFolder(name); why != "" {
			t.Errorf("%q is refused: %s", name, why)
		}
	}
	for name, want := range map[string]string{
		"con": "reserves", "NUL.srv": "reserves", "Com1": "reserves", "lpt9.x": "reserves", "aux .srv": "reserves",
		"a:b": "':'", `a"b`: `'"'`, `day2\rpc`: `'\\'`, "a*": "'*'",
		"a.": "at its end", "a ": "at its end", ".git": `begin with "."`, "_x": `begin with "_"`, "-x": "flag",
		"testdata": "pass by", "a\x00": "cannot be seen", "a\u200b": "cannot be seen", "\xff": "UTF-8",
	} {
		if why := badFolder(name); !strings.Contains(why, want) {
			t.Errorf("badFolder(%q) = %q, want %q", name, why, want)
		}
	}
}

func TestIsDomain(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"github.com/me/hello": true, "example.org/x": true,
		"github.com": false, "day2/micro": false, "rpc.srv": false, "../a.b/c": false, "./a.com/b": false, "a.com/my service": false,
	} {
		if got := isDomain(path); got != want {
			t.Errorf("isDomain(%q) = %v", path, got)
		}
	}
}

func TestParseType(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"srv", "SRV", `"srv"`, "“srv”", "'srv'", " srv "} {
		if got, err := ParseType(text); err != nil || got != Srv {
			t.Errorf("ParseType(%q) = %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "fnc", "srv web"} {
		if got, err := ParseType(text); err == nil || !strings.Contains(err.Error(), "srv, web, api, rpc, cli") {
			t.Errorf("ParseType(%q) = %q, %v, want an error with all types", text, got, err)
		}
	}
}

func TestLanguageOf(t *testing.T) {
	t.Parallel()
	for locale, want := range map[string]Language{
		"zh_CN.UTF-8": Chinese, "zh": Chinese, "zh-Hans": Chinese, "zh_TW": Chinese,
		"": English, "C": English, "en_US.UTF-8": English, "zha_CN": English, "POSIX": English,
	} {
		if got := LanguageOf(locale); got != want {
			t.Errorf("LanguageOf(%q) = %s, want %s", locale, got, want)
		}
	}
}

func FuzzDeriveName(f *testing.F) {
	for _, seed := range []string{"rpc.srv", "我的 service", "A__b--c", "-", "\xff", "com1.srv"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, folder string) {
		for _, kind := range Types() {
			name, err := deriveName(folder, kind)
			if err == nil && checkName(name) != "" {
				t.Errorf("deriveName(%q, %s) = %q: %s", folder, kind, name, checkName(name))
			}
		}
	})
}
