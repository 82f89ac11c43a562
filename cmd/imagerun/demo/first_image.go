package demo

import (
	"bufio"
	"encoding/json"
	"fmt"
	"image"
	_ "image/png" // decodes the first image
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// shown is what the demo shows of a generation.
type shown struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Images []struct {
		URL string `json:"url"`
	} `json:"images"`
	Failure *struct {
		Message string `json:"message"`
	} `json:"failure"`
}

// makeFirstImage asks for a picture, draws its progress, and saves it.
func (d *demo) makeFirstImage(u demoUser, file string) error {
	var g shown

	status, err := d.callAPI(http.MethodPost, "/v1/generations", u.APIKey, map[string]any{
		"model":  "z-image-turbo",
		"prompt": "a lighthouse at dawn, soft light over a calm sea", "aspect_ratio": "1:1", "output_format": "png",
	}, &g)
	if err != nil {
		return fmt.Errorf("ask for the first image: status %d: %w", status, err)
	}

	if err := d.showProgress(u, g.ID); err != nil {
		return err
	}

	if status, err = d.callAPI(http.MethodGet, "/v1/generations/"+g.ID, u.APIKey, nil, &g); err != nil {
		return fmt.Errorf("look at the first image: status %d: %w", status, err)
	}

	if g.Status != "succeeded" {
		reason := ""
		if g.Failure != nil {
			reason = ": " + g.Failure.Message
		}

		return fmt.Errorf("the first image ended as %s%s", g.Status, reason)
	}

	reply, err := d.get(g.Images[0].URL)
	if err != nil {
		return fmt.Errorf("download the first image: %w", err)
	}
	defer reply.Body.Close()

	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("save the first image: %w", err)
	}
	defer out.Close()

	cfg, _, err := image.DecodeConfig(io.TeeReader(reply.Body, out))
	if err != nil {
		return fmt.Errorf("the first image is not a picture: status %d", reply.StatusCode)
	}

	if _, err := io.Copy(out, reply.Body); err != nil {
		return fmt.Errorf("download the first image: %w", err)
	}

	d.printStep("first image: %s (%d×%d)", file, cfg.Width, cfg.Height)

	return out.Close()
}

// showProgress reads the generation's event stream and draws a bar until it ends. What is not known
// is not drawn: while the provider works, only the time runs.
func (d *demo) showProgress(u demoUser, id string) error {
	r, err := http.NewRequestWithContext(d.ctx, http.MethodGet, d.api.url+"/v1/generations/"+id+"/events", nil)
	if err != nil {
		return fmt.Errorf("follow the first image: %w", err)
	}

	r.Header.Set("Authorization", "Bearer "+u.APIKey)

	reply, err := (&http.Client{}).Do(r) //nolint:bodyclose // closed below; the linter loses it in the goroutine
	if err != nil {
		return fmt.Errorf("follow the first image: %w", err)
	}
	defer reply.Body.Close()

	statuses := make(chan string)

	go func() {
		defer close(statuses)

		lines := bufio.NewScanner(reply.Body)
		lines.Buffer(nil, 1<<20)

		for lines.Scan() {
			var event struct{ Status string } // of the snapshot and of each change
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && json.Unmarshal([]byte(data), &event) == nil {
				statuses <- event.Status
			}
		}
	}()

	bar := newBar(d.out)
	defer bar.end()

	status := ""

	for {
		select {
		case next, open := <-statuses:
			if !open {
				return nil
			}

			status = next
			bar.drawStatus(status)
		case <-bar.tick.C:
			bar.drawStatus(status)
		case <-d.ctx.Done():
			return d.ctx.Err()
		}
	}
}

// bar draws one line over and over on a terminal, and a line for each change elsewhere.
type bar struct {
	out      io.Writer
	terminal bool
	began    time.Time
	tick     *time.Ticker
	last     string
}

func newBar(out io.Writer) *bar {
	b := &bar{out: out, began: time.Now(), tick: time.NewTicker(100 * time.Millisecond)}

	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		b.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}

	return b
}

func (b *bar) drawStatus(status string) {
	// The stages, by how much of the way lies behind them.
	done := map[string]int{"queued": 2, "submitting": 6, "running": 10, "storing": 24, "succeeded": 30}[status]
	line := fmt.Sprintf("  [%-30s] %-10s", strings.Repeat("█", done), status)

	if b.terminal {
		fmt.Fprintf(b.out, "\r%s %4.1f s", line, time.Since(b.began).Seconds())
	} else if line != b.last && status != "" {
		fmt.Fprintf(b.out, "%s %4.1f s\n", line, time.Since(b.began).Seconds())
	}

	b.last = line
}

func (b *bar) end() {
	b.tick.Stop()

	if b.terminal {
		fmt.Fprintln(b.out)
	}
}
