// Command inside tells what a program finds in its image, a line for each.
package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"time"
)

func main() {
	fmt.Printf("user %d:%d\n", os.Getuid(), os.Getgid())
	if me, err := user.Current(); err != nil {
		fmt.Println("name", err)
	} else {
		fmt.Println("name", me.Username, me.HomeDir)
	}
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, name := range []string{"Asia/Shanghai", "US/Pacific"} {
		if zone, err := time.LoadLocation(name); err != nil {
			fmt.Println("zone", err)
		} else {
			fmt.Println("zone", name, noon.In(zone).Format("15:04"))
		}
	}
	fmt.Println("local", noon.In(time.Local).Format("15:04"))
	fmt.Println("roots", trusted())
	for _, dir := range []string{"/tmp", "/data", "/etc"} {
		err := os.WriteFile(filepath.Join(dir, "written"), nil, 0o600)
		fmt.Println("write", dir, err == nil)
	}
	fmt.Println("args", os.Args[1:])
}

// trusted tells how a certificate that nobody has signed is judged: by the system's authorities, if there are any.
func trusted() string {
	_, err := new(x509.Certificate).Verify(x509.VerifyOptions{})
	if missing, ok := errors.AsType[x509.SystemRootsError](err); ok {
		return missing.Error()
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return err.Error()
	}
	if pool.Equal(x509.NewCertPool()) {
		return "none"
	}
	return "some"
}
