//go:build unix

package privatefolder

import (
	"io/fs"
	"os"
	"syscall"
)

// onlyOurs reports whether a folder belongs to this user and no other may enter it.
func onlyOurs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid() && info.Mode().Perm()&0o077 == 0
}
