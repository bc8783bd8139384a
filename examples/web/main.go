// Command web is a page in a browser that greets people: it calls hello by name and shows what it
// answers. It renders on the server and loads nothing from anywhere else.
package main

import (
	"context"
	_ "embed"
	"html/template"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/status"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/examples/hellopb"
)

// What a visitor may send, and how long one waits for hello.
const (
	maxName   = 64 // characters
	helloTime = 3 * time.Second
)

//go:embed page.html
var pageText string

// page shows a form, and below it a greeting or what went wrong.
type page struct {
	hello    hellopb.HelloServiceClient
	template *template.Template
	logger   *slog.Logger
}

type view struct {
	Name     string
	MaxName  int
	Greeting string
	Problem  string
}

func newPage(hello hellopb.HelloServiceClient, logger *slog.Logger) *page {
	return &page{hello, template.Must(template.New("page").Parse(pageText)), logger}
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := view{Name: strings.TrimSpace(r.FormValue("name")), MaxName: maxName}
	code := http.StatusOK
	switch {
	case v.Name == "":
	case utf8.RuneCountInString(v.Name) > maxName:
		v.Name, v.Problem, code = "", "This name is too long to greet.", http.StatusBadRequest
	default:
		v.Greeting, v.Problem, code = p.greet(r.Context(), v.Name)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
	w.WriteHeader(code)
	if err := p.template.Execute(w, v); err != nil {
		p.logger.Debug("visitor went away", "error", err)
	}
}

// greet asks hello. A visitor is told that it did not answer, the log is told why.
func (p *page) greet(ctx context.Context, name string) (greeting, problem string, code int) {
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	answer, err := p.hello.SayHello(ctx, &hellopb.HelloRequest{Name: name})
	if err != nil {
		p.logger.Warn("hello did not answer", "code", status.Code(err).String(), "error", err)
		return "", "The hello service does not answer at the moment. Please try again shortly.", http.StatusServiceUnavailable
	}
	return answer.GetMsg(), "", http.StatusOK
}

func main() {
	if err := run(); err != nil {
		slog.Error("web ends", "error", err)
		os.Exit(1)
	}
}

func run() error {
	conn, err := panda.Dial("hello")
	if err != nil {
		return err
	}
	defer conn.Close()
	svc := panda.NewService("web")
	svc.Handle("GET /{$}", newPage(hellopb.NewHelloServiceClient(conn), slog.Default()))
	return svc.Run(context.Background())
}
