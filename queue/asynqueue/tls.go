package asynqueue

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// tlsFiles are the files that a URL names: the authority to believe, and our own certificate.
type tlsFiles struct{ ca, cert, key string }

// cutFiles takes the names of files out of a URL's path and query, as libpq has them in its own.
func cutFiles(tail string) (rest string, f tlsFiles, err error) {
	path, query, ok := strings.Cut(tail, "?")
	if !ok {
		return tail, f, nil
	}

	values, err := url.ParseQuery(query)
	if err != nil {
		return "", f, errURL // the error would quote it
	}

	f = tlsFiles{values.Get("ca_file"), values.Get("cert_file"), values.Get("key_file")}

	for _, name := range []string{"ca_file", "cert_file", "key_file"} {
		values.Del(name)
	}

	if len(values) == 0 {
		return path, f, nil
	}

	return path + "?" + values.Encode(), f, nil
}

// loadInto reads the files into a configuration; nil: the URL asks for no TLS.
func (f tlsFiles) loadInto(c *tls.Config) error {
	if f == (tlsFiles{}) {
		return nil
	}

	if c == nil {
		return errors.New("redis url: ca_file, cert_file and key_file need rediss")
	}

	if f.ca != "" {
		text, err := os.ReadFile(f.ca)
		if err != nil {
			return fmt.Errorf("redis url: read ca_file: %w", err)
		}

		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return errors.New("redis url: ca_file holds no certificate in PEM")
		}
	}

	if f.cert == "" && f.key == "" {
		return nil
	}

	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("redis url: read cert_file and key_file: %w", err)
	}

	c.Certificates = []tls.Certificate{pair}

	return nil
}
