package config_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/workspace/config"
)

func TestParseReadsWhatIsDeployed(t *testing.T) {
	t.Parallel()
	file, err := config.Parse("panda.yaml", []byte(`services:
  hello:
    image: example.com/team/hello:1.4
    limits: {cpu: 0.5, memory: 256MiB}
    secrets: {DB_PASSWORD: db/password, KEY_FILE: tls.key}
    drain: 1m30s
    expose: 8080
deploy:
  registry: example.com:5000/team
  consul: {image: "consul:1", servers: 5, datacenter: dc2, address: "[::1]:8500", token: t, config: c}
`))
	if err != nil {
		t.Fatal(err)
	}
	drain := 90 * time.Second
	want := config.Service{
		Name: "hello", Replicas: 1, Image: "example.com/team/hello:1.4", Limits: config.Limits{MilliCPU: 500, Memory: 256 << 20},
		Secrets: []config.Secret{{"DB_PASSWORD", "db/password", config.Pos{5, 28}}, {"KEY_FILE", "tls.key", config.Pos{5, 51}}},
		Drain:   &drain, Expose: 8080, Pos: config.Pos{2, 3}, PathPos: config.Pos{2, 3},
	}
	if !reflect.DeepEqual(file.Services[0], want) {
		t.Errorf("Parse gives\n%+v\nwant\n%+v", file.Services[0], want)
	}
	deploy := &config.Deploy{Registry: "example.com:5000/team", Consul: config.Consul{
		Image: "consul:1", Servers: 5, Datacenter: "dc2", Address: "[::1]:8500", Token: "t", Config: "c",
	}}
	if !reflect.DeepEqual(file.Deploy, deploy) {
		t.Errorf("Parse gives\n%+v\nwant\n%+v", file.Deploy, deploy)
	}
}

func TestParseRefusesWhatCannotBeDeployed(t *testing.T) {
	t.Parallel()
	service := func(settings string) string { return "services: {a: {" + settings + "}}\n" }
	consul := func(settings string) string { return "deploy: {consul: {" + settings + "}}\n" }
	for _, test := range []struct{ text, want string }{
		{service("image: 3"), "1:23: image is a number, want a reference"},
		{service(`image: ""`), "1:23: image is a text, want a reference"},
		{service("image: " + strings.Repeat("a", 256)), "1:23: image is longer than 255 characters"},
		{service("imge: a:1"), `1:16: unknown key "imge"; near: image`},
		{service("limits: {cpu: many}"), "1:30: cpu is a text, want a number of processors"},
		{service("limits: {cpu: 0}"), "1:30: cpu is 0, want 0.01 to 256 processors"},
		{service("limits: {cpu: -1}"), "cpu is -1, want 0.01 to 256 processors"},
		{service("limits: {cpu: 257}"), "cpu is 257, want"},
		{service("limits: {cpu: 0.1234}"), "cpu is 0.1234, want 0.01 to 256 processors in steps of 0.001"},
		{service("limits: {memory: 256}"), `1:33: memory is "256", want a number and MiB or GiB`},
		{service("limits: {memory: 256MB}"), `memory is "256MB", want a number and MiB or GiB`},
		{service("limits: {memory: 15MiB}"), `memory is "15MiB", want 16MiB to 1024GiB`},
		{service("limits: {memory: 1025GiB}"), `memory is "1025GiB", want 16MiB to 1024GiB`},
		{service("limits: {mem: 1GiB}"), `1:25: unknown key "mem"; near: memory`},
		{service("limits: 3"), "limits is a number, want a mapping"},
		{service("secrets: {A-B: x}"), `1:26: secrets: "A-B" cannot be the name of a variable`},
		{service("secrets: {PANDA_ADDR: x}"), "secrets: PANDA_ADDR is set by panda deploy"},
		{service(`secrets: {A: "hunter 2"}`), "1:29: secrets: A: this is no name of a secret, such as db-password"},
		{service("secrets: {A: Secret}"), "this is no name of a secret"},
		{service("secrets: {A: 3}"), "this is no name of a secret"},
		{service("secrets: {A: a/b/c}"), "this is no name of a secret"},
		{service("secrets: {A: ../a}"), "this is no name of a secret"},
		{service("secrets: {A: a/..}"), "this is no name of a secret"},
		{service("env: {A: x}, secrets: {A: a}"), "service a: A is below env too"},
		{service("drain: 30"), `1:23: drain is "30", want a time from 0s to 1h`},
		{service("drain: 2h"), `drain is "2h", want`},
		{service("drain: -1s"), `drain is "-1s", want`},
		{service("expose: http"), "1:24: expose is a text, want a number"},
		{service("expose: 0"), "expose is 0, want 1 to 65535"},
		{service("expose: 65536"), "expose is 65536, want 1 to 65535"},
		{"deploy: {registy: x}\n", `1:10: unknown key "registy"; near: registry`},
		{"deploy: {registry: https://example.com}\n", `registry is "https://example.com", want a host and a path`},
		{"deploy: {registry: example.com/}\n", `registry is "example.com/", want`},
		{"deploy: []\n", "deploy is a list, want a mapping"},
		{consul("server: 3"), `1:19: unknown key "server"; near: servers`},
		{consul("servers: 2"), "1:28: servers is 2, which tolerates the loss of no more than 1 do; want 1, 3 or 5"},
		{consul("servers: 7"), "servers is 7, want 1 to 5"},
		{consul("datacenter: DC"), `datacenter is "DC", want a to z`},
		{consul("address: consul"), `address is "consul", want host:port`},
		{consul("address: 'consul:0'"), `address is "consul:0", want host:port`},
		{consul("token: 'a b'"), "token: this is no name of a secret"},
		{consul("config: A"), "config: this is no name of a secret"},
	} {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			file, err := config.Parse("x/panda.yaml", []byte(test.text))
			if err == nil {
				t.Fatalf("Parse = %+v, want an error", file)
			}
			if !strings.HasPrefix(err.Error(), "read x/panda.yaml:") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Parse: %q, want it to hold %q", err, test.want)
			}
			if strings.Contains(err.Error(), "hunter") {
				t.Errorf("the error %q repeats what may be a secret", err)
			}
		})
	}
}
