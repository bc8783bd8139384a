//go:build !race

package agent_test

const mostGoroutines = 1 << 20
