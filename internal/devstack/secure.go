package devstack

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
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Security is how a private Redis is reached by its product: over TLS alone, with a certificate
// of its own, as a user that may do no more than was asked for. The harness has a door of its own,
// without either.
type Security struct {
	User, Password   string
	CA, Cert, Key    string // files in PEM: the authority that is believed, and what the product presents
	AnotherAuthority string // file of an authority that has signed nothing of these
}

// newSecurity makes the throw-away authority and its certificate.
func newSecurity(dir string) (*Security, error) {
	s := &Security{User: "product", Password: randomToken(16)}

	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of certificates: %w", err)
	}

	var err error
	if s.AnotherAuthority, _, err = makeCertificate(dir, "another", nil); err != nil {
		return nil, err
	}

	authority := &signer{}
	if s.CA, _, err = makeCertificate(dir, "authority", authority); err != nil {
		return nil, err
	}

	s.Cert, s.Key, err = makeCertificate(dir, "redis", authority)

	return s, err
}

// signer is an authority once it has been made.
type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// makeCertificate writes a certificate for 127.0.0.1 and its key. by signs it, or becomes it if it is
// not one yet; nil: it signs itself.
func makeCertificate(dir, name string, by *signer) (certFile, keyFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}

	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return "", "", fmt.Errorf("make a serial number: %w", err)
	}

	self := by == nil || by.cert == nil
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: self,
	}

	parent, parentKey := template, key
	if self {
		template.KeyUsage |= x509.KeyUsageCertSign
	} else {
		parent, parentKey = by.cert, by.key
	}

	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return "", "", fmt.Errorf("sign a certificate: %w", err)
	}

	if self && by != nil {
		*by = signer{template, key}
	}

	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("keep a key: %w", err)
	}

	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")

	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der},
		keyFile:  {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			return "", "", fmt.Errorf("keep a certificate: %w", err)
		}
	}

	return certFile, keyFile, nil
}

// tlsArgs of a server that listens for the product on port, and talks to its likes over TLS.
func (s *Security) tlsArgs(port int) []string {
	return []string{
		"--tls-port", strconv.Itoa(port), "--tls-cert-file", s.Cert, "--tls-key-file", s.Key, "--tls-ca-cert-file", s.CA,
		"--tls-replication", "yes",
	}
}

// userArgs are the arguments that make the product's user with these rights.
func (s *Security) userArgs(rights string) []string {
	return append([]string{"--user", s.User, "on", ">" + s.Password}, strings.Fields(rights)...)
}

// URL returns the address of what listens at hosts, for the product.
func (s *Security) URL(scheme, hosts, path string) string {
	query := url.Values{"ca_file": {s.CA}, "cert_file": {s.Cert}, "key_file": {s.Key}}

	return scheme + "://" + s.User + ":" + s.Password + "@" + hosts + path + "?" + query.Encode()
}
