package main

import (
	"context"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	shopapiv1 "example.com/shop-api/proto/shopapi/v1"
)

const maxName = 64 // characters

// handler answers the calls, however they come in. Many may be under way at once; what they share needs a lock.
type handler struct {
	shopapiv1.UnimplementedShopApiServiceServer
}

// Greet is GET /v1/greetings/{name} and POST /v1/greetings.
func (handler) Greet(_ context.Context, in *shopapiv1.GreetRequest) (*shopapiv1.GreetResponse, error) {
	name, salutation := strings.TrimSpace(in.GetName()), in.GetSalutation()
	if n := utf8.RuneCountInString(name); n < 1 || n > maxName {
		return nil, status.Errorf(codes.InvalidArgument, "name has %d characters, want 1 to %d", n, maxName)
	}
	if salutation == "" {
		salutation = "你好"
	}
	return &shopapiv1.GreetResponse{Message: salutation + "," + name}, nil
}

// Sum is GET /v1/sum.
func (handler) Sum(_ context.Context, in *shopapiv1.SumRequest) (*shopapiv1.SumResponse, error) {
	var sum int64
	for _, number := range in.GetNumber() {
		sum += int64(number)
	}
	return &shopapiv1.SumResponse{Sum: sum}, nil
}
