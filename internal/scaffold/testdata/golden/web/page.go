package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rpcv1 "example.com/rpc-web/proto/rpc/v1"
)

// patience bounds what a visitor waits for rpc.
const patience = 3 * time.Second

//go:embed page.html
var pageText string

// page answers visitors with what rpc says.
type page struct {
	client   rpcv1.RpcServiceClient
	template *template.Template
	logger   *slog.Logger
}

func newPage(client rpcv1.RpcServiceClient, logger *slog.Logger) *page {
	return &page{client, template.Must(template.New("page").Parse(pageText)), logger}
}

// answer is what a visitor is told: a message, or what is wrong.
type answer struct {
	Name    string `json:"-"`
	Message string `json:"message,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// html shows a form, and the answer below it. It loads nothing from elsewhere.
func (p *page) html(w http.ResponseWriter, r *http.Request) {
	shown, code := answer{}, http.StatusOK
	if r.FormValue("name") != "" {
		shown, code = p.greet(r.Context(), r.FormValue("name"))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
	w.WriteHeader(code)
	if err := p.template.Execute(w, shown); err != nil {
		p.logger.Debug("the visitor went away", "error", err)
	}
}

// json gives the same answer to programs, which ask for /api/greet?name=NAME.
func (p *page) json(w http.ResponseWriter, r *http.Request) {
	shown, code := p.greet(r.Context(), r.FormValue("name"))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(shown); err != nil {
		p.logger.Debug("the caller went away", "error", err)
	}
}

// greet calls rpc. When it does not answer, the visitor is told so, and the log is told why.
func (p *page) greet(ctx context.Context, name string) (shown answer, code int) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := p.client.Greet(ctx, &rpcv1.GreetRequest{Name: name})
	switch status.Code(err) {
	case codes.OK:
		return answer{Name: name, Message: out.GetMessage()}, http.StatusOK
	case codes.InvalidArgument:
		return answer{Name: name, Problem: status.Convert(err).Message()}, http.StatusBadRequest
	default:
		p.logger.Warn("rpc did not answer", "error", err)
		return answer{Name: name, Problem: "rpc does not answer at the moment; please try again shortly."}, http.StatusServiceUnavailable
	}
}
