package demo

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// devFile is .imagerun/dev.json: everything another tool needs to use the running stack.
type devFile struct {
	APIURL       string              `json:"api_url"`
	OpsURL       string              `json:"ops_url"`
	DashboardURL string              `json:"dashboard_url"`
	MetricsURLs  map[string][]string `json:"metrics_urls"`
	PostgresURL  string              `json:"postgres_url"`
	RedisURL     string              `json:"redis_url"`
	S3           devS3               `json:"s3"`
	Simulators   map[string]devSim   `json:"simulators"`
	DemoUser     demoUser            `json:"demo_user"`
	Operator     devLogin            `json:"operator"`
}

type devS3 struct {
	URL       string `json:"url"`
	Region    string `json:"region"`
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
	Bucket    string `json:"bucket"`
}

type devSim struct {
	URL           string `json:"url"`
	ControlURL    string `json:"control_url"`
	Key           string `json:"key,omitempty"`
	APIKey        string `json:"api_key,omitempty"`
	WebhookSecret string `json:"webhook_secret,omitempty"`
}

type devLogin struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// writeDevFile writes the file for other tools; it holds secrets, so only its owner may read it.
func (d *demo) writeDevFile(u demoUser) error {
	metrics := map[string][]string{"api": {d.api.ops + "/metrics"}, "scheduler": {d.sched.ops + "/metrics"}, "auth": {d.auth.ops + "/metrics"}}
	for _, w := range d.workers {
		metrics["worker"] = append(metrics["worker"], w.ops+"/metrics")
	}

	b, err := json.MarshalIndent(devFile{
		APIURL: d.api.url, OpsURL: d.api.ops, DashboardURL: d.api.ops + "/queues", MetricsURLs: metrics,
		PostgresURL: d.stack.Postgres.OwnerURL, RedisURL: d.stack.Redis.URL,
		S3: devS3{
			URL: d.stack.S3.URL, Region: d.stack.S3.Region, AccessKey: d.stack.S3.AccessKey,
			SecretKey: d.stack.S3.SecretKey, Bucket: d.stack.S3.Bucket,
		},
		Simulators: map[string]devSim{
			"fal":   {URL: d.fal.URL, ControlURL: d.fal.ControlURL, Key: d.secrets.FalKey},
			"creem": {URL: d.creem.URL, ControlURL: d.creem.URL, APIKey: d.secrets.CreemKey, WebhookSecret: d.secrets.CreemWebhook},
		},
		DemoUser: u, Operator: devLogin{User: operatorName, Password: d.secrets.Operator},
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode dev.json: %w", err)
	}

	// Another tool may be reading: it sees the old file or the new one.
	file := filepath.Join(d.state, "dev.json")
	if err := os.WriteFile(file+".new", append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write dev.json: %w", err)
	}

	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("write dev.json: %w", err)
	}

	return nil
}

func (d *demo) printLinks(u demoUser, image string) {
	fmt.Fprintf(d.out, `
  first image    %s
  api            %s   (contract: %s/openapi.yaml)
  api key        %s
  queues         %s/queues   (%s / %s)
  metrics        %s/metrics
  fal simulator  %s
  Creem          %s/_control   (its simulator: pages to pay at, and what they do wrong)
  everything     %s

  Try it:  curl -s %s/v1/generations -H 'Authorization: Bearer %s' \
             -H 'Content-Type: application/json' -d '{"model":"flux-dev","prompt":"a red fox in snow"}'
`, image, d.api.url, d.api.url, u.APIKey, d.api.ops, operatorName, d.secrets.Operator, d.api.ops,
		d.fal.ControlURL, d.creem.URL, filepath.Join(d.state, "dev.json"), d.api.url, u.APIKey)
}
