//go:build !unix

package agentcmd

import "context"

// onReload does nothing: there is no SIGHUP, and the HTTP API can be asked to reload.
func onReload(context.Context, func()) (stop func()) { return func() {} }
