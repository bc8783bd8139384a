package control

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/pandakit/panda/internal/controlsocket"
	"github.com/pandakit/panda/internal/workspace"
)

// The bodies of requests and answers about upgrades and single instances.
type (
	upgradeRequest struct {
		Service string `json:"service"`
		From    string `json:"from,omitempty"`
		Binary  string `json:"binary,omitempty"`
	}
	upgradeOpening struct {
		Session string                      `json:"session"`
		Same    bool                        `json:"same"`
		Old     []workspace.UpgradeInstance `json:"old"`
	}
	stepRequest struct {
		Session string `json:"session"`
		Weight  int    `json:"weight,omitempty"` // of start
		ID      string `json:"id,omitempty"`     // of drain
	}
	drainedAnswer struct {
		Killed bool `json:"killed"`
	}
	drainRequest struct {
		Instance string `json:"instance"`
	}
	drainAnswer struct {
		ID   string `json:"id"`
		Left int    `json:"left"`
	}
)

// upgrades are those on their way, by the sessions that their requests name.
type upgrades struct {
	mu   sync.Mutex
	open map[string]*session
}

// session is an upgrade that lasts as long as the request that began it, so that one whose owner is gone is ended by
// the workspace.
type session struct {
	upgrade *workspace.Upgrade
	step    chan struct{} // holds a value while a step is taken
	end     func()        // as its owner asks
}

func (u *upgrades) add(s *session) (id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open == nil {
		u.open = make(map[string]*session)
	}
	id = rand.Text()
	u.open[id] = s
	return id
}

func (u *upgrades) remove(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.open, id)
}

func (u *upgrades) find(id string) (*session, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if s := u.open[id]; s != nil {
		return s, nil
	}
	return nil, &workspace.RefusedError{Text: "the upgrade has ended"}
}

// handleUpgrades adds the requests about upgrades and single instances.
func (s *Server) handleUpgrades(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/upgrade", s.upgrade)
	mux.HandleFunc("POST /v1/upgrade/rehearse", handle(s.step(func(ctx context.Context, u *workspace.Upgrade, _ stepRequest) (any, error) {
		return u.Rehearse(ctx)
	})))
	mux.HandleFunc("POST /v1/upgrade/start", handle(s.step(func(ctx context.Context, u *workspace.Upgrade, in stepRequest) (any, error) {
		return u.Start(ctx, in.Weight)
	})))
	mux.HandleFunc("POST /v1/upgrade/drain", handle(s.step(func(ctx context.Context, u *workspace.Upgrade, in stepRequest) (any, error) {
		killed, err := u.Drain(ctx, in.ID)
		return drainedAnswer{killed}, err
	})))
	mux.HandleFunc("POST /v1/upgrade/end", handle(func(_ context.Context, in stepRequest) (any, error) {
		session, err := s.upgrades.find(in.Session)
		if err == nil {
			session.end()
		}
		return struct{}{}, err
	}))
	mux.HandleFunc("POST /v1/drain", handle(func(ctx context.Context, in drainRequest) (any, error) {
		id, left, err := s.Runner.Drain(ctx, in.Instance)
		return drainAnswer{id, left}, err
	}))
}

// upgrade begins one, says what it finds, and lasts until its owner ends it or is gone. Its answer ends when the service
// has one version again.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	var in upgradeRequest
	if err := controlsocket.Read(w, r, &in); err != nil {
		controlsocket.Answer(w, http.StatusBadRequest, errorOf(err))
		return
	}
	begun := false
	err := s.Runner.Upgrade(r.Context(), in.Service, workspace.Version{From: in.From, Binary: in.Binary}, func(ctx context.Context, u *workspace.Upgrade) error {
		begun = true
		ended, end := context.WithCancel(ctx)
		defer end()
		own := &session{upgrade: u, step: make(chan struct{}, 1), end: end}
		id := s.upgrades.add(own)
		controlsocket.Answer(w, http.StatusOK, upgradeOpening{Session: id, Same: u.Same, Old: u.Old})
		if err := http.NewResponseController(w).Flush(); err == nil {
			<-ended.Done()
		}
		s.upgrades.remove(id)
		own.step <- struct{}{} // the last one ends with its request, or with ctx
		return nil
	})
	if err != nil && !begun {
		controlsocket.Answer(w, http.StatusUnprocessableEntity, errorOf(err))
	}
}

