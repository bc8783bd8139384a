package consul

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/hashicorp/consul/api"
)

func FuzzReadEntries(f *testing.F) {
	for _, answer := range []string{
		`[null,{},{"Node":null,"Service":{}}]`,
		`[{"Node":{"Node":"n","Address":"10.0.0.1"},"Service":{"ID":"a","Port":-1},"Checks":[null,{"CheckID":"_node_maintenance"}]}]`,
		`[{"Service":{"ID":"b","Address":"::1","Port":80,"Weights":{"Passing":-5}},"Checks":[{"Type":"ttl","Status":"critical","Output":"TTL expired"}]}]`,
	} {
		f.Add([]byte(answer))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		var entries []*api.ServiceEntry
		if json.Unmarshal(answer, &entries) != nil {
			return
		}
		seen := readEntries(entries, 3)
		if !slices.IsSortedFunc(seen, func(a, b sighting) int { return compareInstances(&a.Instance, &b.Instance) }) {
			t.Error("the instances are not in order")
		}
		for i := range seen {
			s := &seen[i]
			if s.Usable() && (s.Port < 1 || s.Port > 65535 || s.Address == "" || s.overdue) || s.Weight < 1 || s.Distance != 3 {
				t.Errorf("%+v is not fit for callers", s)
			}
			for _, c := range s.Checks {
				if len(c.Output) > outputLimit {
					t.Errorf("an output of %d bytes", len(c.Output))
				}
			}
		}
	})
}
