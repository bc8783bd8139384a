// Package p2c chooses one of several instances for each call: the power of two choices over peak latency
// and calls in flight, with slow start, ejection of instances that fail, and preference for near ones.
//
// A [Pool] holds the instances of one service as [Endpoint] values. [Pool.Pick] draws two different
// endpoints, each with the chance of its weight, and compares what a call would cost on each; [Pool.Done] tells how the call ended. The cost is
//
//	latency × (calls in flight / weight + 1)
//
// where latency is the peak moving average of [Config.Decay]: it jumps to a higher sample at once and
// falls slowly, also while the endpoint is idle, so that a slow one is tried again. The cheaper of
// the two wins with a probability that grows with the fourth power of the ratio of costs. Compared with always taking the cheaper one, this gives shares in proportion to the weights
// when there is hardly a call in flight, makes slow start a ramp instead of a step, and does not send
// everything to the one that is ahead by a hair.
//
// The package never opens a connection, starts a goroutine, reads a clock or knows a protocol: times come in as
// nanoseconds of any steady clock, and the outcome of a call comes in as an [Outcome].
package p2c
