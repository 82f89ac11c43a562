//go:build browser

package apptest_test

import (
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/jobs"
)

// TestDashboard_InABrowser looks at the queues as an operator does, and presses the buttons of dead
// jobs.
func TestDashboard_InABrowser(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Workers: 1})
	b := openBrowser(t)
	b.logIn("operator", apptest.Password)

	// Jobs that no handler can read die at once, by the hand of the worker.
	die := func() (id uuid.UUID) {
		require.NoError(t, p.Pool.QueryRow(t.Context(),
			`insert into job (kind, queue, args) values ('generation.submit', 'generation', '[]') returning id`).Scan(&id))
		require.Eventually(t, func() bool {
			return p.Count(t, `select count(*) from job where id = $1 and state = 'dead'`, id) == 1
		}, 20*time.Second, 20*time.Millisecond)

		return id
	}
	first, second := die(), die()

	b.open(p.OpsURL + "/queues/")

	for _, name := range jobs.Kinds().Queues() {
		b.sees(name)
	}

	b.open(p.OpsURL + "/queues/queues/generation?status=archived")
	b.sees(short(first))
	b.sees(short(second))
	b.sees("undecodable")

	b.press(short(second), "Delete")
	require.Eventually(t, func() bool {
		return p.Count(t, `select count(*) from job where id = $1`, second) == 0
	}, 20*time.Second, 20*time.Millisecond)
	b.missing(short(second))

	// All attempts again, which this job uses up at once.
	b.press(short(first), "Run")
	require.Eventually(t, func() bool {
		return p.Count(t, `select count(*) from job where id = $1 and epoch = 2 and state = 'dead'`, first) == 1
	}, 20*time.Second, 20*time.Millisecond)
	b.sees(short(first))

	require.Equal(t, 1, p.Count(t, `select count(*) from job_audit where operator = 'operator' and action = 'retry' and job_ids = array[$1::uuid]`, first))
	require.Equal(t, 1, p.Count(t, `select count(*) from job_audit where operator = 'operator' and action = 'cancel' and job_ids = array[$1::uuid]`, second))
}

// short is a job's id as the lists show it.
func short(id uuid.UUID) string { return id.String()[:8] }

// tab is a tab of a real browser.
type tab struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // it is the tab
}

// openBrowser starts Chromium without a window.
func openBrowser(t *testing.T) tab {
	t.Helper()

	path, err := exec.CommandContext(t.Context(), "../../scripts/browser.sh").Output()
	require.NoError(t, err)

	// Chromium refuses to sandbox itself when it is started by root, as in a container.
	ctx, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(strings.TrimSpace(string(path))), chromedp.Headless, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true), chromedp.WindowSize(1400, 900))
	t.Cleanup(stop)

	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)

	_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)

	return tab{t: t, ctx: ctx}
}

// logIn sends an operator's login with whatever the browser asks for.
func (b tab) logIn(user, password string) {
	b.t.Helper()

	login := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	_, err := chromedp.Call(b.ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{
		Headers: network.Headers{"Authorization": "Basic " + login},
	})
	require.NoError(b.t, err)
}

func (b tab) open(url string) { b.do(chromedp.Navigate(url)) }

// sees waits until the page shows a text; missing, until it does not.
func (b tab) sees(text string) {
	b.t.Helper()
	b.await("document.body.innerText.includes(" + strconv.Quote(text) + ")")
}

func (b tab) missing(text string) {
	b.t.Helper()
	b.await("!document.body.innerText.includes(" + strconv.Quote(text) + ")")
}

// press moves the mouse to the last cell of the row that shows a text, where buttons appear below
// it, and presses one of them. The page draws its rows anew now and then, and the buttons with them.
func (b tab) press(row, button string) {
	b.t.Helper()

	cell := `//tr[contains(., "` + row + `")]/td[last()]`
	try := func() error {
		ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second)
		defer cancel()

		box, err := chromedp.Run(ctx, chromedp.Dimensions(cell))
		if err != nil {
			return err
		}

		return chromedp.Do(ctx,
			chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 0, 0),
			// To the edge: a button right below the mouse has its name in a bubble instead.
			chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, box.Content[0]+1, box.Content[1]+1),
			chromedp.Click(cell+`//button[@title="`+button+`"]`),
		)
	}

	err := try()
	for range 9 {
		if err == nil {
			return
		}

		err = try()
	}

	b.shoot()
	require.NoError(b.t, err, button)
}

func (b tab) await(condition string) {
	b.t.Helper()

	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](condition, chromedp.WithPollingTimeout(20*time.Second), chromedp.WithPollingInterval(50*time.Millisecond)))
	if err != nil {
		b.shoot()
	}

	require.NoError(b.t, err, condition)
}

func (b tab) do(step chromedp.Action[chromedp.Void]) {
	b.t.Helper()

	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()

	err := chromedp.Do(ctx, step)
	if err != nil {
		b.shoot()
	}

	require.NoError(b.t, err)
}

// shoot keeps a picture of what the browser shows, for the reader of why the test failed.
func (b tab) shoot() {
	if shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot()); err == nil {
		file := b.t.ArtifactDir() + "/page.png"
		b.t.Logf("what the browser showed: %s (with -artifacts), %v", file, os.WriteFile(file, shot, 0o600))
	}
}
