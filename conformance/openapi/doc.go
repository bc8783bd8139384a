// Package openapi has the OpenAPI descriptions that Panda makes judged by validators of others: against the schema
// of OpenAPI 3.1, and against the JSON that protobuf-go writes. It has tests alone.
package openapi
