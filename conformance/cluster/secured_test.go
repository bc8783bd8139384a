package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cluster"
)

// The least that a service and a caller need where nothing is allowed that no token allows. The guide has the same.
const (
	serviceRules = `service "drill" { policy = "write" }`
	callerRules  = `service "drill" { policy = "read" }
node_prefix "" { policy = "read" }`
)

// tokens are the secrets of the least privileges; "" where everyone may do everything.
type tokens struct{ service, caller string }

func (s *system) makeTokens(ctx context.Context) error {
	var err error
	if s.tokens.service, err = s.makeToken(ctx, "drill-service", serviceRules); err != nil {
		return err
	}
	s.tokens.caller, err = s.makeToken(ctx, "drill-caller", callerRules)
	return err
}

// makeToken makes a policy of the rules and a token that has it and nothing else.
func (s *system) makeToken(ctx context.Context, name, rules string) (string, error) {
	policy := map[string]string{"Name": name, "Rules": rules}
	if err := s.call(ctx, "n1", http.MethodPut, "/v1/acl/policy", policy, nil); err != nil {
		return "", err
	}
	return s.tokenOf(ctx, name)
}

// rule gives a policy other rules, and returns when every server has them.
func (s *system) rule(ctx context.Context, name, rules string) error {
	var policy struct{ ID, Rules string }
	path := "/v1/acl/policy/name/" + name
	if err := s.call(ctx, "n1", http.MethodGet, path, nil, &policy); err != nil {
		return err
	}
	err := s.call(ctx, "n1", http.MethodPut, "/v1/acl/policy/"+policy.ID, map[string]string{"Name": name, "Rules": rules}, nil)
	if err != nil {
		return err
	}
	return s.everywhere(ctx, func(host string) (bool, error) {
		err := s.call(ctx, host, http.MethodGet, path+"?stale", nil, &policy)
		return policy.Rules == rules, err
	})
}

// everywhere returns when the condition is met on every server. One that is behind the others still admits the token, and an
// agent that subscribes there just then may keep what it was admitted to: Consul ends the subscriptions of a changed token
// once, when it learns of the change.
func (s *system) everywhere(ctx context.Context, met func(host string) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for _, host := range cluster.Names(servers, 0) {
		for {
			is, err := met(host)
			if err != nil {
				return err
			}
			if is {
				break
			}
			select {
			case <-poll.C:
			case <-ctx.Done():
				return fmt.Errorf("%s has not learned of it: %w", host, ctx.Err())
			}
		}
	}
	return nil
}

// tokenOf makes a token that has the policy and nothing else.
func (s *system) tokenOf(ctx context.Context, policy string) (string, error) {
	var made struct{ SecretID string }
	body := map[string]any{"Policies": []map[string]string{{"Name": policy}}}
	err := s.call(ctx, "n1", http.MethodPut, "/v1/acl/token", body, &made)
	return made.SecretID, err
}

// token is one of those that a server lists.
type token struct{ AccessorID, SecretID string }

// revoke deletes a token, and returns when it is gone from every server.
func (s *system) revoke(ctx context.Context, secret string) error {
	is := func(t token) bool { return t.SecretID == secret }
	var list []token
	if err := s.call(ctx, "n1", http.MethodGet, "/v1/acl/tokens", nil, &list); err != nil {
		return err
	}
	i := slices.IndexFunc(list, is)
	if i < 0 {
		return errors.New("there is no such token")
	}
	if err := s.call(ctx, "n1", http.MethodDelete, "/v1/acl/token/"+list[i].AccessorID, nil, nil); err != nil {
		return err
	}
	return s.everywhere(ctx, func(host string) (bool, error) {
		var list []token
		err := s.call(ctx, host, http.MethodGet, "/v1/acl/tokens?stale", nil, &list)
		return !slices.ContainsFunc(list, is), err
	})
}

// With tokens of the least privileges, gossip and all connections between agents encrypted, the leader is killed.
func TestSecuredLeaderKilled(t *testing.T) {
	runDrill(t, &secured, false, leaderKilled)
}

