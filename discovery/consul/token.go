package consul

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
)

// tokenLimit is how long a file with a token may be, in bytes: no header could carry more.
const tokenLimit = 64 << 10

var (
	errTokenCharacter = errors.New("it has a character that no HTTP header can carry")
	errTokenLong      = fmt.Errorf("it is longer than %d KiB", tokenLimit>>10)
	errTokenEmpty     = errors.New("it is empty")
)

// token is the ACL token of a registry's requests. One that comes from a file is read anew when the file has changed, so what
// rotates tokens (an agent of Vault, a secret of Kubernetes) needs no restart of a service. It may be used from several
// goroutines at once; a nil one is none.
type token struct {
	file string // "" when it never changes
	log  *slog.Logger

	mu      sync.Mutex
	value   string
	seen    os.FileInfo // of the file when it was read last
	refused complaint
}

// newToken returns the token that cfg names. The file has to be there, and may be empty.
func newToken(cfg *Config) (*token, error) {
	t := &token{file: cfg.TokenFile, log: cfg.Logger, value: cfg.Token}
	if t.file != "" {
		var err error
		if t.value, t.seen, err = readToken(t.file); err != nil && !errors.Is(err, errTokenEmpty) {
			return nil, fmt.Errorf("read Consul's token file: %w", err)
		}
		return t, nil
	}
	if !sendable(t.value) {
		return nil, fmt.Errorf("read Consul's token: %w", errTokenCharacter)
	}
	return t, nil
}

// current returns the token to send. While its file is away, or is just being written, that is the last one.
func (t *token) current() string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == "" {
		return t.value
	}
	info, err := os.Stat(t.file)
	if err == nil && t.refused == "" && unchanged(t.seen, info) {
		return t.value
	}
	if err == nil {
		err = t.reread()
	}
	if t.refused.take(err) {
		t.log.Warn("the token file cannot be used; the last token stays in use", "file", t.file, "error", err)
	}
	return t.value
}

// reread takes over what the file has. t.mu is held.
func (t *token) reread() error {
	value, info, err := readToken(t.file)
	if err != nil {
		return err
	}
	if value != t.value {
		t.log.Info("another token is used from now on", "file", t.file)
	}
	t.value, t.seen = value, info
	return nil
}

// complaint is why files could not be used when they were read last, "" when they could.
type complaint string

// take notes how reading ended, and reports whether that is to be logged: each reason is, once.
func (c *complaint) take(err error) (news bool) {
	why := complaint("")
	if err != nil {
		why = complaint(err.Error())
	}
	news = why != "" && why != *c
	*c = why
	return news
}

// unchanged reports whether the file is the one that was read, and as it was then.
func unchanged(seen, now os.FileInfo) bool {
	return os.SameFile(seen, now) && seen.ModTime().Equal(now.ModTime()) && seen.Size() == now.Size()
}

// readToken returns what the file has, and its state from before it was read: what changes meanwhile is read once more.
func readToken(name string) (string, os.FileInfo, error) {
	f, err := os.Open(name) //nolint:gosec // the user names it
	if err != nil {
		return "", nil, err //nolint:wrapcheck // it names the file
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", nil, err //nolint:wrapcheck // it names the file
	}
	content, err := io.ReadAll(io.LimitReader(f, tokenLimit+1))
	value := strings.TrimSpace(string(content))
	switch {
	case err != nil:
	case len(content) > tokenLimit:
		err = fmt.Errorf("%s: %w", name, errTokenLong)
	case !sendable(value):
		err = fmt.Errorf("%s: %w", name, errTokenCharacter)
	case value == "":
		err = fmt.Errorf("%s: %w", name, errTokenEmpty)
	}
	return value, info, err
}

// sendable reports whether a header can carry the token.
func sendable(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
}
