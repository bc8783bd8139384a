package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificateLife is how long certificates are good. The cluster is for learning; real ones are renewed far sooner.
const certificateLife = 365 * 24 * time.Hour

func caFile(folder string) string { return filepath.Join(folder, "tls", "ca.pem") }

func (n *Node) certFile() string { return filepath.Join(n.Folder, "tls", "cert.pem") }
func (n *Node) keyFile() string  { return filepath.Join(n.Folder, "tls", "key.pem") }

// writeCertificates makes an authority for the cluster, and a certificate for each node. The authority's key is thrown away:
// it signs nothing else.
func writeCertificates(folder string, nodes []*Node, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a certificate authority: %w", err)
	}
	authority := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "panda cluster"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make a certificate authority: %w", err)
	}
	if err := writePEM(caFile(folder), "CERTIFICATE", der); err != nil {
		return err
	}
	for _, n := range nodes {
		if err := n.writeCertificate(authority, key, now); err != nil {
			return fmt.Errorf("make the certificate of %s: %w", n.Name, err)
		}
	}
	return nil
}

// writeCertificate makes a node's certificate. Only a server's has the name by which agents know a server: a client that
// was broken into cannot pass for one.
func (n *Node) writeCertificate(authority *x509.Certificate, signer *ecdsa.PrivateKey, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: n.Name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost", n.role() + "." + Datacenter + ".consul"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), n.Address.AsSlice()},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), signer)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(n.certFile(), "CERTIFICATE", der); err != nil {
		return err
	}
	return writePEM(n.keyFile(), "PRIVATE KEY", private)
}

func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

func writePEM(path, kind string, der []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
