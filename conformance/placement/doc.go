// Package placement tests where services in containers say that they are reached: on several networks, on the host's, by
// IPv6, behind a published port, beside an agent, by a socket, and when a container is killed and made anew. Its judges
// are a real container engine and a real Consul. It has no code but tests.
package placement
