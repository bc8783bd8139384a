package consulwire_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/internal/consulwire"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`"10s"`: 10 * time.Second, `10000000000`: 10 * time.Second, `"1m30s"`: 90 * time.Second, `0`: 0, `null`: 0, `-5`: -5,
	} {
		var d consulwire.Duration
		if err := json.Unmarshal([]byte(text), &d); err != nil || time.Duration(d) != want {
			t.Errorf("%s: got %v and %v, want %v", text, time.Duration(d), err, want)
		}
	}
	for _, text := range []string{`"10"`, `"x"`, `1e300`, `-1e300`, `{}`, `[]`, `true`} {
		var d consulwire.Duration
		if err := json.Unmarshal([]byte(text), &d); err == nil {
			t.Errorf("%s was read as %v", text, time.Duration(d))
		}
	}
	if got, err := json.Marshal(consulwire.Duration(90 * time.Second)); err != nil || string(got) != `"1m30s"` {
		t.Errorf("wrote %s, %v", got, err)
	}
}

// TestSpellings holds that the snake_case spellings and any case of a key are the same registration.
func TestSpellings(t *testing.T) {
	var camel, snake consulwire.ServiceRegistration
	for text, into := range map[string]*consulwire.ServiceRegistration{
		`{"ID":"a","Name":"n","EnableTagOverride":true,"TaggedAddresses":{"lan":{"Address":"x","Port":1}},
		  "Check":{"TTL":"10s","DeregisterCriticalServiceAfter":"1m","TLSServerName":"s","TLSSkipVerify":true,
		  "GRPCUseTLS":true,"ScriptArgs":["a"],"DockerContainerID":"d","ServiceID":"i","DisableRedirects":true}}`: &camel,
		`{"id":"a","name":"n","enable_tag_override":true,"tagged_addresses":{"lan":{"address":"x","port":1}},
		  "check":{"ttl":10000000000,"deregister_critical_service_after":60000000000,"tls_server_name":"s","tls_skip_verify":true,
		  "grpc_use_tls":true,"args":["a"],"docker_container_id":"d","service_id":"i","disable_redirects":true}}`: &snake,
	} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(camel, snake) || camel.Check.ScriptArgs[0] != "a" {
		t.Errorf("read as\n%+v\n%+v", camel, snake)
	}
}

