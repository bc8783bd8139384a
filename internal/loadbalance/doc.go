// Package loadbalance is the gRPC load balancing policy of Panda's clients: it keeps a connection per
// instance of a service, sends each call to an instance that package p2c chooses, makes calls wait while none
// is connected, and can say of each instance why it is not used.
//
// A resolver hands over the instances with [WithInstances]; a service config selects the policy by
// [PolicyName] and tunes it with a [Config]. Streams have to be opened through [MarkStream], so that their
// lifetime is not taken for a latency.
//
// The package never looks for instances itself, and never retries: a retry is a new pick, which avoids the
// instance that has just failed.
package loadbalance
