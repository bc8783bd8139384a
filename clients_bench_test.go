package panda_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/discovery/inmemory"
)

// What a call by name costs, both sides together; on loopback, with one caller.
func BenchmarkClients(b *testing.B) {
	registry := inmemory.New()
	service := newService(registry)
	service.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") }))
	service.HandleRPC("Panda", new(Panda))
	run(b, service)
	web := panda.HTTPClient(panda.WithRegistry(registry), panda.WithLogger(quiet()))
	defer web.CloseIdleConnections()
	rpc := panda.DialRPC("test", panda.WithRegistry(registry), panda.WithLogger(quiet()))
	defer rpc.Close()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		b.Run(method, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				request, err := http.NewRequestWithContext(b.Context(), method, "http://test.service.consul/", http.NoBody)
				if err != nil {
					b.Fatal(err)
				}
				response, err := web.Do(request)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, response.Body); err != nil {
					b.Fatal(err)
				}
				response.Body.Close()
			}
		})
	}
	b.Run("net/rpc", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var reply int
			if err := rpc.Call(b.Context(), "Panda.GetInfo", 1, &reply); err != nil {
				b.Fatal(err)
			}
		}
	})
}
