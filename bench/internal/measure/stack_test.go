package measure

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

func TestWorkersArePandas(t *testing.T) {
	source, err := os.ReadFile("../../../server.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`streamWorkers\s*=\s*(\d+)`).FindSubmatch(source)
	if len(found) != 2 || string(found[1]) != strconv.Itoa(pandaWorkers) {
		t.Errorf("pandaWorkers = %d; Panda's server has %q", pandaWorkers, found)
	}
}

func TestBaselinesSurroundPanda(t *testing.T) {
	at := make(map[string]int)
	for i, stack := range Stacks() {
		at[stack.Name] = i + 1
	}
	for _, name := range []string{NameRaw, NameTuned, NamePanda, NameTunedCollected, NamePandaCollected, NameRawAgain} {
		if at[name] == 0 {
			t.Errorf("no stack %q", name)
		}
	}
	if at[NamePanda]-at[NameTuned] != 1 || at[NamePandaCollected]-at[NameTunedCollected] != 1 {
		t.Error("Panda and what it is held against are not side by side")
	}
}

func TestBothAreCollectedAlike(t *testing.T) {
	env := make(map[string][]string)
	for _, stack := range Stacks() {
		env[stack.Name] = stack.Env
	}
	for _, name := range []string{NameTunedCollected, NamePandaCollected} {
		if got := env[name]; len(got) != 1 || got[0] != RareCollection {
			t.Errorf("%s is started with %q", name, got)
		}
	}
	for _, name := range []string{NameRaw, NameTuned, NamePanda} {
		if len(env[name]) > 0 {
			t.Errorf("%s is started with %q, want nothing", name, env[name])
		}
	}
}
