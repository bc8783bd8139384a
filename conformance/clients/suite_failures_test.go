package clients

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var writeSuitePage = flag.Bool("suite-page", false, "write the page about HashiCorp's tests in docs/reference anew")

// suitePage is what docs/reference holds.
var suitePage = filepath.FromSlash("../../docs/reference/consul-api-suite.md")

// Why tests of HashiCorp's are expected to fail.
const (
	needsACL      = "access control: the agent has none, and refuses to start with it"
	needsCA       = "a certificate authority: the agent has no mesh"
	needsIntents  = "intentions: the agent has no mesh that they could govern"
	needsChain    = "discovery chains: the agent has no mesh that they could configure"
	needsGateways = "gateways in front of services: the agent has no mesh; their config entries are kept, and nothing acts on them"
	needsCluster  = "several agents: this one is for one machine"
	needsGossip   = "keys of gossip: the agent talks to no other agent"
	needsPeering  = "peerings between clusters, of Consul 1.14"
	needsQueries  = "prepared queries: the agent has none"
	needsDocker   = "checks inside of containers: the agent does not talk to Docker"
	needsFiles    = "files of HashiCorp's repository that the module does not have"
)

// suiteFailures are the tests that are expected to fail, with what each needs.
func suiteFailures() map[string]string {
	failures := make(map[string]string)
	for why, names := range map[string]string{
		needsACL: `ACLPolicy_CreateReadByNameDelete ACLPolicy_CreateReadDelete ACLPolicy_CreateUpdate ACLPolicy_List ACLReplication
			ACLToken_Clone ACLToken_CreateReadDelete ACLToken_CreateUpdate ACLToken_List AgentUpdateToken AuthMethod_List
			Peering_ACLDeny Peering_List Peering_Read_ErrorHandling Snapshot_Options`,
		needsCA:       `AgentConnectAuthorize AgentConnectCALeaf AgentConnectCARoots_list ConnectCAConfig_get_set ConnectCARoots_list`,
		needsIntents:  `ConnectIntentionCheck ConnectIntentionCreateListGetUpdateDelete ConnectIntentionMatch`,
		needsChain:    `DiscoveryChain_Get`,
		needsGateways: `CatalogGatewayServices_Ingress CatalogGatewayServices_Terminating HealthIngress`,
		needsCluster:  `AgentJoin AgentLeave AgentMembersOpts`,
		needsGossip:   `OperatorKeyringInstallListPutRemove`,
		needsPeering:  `Peering_GenerateToken_ExternalAddresses Peering_GenerateToken_Read_Establish_Delete`,
		needsQueries:  `PreparedQuery`,
		needsDocker:   `AgentChecks_Docker`,
		needsFiles:    `ClientTLSOptions SetupTLSConfig`,
	} {
		for name := range strings.FieldsSeq(names) {
			failures["TestAPI_"+name] = why
		}
	}
	return failures
}

// compareSuitePage holds that the page is about these results, or writes it.
func compareSuitePage(t *testing.T, results map[string]*result) {
	t.Helper()
	page := pageOf(results)
	if *writeSuitePage {
		if err := os.WriteFile(suitePage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if written, err := os.ReadFile(suitePage); err != nil || string(written) != page {
		t.Errorf("%s is stale (%v): run this test again with -suite-page", suitePage, err)
	}
}

func pageOf(results map[string]*result) string {
	failing := suiteFailures()
	var page strings.Builder
	fmt.Fprintf(&page, `# HashiCorp's client tests against Panda's agent

HashiCorp tests its Go client (%s) against the `+"`consul`"+` that is on PATH. With Panda's agent in its place, %d of the %d tests
pass. The others need what the agent does not have. The page is written by the test in conformance/clients that runs them.

| does not pass | needs |
|---|---|
`, suiteModule, len(results)-len(failing), len(results))
	for _, name := range slices.Sorted(maps.Keys(failing)) {
		fmt.Fprintf(&page, "| %s | %s |\n", name, failing[name])
	}
	return page.String()
}
