package cluster_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery"
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

// tokenOf makes a token that has the policy and nothing else.
// rule gives a policy other rules.
func (s *system) rule(ctx context.Context, name, rules string) error {
	var policy map[string]any
	if err := s.call(ctx, "n1", http.MethodGet, "/v1/acl/policy/name/"+name, nil, &policy); err != nil {
		return err
	}
	id, _ := policy["ID"].(string)
	return s.call(ctx, "n1", http.MethodPut, "/v1/acl/policy/"+id, map[string]string{"Name": name, "Rules": rules}, nil)
}

// tokenOf makes a token that has the policy and nothing else.
func (s *system) tokenOf(ctx context.Context, policy string) (string, error) {
	var made struct{ SecretID string }
	body := map[string]any{"Policies": []map[string]string{{"Name": policy}}}
	err := s.call(ctx, "n1", http.MethodPut, "/v1/acl/token", body, &made)
	return made.SecretID, err
}

// revoke deletes a token.
func (s *system) revoke(ctx context.Context, secret string) error {
	var list []struct{ AccessorID, SecretID string }
	if err := s.call(ctx, "n1", http.MethodGet, "/v1/acl/tokens", nil, &list); err != nil {
		return err
	}
	for _, token := range list {
		if token.SecretID == secret {
			return s.call(ctx, "n1", http.MethodDelete, "/v1/acl/token/"+token.AccessorID, nil, nil)
		}
	}
	return nil
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

// The token of one instance is revoked. Its agent takes it for good until its cache ends, after 30 s. From then on it takes no
// sign of life, but cannot tell the cluster so with that token either: the instance stays in the registry and serves.
func TestInstancesTokenRevoked(t *testing.T) {
	if !*update {
		t.Skip("SKIPPED: its agent's cache lasts 30 s; -update runs it")
	}
	runDrill(t, &secured, false, func(d *drillRun) {
		old, address := d.tokens.service, d.address(victimHost)
		own, err := d.tokenOf(d.Context(), "drill-service")
		d.do("make a token", err)
		d.endInstance(victimHost)
		d.tokens.service = own
		d.do("start the instance with it", d.startInstance(victimHost, victimHost, servicePort))
		d.tokens.service = old
		d.awaitPassing(victimHost)
		d.load.awaitAnswers(d.T, enough, address)
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
