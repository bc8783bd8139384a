package consul_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery/consul"
)

// issue returns a certificate of that serial number and its key, as PEM.
func issue(t *testing.T, serial int64) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", keyDER)
}

func TestClientCertificateIsReadAgain(t *testing.T) {
	t.Parallel()
	var seen int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.TLS.PeerCertificates[0].SerialNumber.Int64()
		_, _ = w.Write([]byte("{}"))
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	certificateFile, keyFile := filepath.Join(t.TempDir(), "certificate"), filepath.Join(t.TempDir(), "key")
	first, firstKey := issue(t, 1)
	second, secondKey := issue(t, 2)
	write(t, certificateFile, first)
	write(t, keyFile, firstKey)
	var logged bytes.Buffer
	r, err := consul.New(consul.Config{
		Addresses: []string{server.URL}, CertFile: certificateFile, KeyFile: keyFile, SkipVerify: true,
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name   string
		change func()
		want   int64
		told   bool // that it cannot be read
	}{
		{"as it was", func() {}, 1, false},
		{"replaced in part", func() { write(t, certificateFile, second) }, 1, true},
		{"in part still", func() {}, 1, false},
		{"replaced", func() { write(t, keyFile, secondKey) }, 2, false},
		{"damaged", func() { write(t, keyFile, "nothing") }, 2, true},
	} {
		step.change()
		logged.Reset()
		if _, err := r.Services(t.Context()); err != nil {
			t.Fatal(err)
		}
		if told := strings.Contains(logged.String(), "the last one stays in use"); seen != step.want || told != step.told {
			t.Errorf("%s: the certificate is number %d, want %d; told: %v, want %v: %s", step.name, seen, step.want, told, step.told, &logged)
		}
	}
}
