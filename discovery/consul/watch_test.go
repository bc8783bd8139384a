package consul_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

const address = "agent:8500"

func single() consul.Config { return consul.Config{Addresses: []string{address}} }

// pass lets fake time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestWatchAsksForTheFullSetThenForChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, queries := newNetwork(t), &record{}
		n.set(address, func(w http.ResponseWriter, r *http.Request) {
			queries.add(r)
			if isHeld(r) {
				hold(r)
			}
			answer(w, 7, "a")
		})
		w := n.watch(n.registry(single()))
		pass(20 * time.Second)
		urls, _ := queries.all()
		want := []string{"GET /v1/health/service/orders?stale=", "GET /v1/health/service/orders?index=7&stale=&wait=30000ms"}
		if !slices.Equal(urls, want) {
			t.Errorf("queries are %q, want %q", urls, want)
		}
		if lines := w.lines(); !slices.Equal(lines, []string{"a "}) {
			t.Errorf("told %q, want a", lines)
		}
		pass(time.Hour) // waits end without a change
		if lines := w.lines(); len(lines) != 1 {
			t.Errorf("told %q, want nothing more", lines)
		}
	})
}

// A token that may not read instances any more gets an answer of none, which is not true.
func TestWatchKeepsWhatATokenMayNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, hidden := newNetwork(t), new(atomic.Bool)
		n.set(address, func(w http.ResponseWriter, r *http.Request) {
			if hidden.Load() && isHeld(r) {
				answer(w, 8) // as an agent does that follows the servers' stream
				return
			}
			if hidden.Load() {
				w.Header().Set("X-Consul-LastContact", "0")
				w.Header().Set("X-Consul-KnownLeader", "true")
				w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
				answer(w, 8)
				return
			}
			if isHeld(r) {
				hold(r)
			}
			answer(w, 7, "a")
		})
		w := n.watch(n.registry(single()))
		pass(time.Second)
		hidden.Store(true)
		pass(time.Minute)
		hidden.Store(false)
		pass(time.Minute)
		lines := w.lines()
		if len(lines) != 3 || lines[0] != "a " || !strings.HasPrefix(lines[1], "a error: ") || lines[2] != "a " {
			t.Fatalf("told %q, want a, a beside an error, and a", lines)
		}
		if !strings.Contains(lines[1], "needs service:read and node:read") {
			t.Errorf("error %q does not say what the token needs", lines[1])
		}
	})
}

func TestWatchSurvivesAnIndexThatGoesBackwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, queries := newNetwork(t), &record{}
		n.set(address, func(w http.ResponseWriter, r *http.Request) {
			switch queries.add(r) {
			case 1:
				answer(w, 10, "a", "b")
			case 2, 3:
				answer(w, 5, "b")
			default:
				hold(r)
				answer(w, 5, "b")
			}
		})
		w := n.watch(n.registry(single()))
		pass(9 * time.Second)
		urls, _ := queries.all()
		if len(urls) != 4 || !strings.Contains(urls[1], "index=10") || strings.Contains(urls[2], "index") || !strings.Contains(urls[3], "index=5") {
			t.Errorf("queries are %q, want one without an index after the lower one", urls)
		}
		if lines := w.lines(); !slices.Equal(lines, []string{"a b "}) {
			t.Errorf("told %q within the grace, want a and b alone", lines)
		}
		pass(2 * time.Second)
		if lines := w.lines(); !slices.Equal(lines, []string{"a b ", "b "}) {
			t.Errorf("told %q after the grace, want b in the end", lines)
		}
	})
}

func TestWatchTakesAnIndexOfZeroForOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, queries := newNetwork(t), &record{}
		n.set(address, func(w http.ResponseWriter, r *http.Request) {
			queries.add(r)
			answer(w, 0, "a")
		})
		n.watch(n.registry(single()))
		pass(time.Minute)
		urls, _ := queries.all()
		if !strings.Contains(urls[1], "index=1&") {
			t.Errorf("the second query is %s, want index=1", urls[1])
		}
		if len(urls) > 30 {
			t.Errorf("%d queries in a minute to an agent that does not wait, want at most 30", len(urls))
		}
	})
}

func TestWatchIsPoliteUnderChurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, queries := newNetwork(t), &record{}
		var index atomic.Int64
		n.set(address, func(w http.ResponseWriter, r *http.Request) {
			queries.add(r)
			i := int(index.Add(1))
			answer(w, i, string(rune('a'+i%2)))
		})
		w := n.watch(n.registry(single()))
		pass(time.Second)
		if urls, _ := queries.all(); len(urls) > 52 || len(urls) < 40 {
			t.Errorf("%d queries in a second of constant change, want about 50", len(urls))
		}
		if lines := w.lines(); len(lines) < 40 {
			t.Errorf("%d snapshots in a second of constant change, want about 50", len(lines))
		}
	})
}

