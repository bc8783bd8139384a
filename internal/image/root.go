package image

import (
	"archive/tar"
	"archive/zip"
	"encoding/pem"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	maxZoneFile = 64 << 10 // bytes; the largest has about two thousand
	zoneFolder  = "/usr/share/zoneinfo"
)

// What names users, and tells Go's resolver where hosts are looked up. The user's home is where it may write.
const (
	users  = "root:x:0:0:root:/root:/sbin/nologin\n" + userName + ":x:65532:65532:" + userName + ":/tmp:/sbin/nologin\n"
	groups = "root:x:0:\n" + userName + ":x:65532:\n"
	lookup = "hosts: files dns\n"
)

// rootLayer has what programs expect of a system. It is the same for every program and platform, so registries and
// engines keep it once.
func rootLayer(file, zones string) (*layer, error) {
	return writeLayer(file, "root files", func(a *archive) error {
		for _, f := range []struct{ name, text string }{
			{"/etc/group", groups},
			{"/etc/nsswitch.conf", lookup},
			{"/etc/passwd", users},
			{"/etc/ssl/certs/ca-certificates.crt", authorities()},
		} {
			if err := a.text(f.name, f.text); err != nil {
				return err
			}
		}
		if err := a.header(tar.Header{Typeflag: tar.TypeDir, Name: "/tmp", Mode: modeSticky}); err != nil {
			return err
		}
		if zones == "" {
			return nil
		}
		return addZones(a, zones)
	})
}

// authorities are the roots that Mozilla trusts, but for those that it trusts for some names or times only, which a file
// cannot say.
func authorities() string {
	var text strings.Builder
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a Builder takes everything
		}
	}
	return text.String()
}

// addZones unpacks Go's zone files; a zone of several names is there once, with links.
func addZones(a *archive, zones string) error {
	packed, err := zip.OpenReader(zones)
	if err != nil {
		return fmt.Errorf("read the time zones in %s: %w", zones, err)
	}
	defer packed.Close() //nolint:errcheck // it was only read
	files := slices.Clone(packed.File)
	slices.SortFunc(files, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	names := make(map[string]string) // by content
	for _, f := range files {
		if f.FileInfo().IsDir() {
			continue
		}
		content, err := readZone(f)
		if err != nil {
			return fmt.Errorf("read the time zone %s in %s: %w", f.Name, zones, err)
		}
		name := zoneFolder + "/" + f.Name
		if first, ok := names[content]; ok {
			err = a.link(name, first)
		} else {
			names[content] = name
			err = a.text(name, content)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func readZone(f *zip.File) (string, error) {
	reader, err := f.Open()
	if err != nil {
		return "", err
	}
	defer reader.Close()
	content, err := io.ReadAll(io.LimitReader(reader, maxZoneFile+1))
	if err == nil && len(content) > maxZoneFile {
		err = fmt.Errorf("it is larger than %d bytes", maxZoneFile)
	}
	return string(content), err
}

// link gives a file of the archive a second name.
func (a *archive) link(name, to string) error {
	if err := a.folders(name); err != nil {
		return err
	}
	return a.header(tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to, Mode: modeFile})
}
