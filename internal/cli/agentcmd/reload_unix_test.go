//go:build unix

package agentcmd_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestHangupReloads(t *testing.T) {
	dir := t.TempDir()
	r := start(t, "-dev", "-http-port", "0", "-config-dir", dir)
	_, _, index := r.do(t, http.MethodGet, "/v1/catalog/services")
	write(t, filepath.Join(dir, "web.hcl"), `service { name = "web" }`)
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if _, services, _ := r.do(t, http.MethodGet, "/v1/catalog/services?wait=30s&index="+index); !strings.Contains(services, `"web"`) {
		t.Errorf("after SIGHUP: %s\n%s", services, r.log)
	}
}
