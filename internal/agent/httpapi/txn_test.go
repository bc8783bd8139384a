package httpapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/consulwire"
)

// FuzzTxn holds that a transaction is answered with one of Consul's statuses, is made whole or not at all, and leaves
// the agent's own node alone.
func FuzzTxn(f *testing.F) {
	for _, seed := range []string{
		`[]`, `null`, `{}`, `[null]`, `[{}]`, `[{"KV":{"Verb":"set","Key":"a","Value":"YQ=="}}]`, `[{"KV":{"Verb":"cas","Key":"a","Index":1}},{"KV":{"Verb":"get-tree","Key":"a"}}]`,
		`[{"KV":{"Verb":"lock","Key":"a","Session":"x"}},{"KV":{"Verb":"unlock","Key":"a","Session":"x"}},{"KV":{"Verb":"check-session","Key":"a"}}]`,
		`[{"KV":{"Verb":"check-index","Key":"a"}},{"KV":{"Verb":"check-not-exists","Key":"b"}},{"KV":{"Verb":"delete-cas","Key":"b"}},{"KV":{"Verb":"delete-tree"}}]`,
		`[{"Node":{"Verb":"set","Node":{"Node":"x","ID":"11111111-2222-4333-8444-555555555555","Meta":{"a":"b"}}}},{"Node":{"Verb":"delete","Node":{"Node":"n1"}}}]`,
		`[{"Node":{"Verb":"get","Node":{"ID":"zz"}}},{"Node":{"Verb":"set","Node":{"Node":"y","ID":"11111111-2222-4333-8444-555555555555"}}}]`,
		`[{"Service":{"Verb":"set","Node":"n1","Service":{"Service":"web","Port":-1,"Weights":{"Passing":-1},"Tags":null}}}]`, `[{"Service":{"Verb":"cas","Node":"x"}}]`,
		`[{"Check":{"Verb":"set","Check":{"Node":"n1","CheckID":"c","Definition":{"Interval":"10s","Nope":[]}}}}]`, `[{"Check":{"Verb":"delete","Check":{}}}]`,
		`[{"Check":{"Verb":"set","Check":{"Node":"n1","CheckID":"c","Definition":"x"}}}]`, `[{"kv":{"verb":"SET"}}]`, "[{\"KV\":{\"Verb\":\"set\",\"Key\":\"\xff\"}}]",
	} {
		f.Add(seed)
	}
	h, state := newHandler(f)
	f.Fuzz(func(t *testing.T, body string) {
		before := state.View().Index()
		answer := request(h, http.MethodPut, "/v1/txn", "", body)
		if !slices.Contains([]int{http.StatusOK, http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge}, answer.Code) {
			t.Errorf("%s: %d %s", body, answer.Code, answer.Body)
		}
		if answer.Code != http.StatusOK && state.View().Index() != before {
			t.Errorf("%s: %d %s, and something was written", body, answer.Code, answer.Body)
		}
		var read consulwire.TxnReadAnswer
		if answer.Code == http.StatusOK || answer.Code == http.StatusConflict {
			if err := json.Unmarshal(answer.Body.Bytes(), &read); err != nil || (read.Errors == nil) != (answer.Code == http.StatusOK) {
				t.Errorf("%s: %d %s: %v", body, answer.Code, answer.Body, err)
			}
		}
		if state.View().Node("n1") == nil {
			t.Fatalf("%s has removed the agent's node", body)
		}
	})
}

func TestNodeIDs(t *testing.T) {
	for id, want := range map[string]string{
		"11111111-2222-4333-8444-55555555555F": "",
		"x":                                    "uuid string is wrong length",
		strings.Repeat("1", 36):                "uuid is improperly formatted",
		strings.Repeat("-", 36):                "uuid is improperly formatted",
		"1111-1111-2222-4333-8444-55555555555": "uuid is improperly formatted",
		"z1111111-2222-4333-8444-555555555555": "encoding/hex: invalid byte: U+007A 'z'",
	} {
		if err := uuid(id); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %q", id, err, want)
		}
	}
}

func TestOneSpellingOfChecks(t *testing.T) {
	serf, other := []string{consulwire.SerfHealth}, []string{"other"}
	for name, test := range map[string]struct{ node, older, wantNode, wantOlder []string }{
		"neither given":     {serf, serf, serf, nil},
		"older empty":       {serf, nil, nil, nil},
		"older given":       {serf, other, serf, other},
		"node given":        {other, serf, other, nil},
		"node empty":        {nil, other, nil, nil},
		"both of one's own": {other, other, other, other},
	} {
		s := &consulwire.Session{NodeChecks: test.node, Checks: test.older}
		oneSpelling(s)
		if !slices.Equal(s.NodeChecks, test.wantNode) || !slices.Equal(s.Checks, test.wantOlder) {
			t.Errorf("%s: node checks %q, checks %q", name, s.NodeChecks, s.Checks)
		}
	}
}
