package creemsim_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/creemsim"
	"imagerun/internal/simulators/kit/deliveries"
)

// settled waits until no delivery is under way, and returns them.
func (b *bundle) settled() []deliveries.Delivery {
	b.t.Helper()

	var list []deliveries.Delivery

	require.Eventually(b.t, func() bool {
		list = b.sim.Deliveries()
		for _, d := range list {
			if d.State == deliveries.Sending || d.State == deliveries.Waiting && !d.Due.After(b.sim.Clock.Now()) {
				return false
			}
		}

		return true
	}, 10*time.Second, time.Millisecond)

	return list
}

// 200 alone is a delivery; anything else comes again 30 s, 5 min, 30 min and 6 h later, and then no more.
func TestWebhook_IsTriedAgain(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	b.refuses = []int{http.StatusCreated, http.StatusFound, http.StatusInternalServerError, http.StatusNoContent, http.StatusBadGateway}
	b.buy(pack)

	for i, wait := range []time.Duration{30 * time.Second, 5 * time.Minute, 30 * time.Minute, 6 * time.Hour} {
		b.await(i + 1)
		require.Equal(t, deliveries.Waiting, b.settled()[0].State)
		b.move(wait - time.Second)
		require.Len(t, b.await(i+1), i+1)
		b.move(time.Second)
	}

	posts := b.await(5)
	require.Equal(t, deliveries.Failed, b.settled()[0].State)
	b.move(30 * day)
	require.Len(t, b.await(5), 5)
	require.Equal(t, posts[0].raw, posts[4].raw, "the same bytes each time")
	require.Equal(t, posts[0].header.Get("creem-signature"), posts[4].header.Get("creem-signature"))
}

func TestWebhook_IsLostDoubledReorderedOrLate(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})

	b.sim.SetKnobs(func(k *creemsim.Knobs) { k.LoseWebhooks = true })
	b.buy(pack)
	require.Equal(t, deliveries.Lost, b.settled()[0].State)
	require.Empty(t, b.await(0))

	b.sim.SetKnobs(func(k *creemsim.Knobs) { *k = creemsim.Knobs{DoubleWebhooks: true} })
	b.buy(pack)

	twice := b.await(2)
	require.Equal(t, twice[0].event.ID, twice[1].event.ID)

	b.sim.SetKnobs(func(k *creemsim.Knobs) { *k = creemsim.Knobs{ReorderWebhooks: true} })
	b.buy(monthly)
	require.Equal(t, "subscription.paid", b.await(3)[2].event.Type)
	b.move(time.Second)
	require.Equal(t, "subscription.active", b.await(4)[3].event.Type)
	b.move(time.Second)
	require.Equal(t, "checkout.completed", b.await(5)[4].event.Type)

	b.sim.SetKnobs(func(k *creemsim.Knobs) { *k = creemsim.Knobs{DelayWebhooksMS: 60_000} })
	b.buy(pack)
	b.move(59 * time.Second)
	b.settled()
	b.await(5)
	b.move(time.Second)
	b.await(6)
}

func TestWebhook_IsForged(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	b.buy(pack)

	real := b.await(1)[0]

	require.NoError(t, b.sim.SendWebhook(real.event.ID, "", "", nil))
	require.Equal(t, real.raw, b.await(2)[1].raw)

	for i, fault := range creemsim.WebhookFaults() {
		require.NoError(t, b.sim.SendWebhook("checkout.completed", fault, "", nil))

		sent := b.await(3 + i)[2+i]
		if string(sent.raw) == string(real.raw) {
			require.NotEqual(t, real.header["Creem-Signature"], sent.header["Creem-Signature"], fault)
		}
	}

	require.Error(t, b.sim.SendWebhook("evt_none", "", "", nil))
	require.Error(t, b.sim.SendWebhook(real.event.ID, "nope", "", nil))

	b.sim.SetKnobs(func(k *creemsim.Knobs) { k.WebhookFault = "unknown_type" })
	b.buy(pack)

	n := 3 + len(creemsim.WebhookFaults())
	require.Equal(t, "subscription.transformed", b.await(n)[n-1].event.Type)
}

// Every endpoint has its own secret, and is told of its own types.
func TestWebhook_GoesToEveryEndpoint(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	r := b.do("POST", "/_control/webhooks", `{"url":"`+b.hook+`","events":["subscription.paid"]}`)
	require.Equal(t, http.StatusCreated, r.status, r.raw)
	require.Equal(t, http.StatusBadRequest, b.do("POST", "/_control/webhooks", `{"url":"`+b.hook+`","events":["subscription.updated"]}`).status)
	b.buy(monthly)

	signatures := map[string]bool{}

	for _, p := range b.await(4) {
		if p.event.Type == "subscription.paid" {
			signatures[p.header.Get("creem-signature")] = true

			mac := hmac.New(sha256.New, []byte(testSecret))
			mac.Write(p.raw)
			signatures[hex.EncodeToString(mac.Sum(nil))] = true

			mac = hmac.New(sha256.New, []byte(text(r.body, "secret")))
			mac.Write(p.raw)
			signatures[hex.EncodeToString(mac.Sum(nil))] = true
		}
	}

	require.Len(t, signatures, 2, "the one by either secret")
}
