//go:build browser

package apptest_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/simulators/creemsim"
)

// widths are those of a telephone, a tablet and a screen.
var widths = []int64{360, 768, 1280} //nolint:gochecknoglobals // it stays

// TestPayments_InABrowser has a person buy by clicking alone: at the vendor's page, and back to ours, which shows by itself that what they paid
// has come. With -artifacts it leaves pictures of each page at three widths.
func TestPayments_InABrowser(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Workers: 1, Config: map[string]string{"credits.welcome_keys": ""}})
	u := p.SignUp(t, "")
	b := openBrowser(t)
	b.signIn(p, u)

	c := u.BeginCheckout(t, "pack-small")

	// No webhook comes, and nothing is paid yet: our page waits, and leads back to the vendor's.
	p.Creem.SetKnobs(func(k *creemsim.Knobs) { k.LoseWebhooks = true })
	b.shootWidths("checkout", c.URL, "Total")

	back := p.URL + "/checkout/return/" + c.ID
	b.shootWidths("return-open", back, "We are waiting")
	b.open(back)
	b.click(`//a[contains(., "Go on paying")]`)
	b.comesTo("Total")

	// Their coming back is a reason to look, and the page looks again by itself.
	b.click(`//button[@value="pay"]`)
	b.comesTo("your payment has arrived")
	require.EqualValues(t, 100, creditsOf(t, u).Available)
	b.click(`//a[contains(., "receipt")]`)
	b.comesTo("EUR 6.05")

	b.shootWidths("return-completed", back, "your payment has arrived")

	var bought apptest.Checkout

	u.Do(t, http.MethodGet, "/v1/checkouts/"+c.ID, nil, &bought)
	b.shootWidths("receipt", p.URL+"/v1/orders/"+*bought.Order+"/receipt", "EUR 6.05")
}

// signIn gives the browser a person's session.
func (b tab) signIn(p *apptest.Product, u *apptest.User) {
	b.t.Helper()

	cookie := p.SessionCookie(u)
	_, err := chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{Name: cookie.Name, Value: cookie.Value, URL: p.URL})
	require.NoError(b.t, err)
}

func (b tab) click(element string) {
	b.t.Helper()
	b.do(chromedp.Click(element))
}

// comesTo waits until a page shows a text, through pages that go elsewhere meanwhile.
func (b tab) comesTo(text string) {
	b.t.Helper()
	b.becomes("document.body.innerText.includes(" + strconv.Quote(text) + ")")
}

// becomes waits until a condition holds, on whatever page is there then: one that refreshes itself ends each look that is under way.
func (b tab) becomes(condition string) {
	b.t.Helper()

	require.Eventually(b.t, func() bool {
		holds, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](condition))

		return err == nil && holds
	}, 30*time.Second, 50*time.Millisecond, condition)
}

// shootWidths keeps pictures of a page that shows a text, and demands that nothing of it is out of sight to the side.
func (b tab) shootWidths(name, url, text string) {
	b.t.Helper()

	for _, width := range widths {
		ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
		defer cancel()

		_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 500,
		})
		require.NoError(b.t, err)
		b.open(url)
		b.comesTo(text)
		b.becomes("document.documentElement.scrollWidth <= " + strconv.FormatInt(width, 10))

		shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		require.NoError(b.t, err)
		require.NoError(b.t, os.WriteFile(fmt.Sprintf("%s/%s-%d.png", b.t.ArtifactDir(), name, width), shot, 0o600))
	}

	b.open("about:blank") // what refreshes itself does so no more
}
