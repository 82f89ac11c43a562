package devstack

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// S3 is a private S3 server that checks signatures as the real ones do.
type S3 struct {
	URL       string
	Region    string // "auto", as Cloudflare R2 has it
	AccessKey string
	SecretKey string
	Bucket    string // one that exists

	bin     string
	dir     string
	port    int
	claim   *fileLock
	process *process
}

func (p *workspace) newS3(ctx context.Context, dir, accessKey, secretKey, bucket string, preferredPort int) (*S3, error) {
	bin, err := p.findGateway()
	if err != nil {
		return nil, err
	}

	// The gateway keeps what S3 knows of an object beyond its bytes in a folder of its own:
	// not every disk has extended attributes.
	for _, sub := range []string{"buckets", "sidecar"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("data folder of s3: %w", err)
		}
	}

	port, claim, err := p.claimPort(preferredPort)
	if err != nil {
		return nil, err
	}

	s := &S3{
		URL: "http://" + loopbackAddress(port), Region: "auto", AccessKey: accessKey, SecretKey: secretKey, Bucket: bucket,
		bin: bin, dir: dir, port: port, claim: claim,
	}

	if err := s.NewBucket(bucket); err != nil {
		return nil, err
	}

	if err := s.start(ctx); err != nil {
		_ = claim.Close()

		return nil, err
	}

	return s, nil
}

func (s *S3) start(ctx context.Context) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

	process, err := command{
		name: "versitygw", dir: s.dir, log: filepath.Join(s.dir, "s3.log"), stop: syscall.SIGTERM,
		env: []string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey},
		args: []string{
			s.bin, "--port", loopbackAddress(s.port), "--region", s.Region, "--quiet", "--keep-alive", "--health", "/health",
			"posix", "--sidecar", filepath.Join(s.dir, "sidecar"), filepath.Join(s.dir, "buckets"),
		},
	}.run(func(process *process) bool {
		if ctx.Err() != nil {
			process.sendSignal(syscall.SIGKILL)
		}

		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/health", nil)
		if err != nil {
			return false
		}

		resp, err := client.Do(req)
		if err != nil {
			return false
		}

		_ = resp.Body.Close()

		return resp.StatusCode == http.StatusOK && !process.hasEnded()
	})
	if err != nil {
		return err
	}

	s.process = process

	return nil
}

// NewBucket makes a bucket, if it is not there. To the gateway a folder is one.
func (s *S3) NewBucket(name string) error {
	if err := os.MkdirAll(filepath.Join(s.dir, "buckets", name), 0o700); err != nil {
		return fmt.Errorf("make bucket %s: %w", name, err)
	}

	return nil
}

// Stop ends the server.
func (s *S3) Stop() {
	s.process.end(syscall.SIGTERM)
	_ = s.claim.Close()
}
