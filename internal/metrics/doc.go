// Package metrics counts what a service does and shows it in Prometheus's text format (version 0.0.4,
// https://prometheus.io/docs/instrumenting/exposition_formats/), under the names that client_golang and
// go-grpc-prometheus have made common, so that existing dashboards show it.
//
// It exists because a service pays for every dependency in size and start-up: it takes atomic
// counters and one writer, where client_golang takes 0.8 MB of every binary. It is no general metrics library: a
// program with metrics of its own registers client_golang's handler beside it. It never pushes anything,
// and its series are bounded by what the program registers, never by what callers send.
package metrics
