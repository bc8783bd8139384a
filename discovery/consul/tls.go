package consul

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"

	"github.com/hashicorp/consul/api"
)

func (c *Config) tlsConfig() (*tls.Config, error) {
	cfg, err := api.SetupTLSConfig(&api.TLSConfig{
		Address:            c.ServerName,
		CAFile:             c.CAFile,
		CAPath:             c.CAPath,
		CertFile:           c.CertFile,
		KeyFile:            c.KeyFile,
		InsecureSkipVerify: c.SkipVerify,
	})
	if err != nil {
		return nil, fmt.Errorf("set up TLS to Consul with CA file %q, CA path %q, certificate %q, key %q: %w",
			c.CAFile, c.CAPath, c.CertFile, c.KeyFile, err)
	}
	if len(cfg.Certificates) == 1 {
		own := &certificate{files: [2]string{c.CertFile, c.KeyFile}, log: c.Logger, last: &cfg.Certificates[0]}
		cfg.Certificates, cfg.GetClientCertificate = nil, own.current
	}
	return cfg, nil
}

// certificate is the client's own. Its files are read anew for each connection: those that are issued for days are replaced
// while the service runs.
type certificate struct {
	files [2]string // of the certificate and its key
	log   *slog.Logger

	mu      sync.Mutex
	last    *tls.Certificate // that could be read
	refused complaint
}

// current returns what the files have, or had when they could be read last: the two are not replaced at once.
func (c *certificate) current(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	read, err := tls.LoadX509KeyPair(c.files[0], c.files[1])
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.last = &read
	}
	if c.refused.take(err) {
		c.log.Warn("the client certificate cannot be read; the last one stays in use", "certificate", c.files[0], "key", c.files[1], "error", err)
	}
	return c.last, nil
}
