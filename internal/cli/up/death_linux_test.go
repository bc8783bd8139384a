package up_test

import (
	"os"
	"testing"
)

func TestServicesDieWithAKilledPanda(t *testing.T) {
	t.Parallel()
	p := start(t, standin(t, "-- panda.yaml --\nservices: {svc: {replicas: 2}}\n"), nil, "--agent-port", "0")
	p.says("Ready: 2 instances")
	pids := p.pids(2)
	if err := p.command.Process.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	p.allGone(pids)
}