func TestWatchNoticesAHangingRegistry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(address, hang)
		w, began := n.watch(n.registry(single())), time.Now()
		pass(time.Minute)
		if lines := w.lines(); !slices.Equal(lines, []string{"error: no answer within 5s"}) {
			t.Fatalf("told %q, want one error", lines)
		}
		if since := w.snapshots[0].Since; !since.Equal(began) {
			t.Errorf("away since %v, want %v, when the first query was sent", since, began)
		}
		n.set(address, func(w http.ResponseWriter, r *http.Request) {
			if isHeld(r) {
				hang(w, r)
			}
			answer(w, 1, "a")
		})
		pass(15 * time.Second)
		if lines := w.lines(); !slices.Equal(lines[1:], []string{"a "}) {
			t.Fatalf("told %q, want the instance in the end", lines)
		}
		n.set(address, nil)
		pass(20 * time.Second)
		if lines := w.lines(); len(lines) != 2 {
			t.Fatalf("told %q, want nothing new while a query is held", lines)
		}
		pass(30 * time.Second)
		if lines := w.lines(); !slices.Equal(lines[2:], []string{"a error: connection refused"}) {
			t.Fatalf("told %q, want the instance beside an error once the held query has hung too long", lines)
		}
	})
}

func TestWatchFailsOverAtOnce(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]http.HandlerFunc{
		"refused": nil,
		"hanging": hang,
		"ill": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "No cluster leader", http.StatusInternalServerError)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.set("first:8500", broken)
				n.set("second:8500", func(w http.ResponseWriter, r *http.Request) {
					hold(r)
					answer(w, 1, "a")
				})
				r := n.registry(consul.Config{Addresses: []string{"first", "second"}})
				w := n.watch(r)
				pass(time.Minute)
				if lines := w.lines(); !slices.Equal(lines, []string{"a "}) {
					t.Errorf("told %q, want the second agent's answer alone", lines)
				}
				if names, err := r.Services(t.Context()); err == nil {
					t.Errorf("Services: %q, want an error: neither agent lists services", names)
				} else if text := err.Error(); !strings.Contains(text, "first:8500") || !strings.Contains(text, "second:8500") {
					t.Errorf("Services: %v, want both agents named", err)
				}
				n.set("second:8500", broken)
				pass(time.Hour)
				if lines := w.lines(); len(lines) != 2 || !strings.HasPrefix(lines[1], "a error: first:8500: ") || !strings.Contains(lines[1], "; second:8500: ") {
					t.Errorf("told %q, want one error that names both agents", lines)
				}
			})
		})
	}
}

// A proxy that breaks what idles must not make an error of it, nor a storm.
func TestWatchBearsHeldQueriesThatBreak(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, queries := newNetwork(t), &record{}
		n.set(address, func(w http.ResponseWriter, r *http.Request) {
			queries.add(r)
			if isHeld(r) {
				panic(http.ErrAbortHandler)
			}
			answer(w, 1, "a")
		})
		w := n.watch(n.registry(single()))
		pass(time.Minute)
		if lines := w.lines(); !slices.Equal(lines, []string{"a "}) {
			t.Errorf("told %q, want the instance alone", lines)
		}
		if urls, _ := queries.all(); len(urls) < 10 || len(urls) > 60 {
			t.Errorf("%d queries in a minute, want some that are spread", len(urls))
		}
	})
}

func TestWatchSaysWhatIsWrongWithAnAnswer(t *testing.T) {
	t.Parallel()
	for want, agent := range map[string]http.HandlerFunc{
		"answers 500 Internal Server Error: No cluster leader": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "No cluster leader", http.StatusInternalServerError)
		},
		"answers 403 Forbidden: Permission denied; check the ACL token (CONSUL_HTTP_TOKEN)": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Permission denied", http.StatusForbidden)
		},
		"answers 302 Found": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://elsewhere:80/")
			w.WriteHeader(http.StatusFound)
		},
		"the connection ended before the answer did": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`[{"Service":{"ID":"a"`))
		},
		"the answer is not one of Consul's API: invalid character '<' looking for beginning of value": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("<html>"))
		},
		"the answer is not one of Consul's API: json: cannot unmarshal object into Go value of type []*api.ServiceEntry": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("{}"))
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.set(address, agent)
				cfg := single()
				cfg.Token = "secret-token"
				w := n.watch(n.registry(cfg))
				pass(time.Minute)
				if lines := w.lines(); !slices.Equal(lines, []string{"error: " + want}) {
					t.Fatalf("told %q, want the error %q once", lines, want)
				}
				n.set(address, func(w http.ResponseWriter, r *http.Request) {
					hold(r)
					answer(w, 1, "a")
				})
				pass(time.Minute)
				if lines := w.lines(); !slices.Equal(lines[1:], []string{"a "}) {
					t.Errorf("told %q, want the instance in the end", lines)
				}
			})
		})
	}
}

