// Package deploy gives the files that "panda deploy" writes to those who read them: Compose's own loader, the types of
// Kubernetes' API, systemd's verifier; and runs the Compose file on a real engine with a real Consul. It applies nothing
// to anything that is not the test's own.
package deploy