func TestRegistrationRefusesUnknownFields(t *testing.T) {
	for _, text := range []string{`{"Name":"n","Nope":1}`, `{"Name":"n","Check":{"Nope":1}}`, `{"Name":"n","Checks":[{"Nope":1}]}`} {
		var r consulwire.ServiceRegistration
		if err := json.Unmarshal([]byte(text), &r); err == nil || !strings.Contains(err.Error(), `unknown field "Nope"`) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestReadsWhatTheClientWrites holds that no field of the Go client is unknown here.
func TestReadsWhatTheClientWrites(t *testing.T) {
	sent := filled(reflect.TypeFor[api.AgentServiceRegistration](), 0).Interface().(api.AgentServiceRegistration)
	sent.Proxy.EnvoyExtensions, sent.Proxy.LocalServicePorts, sent.Proxy.AccessLogs = nil, nil, nil // of later Consuls
	written, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var r consulwire.ServiceRegistration
	if err := json.Unmarshal(written, &r); err != nil {
		t.Fatalf("read %s: %v", written, err)
	}
	if r.Name != "1s" || r.Check.TTL != consulwire.Duration(time.Second) || len(r.Checks) != 1 || r.Weights.Passing != 1 ||
		r.Proxy.DestinationServiceName != "1s" || len(r.Proxy.Upstreams) != 1 || !r.Connect.Native {
		t.Errorf("read %+v", r)
	}
}

// TestProxysSpellings holds that both spellings of a proxy are the same, that one in camel case goes before, and that what
// Consul 1.12 does not know is refused where it says anything.
func TestProxysSpellings(t *testing.T) {
	var camel, snake consulwire.Proxy
	for text, into := range map[string]*consulwire.Proxy{
		`{"DestinationServiceName":"a","DestinationServiceID":"b","LocalServiceAddress":"c","LocalServicePort":1,"LocalServiceSocketPath":"d",
		  "MeshGateway":{"Mode":"local"},"TransparentProxy":{"DialedDirectly":true},"Upstreams":[{"DestinationType":"service","DestinationName":"e",
		  "LocalBindPort":2}],"Expose":{"Paths":[{"ListenerPort":3,"LocalPathPort":4}]},"AccessLogs":{},"EnvoyExtensions":[]}`: &camel,
		`{"destination_service_name":"a","DestinationServiceName":"","destination_service_id":"x","destinationserviceid":"b","local_service_address":"c",
		  "local_service_port":1,"local_service_socket_path":"d","mesh_gateway":{"Mode":"local"},"transparent_proxy":{"DialedDirectly":true},
		  "upstreams":[{"destination_type":"service","destination_name":"e","local_bind_port":2}],"expose":{"paths":[{"listener_port":3,"local_path_port":4}]}}`: &snake,
	} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(camel, snake) || camel.DestinationServiceID != "b" || camel.Upstreams[0].LocalBindPort != 2 {
		t.Errorf("read as\n%+v\n%+v", camel, snake)
	}
	for _, text := range []string{`{"AccessLogs":{"Enabled":true}}`, `{"Nope":1}`, `{"Upstreams":[{"Nope":1}]}`, `{"Expose":{"Paths":[{"Nope":1}]}}`, `[]`, `1`} {
		if err := json.Unmarshal([]byte(text), new(consulwire.Proxy)); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

// filled returns a value with every field set, strings to "1s" so that they are durations too.
func filled(t reflect.Type, depth int) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() { //nolint:exhaustive // the client has no other kinds
	case reflect.String:
		v.SetString("1s")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(filled(t.Elem(), depth+1))
	case reflect.Slice:
		v.Set(reflect.Append(v, filled(t.Elem(), depth+1)))
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(filled(t.Key(), depth+1), filled(t.Elem(), depth+1))
	case reflect.Struct:
		for i := range t.NumField() {
			if depth < 4 && t.Field(i).IsExported() && t.Field(i).Name != "SidecarService" {
				v.Field(i).Set(filled(t.Field(i).Type, depth+1))
			}
		}
	}
	return v
}

func TestEmptyCheck(t *testing.T) {
	for text, want := range map[string]bool{`null`: true, `{}`: true, `{"TTL":"1s"}`: false, `{"Name":"n"}`: false} {
		var c *consulwire.CheckRegistration
		if err := json.Unmarshal([]byte(text), &c); err != nil || c.Empty() != want {
			t.Errorf("%s: empty is %v, error %v", text, c.Empty(), err)
		}
	}
}

// FuzzServiceRegistration holds that what is read once can be written and is then read as the same.
func FuzzServiceRegistration(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"Name":"web","Port":80,"Tags":["a"],"Meta":{"k":"v"},"Check":{"TTL":"10s"}}`,
		`{"name":"web","checks":[{"http":"http://a","interval":10000000000},null,{}],"weights":{"passing":1}}`,
		`{"Name":"web","Check":{"TTL":1e400}}`, `{"Name":"w","enable_tag_override":true,"Proxy":{"x":[1]}}`,
		`{"Name":"web","Check":{"args":["a"],"script_args":["b"]}} trailing`, `{"Name":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second consulwire.ServiceRegistration
		if json.Unmarshal(data, &first) != nil {
			return
		}
		written, err := json.Marshal(&first)
		if err != nil {
			t.Fatalf("write %+v: %v", first, err)
		}
		if err := json.Unmarshal(written, &second); err != nil {
			t.Fatalf("read again %s: %v", written, err)
		}
		again, err := json.Marshal(&second)
		if err != nil || !bytes.Equal(again, written) {
			t.Fatalf("wrote %s, then %s (%v)", written, again, err)
		}
	})
}
