package containers_test

import (
	"context"
	"strings"
	"testing"
)

// TestRefusals has the command meet containers that it cannot copy, or tell apart. None of them is changed.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := start(t)
	run := func(name string, args ...string) {
		t.Helper()
		w.engine.Run(t, append(append([]string{"run", "--detach", "--name", w.name + "-" + name, "--network", w.name,
			"--env", "SERVICE=" + name, "--env", "CONSUL_HTTP_ADDR=127.0.0.1:1"}, args...), w.image("1"))...)
		t.Cleanup(func() {
			_ = w.engine.Command(context.WithoutCancel(t.Context()), "rm", "--force", w.name+"-"+name).Run()
		})
	}
	run("published", "--label", "dev.panda.service=published", "--publish", "127.0.0.1:0:9000", "--publish", "127.0.0.1:48123:8080")
	run("advertised", "--label", "dev.panda.service=advertised", "--env", "PANDA_ADVERTISE=host.example:80")
	run("unregistered", "--label", "dev.panda.service=unregistered")
	run("twice-a", "--label", "dev.panda.service=twice", "--label", "com.docker.compose.project=a")
	run("twice-b", "--label", "dev.panda.service=twice", "--label", "com.docker.compose.project=b")
	for args, want := range map[string]string{
		"scale published=2 --engine":         "its port 8080/tcp is published as port 48123 of the host\npublish no port",
		"scale advertised=2 --engine":        "it is found at PANDA_ADVERTISE=host.example:80\nlet the container be found at its own address",
		"scale twice=2 --engine":             "containers of twice run in several Compose projects: a, b\nsay which one is meant: --project a",
		"scale twice=0 --engine":             "run 0 replicas of twice: want 1 to 100",
		"scale twice=2 --engine --project c": "no container with the label dev.panda.service=twice runs at " + w.engine.Host,
		"scale publised=2 --engine":          "no container with the label dev.panda.service=publised runs at " + w.engine.Host + "; near: published",
		"upgrade published":                  "upgrade published: it runs in containers, and no image of the new version is given\nname one that the engine has: --image published:2",
		"upgrade twice --image x:1":          "containers of twice run in several Compose projects: a, b",
		"upgrade publised --image x:1":       "no container with the label dev.panda.service=publised runs at " + w.engine.Host + "; near: published",
		"upgrade publised":                   "no panda up is running",
		"upgrade unregistered --image x:1":   "there is no image \"x:1\" at " + w.engine.Host + "\nmake it with",
		"upgrade unregistered --image " + w.image("2"): "none of the containers of unregistered is registered at consul at " + w.consul + ": " + w.name +
			"-unregistered; the old version serves as before\nset CONSUL_HTTP_ADDR to the registry that they use; theirs is 127.0.0.1:1",
		"drain " + w.name + "-unregistered":    "it is the last container of unregistered that runs\nto stop the service, stop the container: docker stop " + w.name + "-unregistered",
		"drain nobody":                         "no panda up is running",
		"scale published=1 publised=2":         "no panda up is running\nstart one with: panda up; no container with the label dev.panda.service=publised runs at",
		"scale unregistered=1 publised=9":      "no panda up is running",
		"scale unregistered=1 twice=101":       "run 101 replicas of twice: want 1 to 100",
		"scale unregistered=1 unregistered=10": "unregistered is given twice",
	} {
		code, _, stderr := w.panda(t.Context(), t, strings.Fields(args)...)
		if code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("panda %s: exit code %d, %s\nwant %s", args, code, stderr, want)
		}
	}
}
