package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// healthTimeout bounds what a container's health check waits.
const healthTimeout = 2 * time.Second

// checkHealth asks the instance that listens on PANDA_ADDR on this machine whether it serves. An image without a shell
// has nothing else to ask with.
func checkHealth(ctx context.Context) error {
	address := os.Getenv("PANDA_ADDR")
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "0" {
		return fmt.Errorf("check health: PANDA_ADDR is %q, want the host:port that the instance listens on", address)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	conn, err := grpc.NewClient("dns:///"+net.JoinHostPort(host, port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return fmt.Errorf("check health: %w", err)
	}
	if answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("check health: %s is %v", address, answer.GetStatus())
	}
	return nil
}