// step takes one step of an upgrade, after the one before it.
func (s *Server) step(do func(ctx context.Context, u *workspace.Upgrade, in stepRequest) (any, error)) func(context.Context, stepRequest) (any, error) {
	return func(ctx context.Context, in stepRequest) (any, error) {
		session, err := s.upgrades.find(in.Session)
		if err != nil {
			return nil, err
		}
		select {
		case session.step <- struct{}{}:
			defer func() { <-session.step }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if _, err := s.upgrades.find(in.Session); err != nil { // it has ended meanwhile
			return nil, err
		}
		return do(ctx, session.upgrade, in)
	}
}

// Upgrade is one that a running workspace does as it is told; see [workspace.Upgrade]. Its methods are called one at a
// time. When its process ends, the workspace leaves the service with one version by itself.
type Upgrade struct {
	Same bool
	Old  []workspace.UpgradeInstance

	client  *Client
	session string
	stream  io.ReadCloser
	abandon context.CancelFunc
}

// Upgrade begins one: the version is built when it returns. The caller closes it. ctx is for the beginning alone.
func (c *Client) Upgrade(ctx context.Context, service string, version workspace.Version) (*Upgrade, error) {
	lasting, abandon := context.WithCancel(context.WithoutCancel(ctx))
	begun := context.AfterFunc(ctx, abandon)
	response, err := c.send(lasting, http.MethodPost, "/v1/upgrade", upgradeRequest{service, version.From, version.Binary})
	if err != nil {
		abandon()
		return nil, err
	}
	var opening upgradeOpening
	err = json.NewDecoder(response.Body).Decode(&opening)
	if !begun() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		abandon()
		_ = response.Body.Close() // it has ended
		return nil, fmt.Errorf("read the answer of panda up: %w", err)
	}
	return &Upgrade{Same: opening.Same, Old: opening.Old, client: c, session: opening.Session, stream: response.Body, abandon: abandon}, nil
}

// Rehearse starts an instance that is not registered.
func (u *Upgrade) Rehearse(ctx context.Context) (in workspace.UpgradeInstance, err error) {
	err = u.client.do(ctx, http.MethodPost, "/v1/upgrade/rehearse", stepRequest{Session: u.session}, &in)
	return in, err
}

// Start starts an instance that is registered: with weight 0 one that is to stay.
func (u *Upgrade) Start(ctx context.Context, weight int) (in workspace.UpgradeInstance, err error) {
	err = u.client.do(ctx, http.MethodPost, "/v1/upgrade/start", stepRequest{Session: u.session, Weight: weight}, &in)
	return in, err
}

// Drain ends an instance that takes part.
func (u *Upgrade) Drain(ctx context.Context, id string) (killed bool, err error) {
	var out drainedAnswer
	err = u.client.do(ctx, http.MethodPost, "/v1/upgrade/drain", stepRequest{Session: u.session, ID: id}, &out)
	return out.Killed, err
}

// Close ends the upgrade and returns when the service has one version, or when ctx ends, which leaves the rest to the
// workspace.
func (u *Upgrade) Close(ctx context.Context) {
	defer u.abandon()
	defer u.stream.Close()
	defer context.AfterFunc(ctx, u.abandon)()
	if u.client.do(ctx, http.MethodPost, "/v1/upgrade/end", stepRequest{Session: u.session}, nil) == nil {
		_, _ = io.Copy(io.Discard, u.stream) // which ends with it
	}
}

// Drain takes one instance out, by its label or its ID; see [workspace.Runner.Drain].
func (c *Client) Drain(ctx context.Context, instance string) (id string, left int, err error) {
	var out drainAnswer
	err = c.do(ctx, http.MethodPost, "/v1/drain", drainRequest{instance}, &out)
	return out.ID, out.Left, err
}