// The callers' token is revoked: calls go on with the instances that were known, and who asks anew is told why he gets none.
func TestCallersTokenRevoked(t *testing.T) {
	runDrill(t, &secured, false, func(d *drillRun) {
		d.do("revoke", d.revoke(d.Context(), d.tokens.caller))
		told := ""
		d.await(d.T, "the registry refuses", func(known discovery.Snapshot) bool {
			if known.Err != nil {
				told = known.Err.Error()
			}
			return known.Err != nil
		})
		d.Logf("told: %s", told)
		d.load.awaitAnswers(d.T, 2*enough, d.addresses(instanceHosts...)...)
		var err error
		d.tokens.caller, err = d.tokenOf(d.Context(), "drill-caller")
		d.do("make another", err)
	})
}

// The callers' token stays and loses its rights: Consul answers that there is no instance, and calls go on.
func TestCallersTokenLosesRights(t *testing.T) {
	runDrill(t, &secured, false, func(d *drillRun) {
		d.do("take the rights", d.rule(d.Context(), "drill-caller", `service "other" { policy = "read" }`))
		d.await(d.T, "the registry refuses", func(known discovery.Snapshot) bool { return known.Err != nil })
		d.load.awaitAnswers(d.T, 2*enough, d.addresses(instanceHosts...)...)
		d.do("give them back", d.rule(d.Context(), "drill-caller", callerRules))
		d.awaitWhole(d.T)
	})
}

// ownToken starts the victim anew with a token that no other instance has, and returns that once it is called.
func (d *drillRun) ownToken() string {
	d.Helper()
	all := d.tokens.service
	own, err := d.tokenOf(d.Context(), "drill-service")
	d.do("make a token", err)
	d.endInstance(victimHost)
	d.tokens.service = own
	d.do("start the instance with it", d.startInstance(victimHost, victimHost, servicePort))
	d.tokens.service = all
	d.awaitPassing(victimHost)
	d.load.awaitAnswers(d.T, enough, d.address(victimHost))
	return own
}

// An instance and the callers get other tokens while they run, and the old ones are revoked: the instance registers with its
// new one, with which its agent then tells the cluster of it, and that it is gone.
func TestTokensRotated(t *testing.T) {
	runDrill(t, &secured, false, func(d *drillRun) {
		own, address := d.ownToken(), d.address(victimHost)
		d.do("give the instance another", d.giveToken(victimHost, d.tokens.service))
		given := time.Now()
		d.awaitOutput(victimHost, "another token is used from now on")
		d.awaitOutputs(victimHost, "service registered", 2)
		d.time("registered anew", time.Since(given))
		d.do("revoke the instance's first", d.revoke(d.Context(), own))
		callers := d.tokens.caller
		next, err := d.tokenOf(d.Context(), "drill-caller")
		d.do("make a token for the callers", err)
		d.tokens.caller = next
		d.do("give it to them", d.giveToken(callersName, d.tokens.caller))
		d.do("revoke the callers' first", d.revoke(d.Context(), callers))

		d.load.awaitAnswers(d.T, enough, address)
		d.endInstance(victimHost)
		d.awaitGoneAt(victimHost, address)
		d.do("start the instance", d.startInstance(victimHost, victimHost, servicePort))
		d.awaitPassing(victimHost)
		d.load.awaitAnswers(d.T, enough, address)
	})
}

// The token of one instance is revoked. Its agent takes it for good until its cache ends, after 30 s. From then on it takes no
// sign of life, but cannot tell the cluster so with that token either: the instance stays in the registry and serves.
func TestInstancesTokenRevoked(t *testing.T) {
	if !*update {
		t.Skip("SKIPPED: its agent's cache lasts 30 s; -update runs it")
	}
	runDrill(t, &secured, false, func(d *drillRun) {
		own, address := d.ownToken(), d.address(victimHost)
		revoked := time.Now()
		d.do("revoke it", d.revoke(d.Context(), own))
		d.awaitOutput(victimHost, "ACL not found")
		d.time("refused", time.Since(revoked))
		d.load.awaitAnswers(d.T, enough, address)
		d.endInstance(victimHost)
		started := time.Now()
		d.do("start it with another", d.startInstance(victimHost, victimHost, servicePort))
		d.awaitPassing(victimHost)
		d.returned(victimHost, started)
	})
}
