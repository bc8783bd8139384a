package consul

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery"
)

// seen reads "a b! c? d@9": usable, ill, critical for an overdue TTL, usable at port 9.
func seen(text string) []sighting {
	var all []sighting
	for word := range strings.FieldsSeq(text) {
		s := sighting{Instance: discovery.Instance{ID: word[:1], Address: "10.0.0." + word[:1], Port: 1}}
		switch mark := word[1:]; {
		case mark == "!" || mark == "?":
			s.Checks = []discovery.Check{{Status: discovery.Critical}}
			s.overdue = mark == "?"
		case strings.HasPrefix(mark, "@"):
			s.Port = int(mark[1] - '0')
		}
		all = append(all, s)
	}
	return all
}

func published(v *view) string {
	var words []string
	for i := range v.instances {
		word := v.instances[i].ID
		if !v.instances[i].Usable() {
			word += "!"
		}
		if port := v.instances[i].Port; port != 1 {
			word += "@" + string(rune('0'+port))
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestGrace(t *testing.T) {
	t.Parallel()
	type step struct {
		after time.Duration // since the step before
		what  string        // "lost": the registry is away; "=…": an answer; "~…": the first answer after a disruption; "": time alone
		want  string
	}
	for name, steps := range map[string][]step{
		"without a disruption an answer counts": {{0, "=a b", "a b"}, {1, "=b", "b"}, {1, "=", ""}},
		"what is known stays while away":        {{0, "=a b!", "a b!"}, {1, "lost", "a b!"}, {100, "", "a b!"}},
		"restarted empty": {
			{0, "=a b c!", "a b c!"}, {1, "lost", "a b c!"}, {60, "~", "a b"}, {4, "=b", "a b"}, {4, "=a b", "a b"}, {3, "", "a b"}, {1, "=b", "b"},
		},
		"a dead one goes when the grace ends": {{0, "=a b", "a b"}, {1, "~b", "a b"}, {9, "", "a b"}, {1, "", "b"}},
		"seen, and lost a moment later":       {{0, "=a", "a"}, {1, "~a", "a"}, {1, "=", "a"}, {9, "", ""}},
		"seen, and then overdue":              {{0, "=a", "a"}, {1, "~a", "a"}, {1, "=a?", "a"}, {1, "=a", "a"}, {8, "", "a"}, {1, "=a?", "a!"}},
		"ill is ill at once":                  {{0, "=a b", "a b"}, {1, "~a! b?", "a! b"}, {1, "=", "b"}},
		"overdue in the end":                  {{0, "=a", "a"}, {1, "~a?", "a"}, {10, "", "a!"}},
		"moved is moved":                      {{0, "=a", "a"}, {1, "~a@2", "a@2"}, {1, "=", ""}},
		"ill before is not kept":              {{0, "=a!", "a!"}, {1, "~", ""}},
		"a second outage begins anew":         {{0, "=a", "a"}, {1, "~", "a"}, {9, "lost", "a"}, {60, "~", "a"}, {9, "=", "a"}, {1, "", ""}},
		"nothing known before":                {{0, "lost", ""}, {1, "~", ""}, {1, "=a", "a"}, {1, "=", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, now := &view{grace: 10 * time.Second}, time.Unix(0, 0)
			for n, s := range steps {
				now = now.Add(s.after * time.Second)
				switch s.what {
				case "":
					v.expire(now)
				case "lost":
					v.take(report{err: errors.New("away"), since: now}, now)
				default:
					v.take(report{seen: seen(s.what[1:]), disrupted: s.what[0] == '~'}, now)
				}
				if got := published(v); got != s.want {
					t.Fatalf("step %d (%q): published %q, want %q", n+1, s.what, got, s.want)
				}
			}
		})
	}
	v := &view{}
	v.take(report{seen: seen("a")}, time.Unix(0, 0))
	if v.take(report{disrupted: true}, time.Unix(1, 0)); published(v) != "" {
		t.Errorf("without a grace %q is published, want nothing", published(v))
	}
}
