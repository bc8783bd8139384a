package version

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestInfo(t *testing.T) {
	build := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123"},
		{Key: "vcs.time", Value: "2026-01-02T03:04:05Z"},
		{Key: "vcs.modified", Value: "true"},
	}}
	info := from(build)
	if info.Commit != "0123456789abcdef0123" || info.Time != "2026-01-02T03:04:05Z" || !info.Modified {
		t.Errorf("got %+v", info)
	}
	if got := info.String(); !strings.HasPrefix(got, "panda v1.2.3 commit 0123456789ab with changes go1.26.8 ") {
		t.Errorf("got %s", got)
	}
	if got := from(&debug.BuildInfo{}).String(); !strings.HasPrefix(got, "panda (devel) go1.") {
		t.Errorf("a build without information: got %s", got)
	}
}
