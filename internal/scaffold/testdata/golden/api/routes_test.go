package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"

	"github.com/pandakit/panda/pandatest"

	shopapiv1 "example.com/shop-api/proto/shopapi/v1"
)

// start runs the service until the test ends, in the registry that it returns.
func start(t *testing.T) *pandatest.Registry {
	t.Helper()
	registry := pandatest.NewRegistry(t)
	svc, err := newService(registry.ServiceOptions(t)...)
	if err != nil {
		t.Fatal(err)
	}
	pandatest.Run(t, registry, svc)
	return registry
}

func TestJSON(t *testing.T) {
	registry := start(t)
	client := pandatest.HTTPClient(t, registry)
	for _, c := range []struct {
		verb, path, body string
		code             int
		want             string
	}{
		{"GET", "/v1/greetings/熊猫", "", 200, `"你好,熊猫"`},
		{"GET", "/v1/greetings/熊猫?salutation=Hi", "", 200, `"Hi,熊猫"`},
		{"GET", "/v1/greetings/%20", "", 400, `"code":3`},
		{"GET", "/v1/greetings/x?nobody=1", "", 400, "nobody"},
		{"GET", "/v1/greetings/x?salutation=a&salutation=b", "", 400, "salutation"},
		{"POST", "/v1/greetings", `{"name":"熊猫","salutation":"Hi"}`, 200, `"Hi,熊猫"`},
		{"POST", "/v1/greetings", `{"name":`, 400, `"code":3`},
		{"POST", "/v1/greetings", `{"nobody":1}`, 400, "nobody"},
		{"POST", "/v1/greetings", `{"name":"` + strings.Repeat("x", maxBody) + `"}`, 429, "larger than"},
		{"GET", "/v1/sum?number=1&number=-2&number=43", "", 200, `"42"`},
		{"GET", "/v1/sum", "", 200, `"0"`},
		{"GET", "/v1/sum?number=many", "", 400, `"code":3`},
		{"PUT", "/v1/sum", "", 405, ""},
		{"GET", "/v1/nothing", "", 404, ""},
	} {
		t.Run(c.verb+" "+c.path, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), c.verb, "http://shop-api.service.consul"+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			body, err := io.ReadAll(response.Body)
			got := strings.ReplaceAll(string(body), `": `, `":`) // protojson varies its spaces on purpose
			if err != nil || response.StatusCode != c.code || !strings.Contains(got, c.want) {
				t.Errorf("status %d, %v, want %d and %s in\n%s", response.StatusCode, err, c.code, c.want, got)
			}
		})
	}
}

// The same method is called with gRPC, by the name of the service.
func TestGRPC(t *testing.T) {
	registry := start(t)
	client := shopapiv1.NewShopApiServiceClient(pandatest.Dial(t, registry, "shop-api"))
	if got, err := client.Sum(t.Context(), &shopapiv1.SumRequest{Number: []int32{40, 2}}); err != nil || got.GetSum() != 42 {
		t.Errorf("got %v, %v, want 42", got, err)
	}
}

// What a google.api.http option asks for and the routes cannot do is told when the service starts.
func TestRoutesRefuse(t *testing.T) {
	greet := shopapiv1.File_shopapi_v1_shopapi_proto.Services().ByName("ShopApiService").Methods().ByName("Greet")
	for _, c := range []struct {
		rule *annotations.HttpRule
		want string
	}{
		{&annotations.HttpRule{}, "want get, put"},
		{&annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: "v1"}}, "begins with /"},
		{&annotations.HttpRule{Pattern: &annotations.HttpRule_Put{Put: "/v1/{nobody}"}}, "{nobody} is no field"},
		{&annotations.HttpRule{Pattern: &annotations.HttpRule_Delete{Delete: "/v1/{name=a/*}"}}, "{name=a/*} is no field"},
		{&annotations.HttpRule{Pattern: &annotations.HttpRule_Patch{Patch: "/v1"}, Body: "name"}, "only body"},
	} {
		if _, err := newRoute(c.rule, greet, grpc.MethodDesc{}, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("newRoute(%v): %v, want %q", c.rule, err, c.want)
		}
	}
}