func TestWatchReadsInstances(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(address, func(w http.ResponseWriter, r *http.Request) {
			hold(r)
			w.Header().Set("X-Consul-Index", "1")
			_, _ = fmt.Fprintf(w, `[null, {}, {"Node":null,"Service":{"ID":"nowhere","Service":"orders"}},
				{"Node":{"Node":"n2","Address":"10.0.0.2","Datacenter":"dc9"},"Service":{"ID":"b","Service":"orders","Address":"::1","Port":80,"Weights":{"Passing":9}},
				 "Checks":[{"CheckID":"_node_maintenance","Status":"critical","Output":%q},null,{"CheckID":"Z","Status":"warning"}]},
				{"Node":{"Node":"n1","Address":"10.0.0.1","Datacenter":"dc9"},"Service":{"ID":"c","Service":"orders","Port":81,"Tags":["x"],"Meta":{"k":"v"}},
				 "Checks":[{"CheckID":"_service_maintenance:c","Status":"critical"}]}]`, strings.Repeat("é", 2000))
		})
		w := n.watch(n.registry(single()))
		pass(time.Second)
		got := w.snapshots[0].Instances
		if len(got) != 3 || got[0].ID != "nowhere" || got[1].ID != "c" || got[2].ID != "b" {
			t.Fatalf("instances are %+v, want nowhere, c, b in the order of their nodes", got)
		}
		if got[0].Usable() || got[0].Weight != 1 {
			t.Errorf("an instance without an address is %+v, want it critical, with weight 1", got[0])
		}
		if c := got[1]; c.Endpoint() != "10.0.0.1:81" || c.Status() != discovery.Maintenance || c.Tags[0] != "x" || c.Meta["k"] != "v" || c.Datacenter != "dc9" {
			t.Errorf("c is %+v", c)
		}
		b := got[2]
		if b.Endpoint() != "[::1]:80" || b.Weight != 9 || b.Checks[0].ID != "Z" || b.Checks[1].Status != discovery.Maintenance {
			t.Errorf("b is %+v", b)
		}
		if output := b.Checks[1].Output; output != strings.Repeat("é", 512) {
			t.Errorf("the output has %d bytes, want the first 1024", len(output))
		}
	})
}

func TestWatchRefusesWhatCannotBeAName(t *testing.T) {
	t.Parallel()
	r := newNetwork(t).registry(single())
	for _, name := range []string{"", "..", "../kv/secret", "a//b", "a\nb"} {
		if err := r.Watch(t.Context(), name, nil); err == nil || !strings.Contains(err.Error(), "watch service") {
			t.Errorf("Watch of %q: %v, want an error that names it", name, err)
		}
	}
}

// Farther datacenters may be slow or ill; the nearest is not held up for long.
func TestWatchOfSeveralDatacenters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var far atomic.Value
		far.Store("hang")
		n.set(address, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.FormValue("dc") == "":
				hold(r)
				answer(w, 1, "near")
			case far.Load() == "hang":
				hang(w, r)
			case far.Load() == "ill":
				http.Error(w, "No path to datacenter", http.StatusInternalServerError)
			default:
				answer(w, 1, "far")
				if isHeld(r) {
					hold(r)
				}
			}
		})
		cfg := single()
		cfg.Failover = []string{"elsewhere"}
		w := n.watch(n.registry(cfg))
		pass(999 * time.Millisecond)
		if lines := w.lines(); len(lines) != 0 {
			t.Errorf("told %q before the farther datacenter had its time", lines)
		}
		pass(time.Minute)
		if lines := w.lines(); !slices.Equal(lines, []string{"near "}) {
			t.Errorf("told %q, want the nearest alone", lines)
		}
		far.Store("well")
		pass(time.Minute)
		far.Store("ill")
		pass(time.Hour)
		if lines := w.lines(); !slices.Equal(lines, []string{"near ", "near far "}) {
			t.Errorf("told %q, want both in the end", lines)
		}
	})
}

func TestRegistryKeepsNoConnectionAfterItsCalls(t *testing.T) {
	t.Parallel()
	url := onSocket(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"orders":[],"a":[]}`)) })
	r, err := consul.New(consul.Config{Addresses: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	names, err := r.Services(t.Context())
	if err != nil || !slices.Equal(names, []string{"a", "orders"}) {
		t.Errorf("Services: %q, %v", names, err)
	}
	// TestMain finds what a connection that stays open leaves running.
}
