package cluster

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// Token is one of Consul's: what it is called by, and what opens doors.
type Token struct {
	Accessor string `json:"accessor"`
	Secret   string `json:"secret"`
}

func newToken() Token { return Token{newUUID(), newUUID()} }

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// secrets are what the nodes of one cluster share, for as long as its data is kept.
type secrets struct {
	Gossip     string           `json:"gossip"`
	Management Token            `json:"management"`
	Reader     Token            `json:"reader"`
	Agents     map[string]Token `json:"agents"`
	Services   map[string]Token `json:"services"`
}

func newSecrets(names []string) secrets {
	var key [32]byte
	_, _ = rand.Read(key[:]) // it never fails
	s := secrets{
		Gossip: base64.StdEncoding.EncodeToString(key[:]), Management: newToken(), Reader: newToken(),
		Agents: map[string]Token{}, Services: map[string]Token{},
	}
	for _, name := range names {
		s.Agents[name] = newToken()
	}
	return s
}

// shape is what the data of a cluster is tied to.
type shape struct {
	Servers  int      `json:"servers"`
	Clients  int      `json:"clients"`
	Members  []string `json:"members"` // addresses, by which servers know each other
	ACL      bool     `json:"acl"`
	Gossip   bool     `json:"gossip"`
	TLS      bool     `json:"tls"`
	Released string   `json:"-"`
}

// record is the file that makes a folder one of a cluster.
type record struct {
	Shape   shape   `json:"shape"`
	Secrets secrets `json:"secrets"`
}

// recordName is small, so that nothing else is called so.
const recordName = "cluster.json"

// maxRecord bounds what is read.
const maxRecord = 1 << 20

func shapeOf(cfg Config, nodes []*Node) shape {
	s := shape{Servers: cfg.Servers, Clients: cfg.Clients, ACL: cfg.ACL, Gossip: cfg.Gossip, TLS: cfg.TLS}
	for _, n := range nodes {
		s.Members = append(s.Members, n.joinAddress())
	}
	return s
}

// ErrOther says that a folder holds the data of a cluster of another shape.
var ErrOther = errors.New("the data there is of another cluster")

// openFolder returns the secrets of the cluster whose data is in the folder; found is false in an empty one.
func openFolder(folder string, want shape) (keys secrets, found bool, err error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return secrets{}, false, nil
	}
	if err != nil {
		return secrets{}, false, fmt.Errorf("open the cluster's folder: %w", err)
	}
	path := filepath.Join(folder, recordName)
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxRecord {
		return secrets{}, false, fmt.Errorf("%s is not empty, and holds no cluster: it has no %s", folder, recordName)
	}
	text, err := os.ReadFile(path) //nolint:gosec // in the folder that the user names
	if err != nil {
		return secrets{}, false, fmt.Errorf("open the cluster's folder: %w", err)
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return secrets{}, false, fmt.Errorf("read %s: %w", path, err)
	}
	if !reflect.DeepEqual(r.Shape, want) {
		return secrets{}, false, fmt.Errorf("%s: %w: %s; this one is %s", folder, ErrOther, r.Shape, want)
	}
	return r.Secrets, true, nil
}

// String tells people what the cluster is.
func (s shape) String() string {
	parts := []string{fmt.Sprintf("%d servers, %d clients", s.Servers, s.Clients)}
	if len(s.Members) > 0 {
		parts[0] += " from " + s.Members[0] + " on"
	}
	for _, on := range []struct {
		is   bool
		name string
	}{{s.ACL, "ACL"}, {s.Gossip, "gossip key"}, {s.TLS, "TLS"}} {
		if on.is {
			parts = append(parts, on.name)
		}
	}
	return strings.Join(parts, ", ")
}

// save writes the record in one step.
func (r record) save(folder string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(folder, recordName), text)
}

// writeFile writes a file that only this user reads, whole or not at all.
func writeFile(path string, content []byte) error {
	fresh := path + ".new"
	if err := os.WriteFile(fresh, content, 0o600); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return nil
}
