//go:build race

package agent_test

// mostGoroutines is what the race detector can follow, with room for others.
const mostGoroutines = 6000
