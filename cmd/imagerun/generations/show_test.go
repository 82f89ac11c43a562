package generations

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/publicid"
)

// TestShow: whatever an operator has of a generation leads to the same look at it.
func TestShow(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	id, code := b.AddGeneration()
	attempt, uploadID := uuid.New(), uuid.New()

	b.Exec(b.Pool, `insert into provider_attempt (id, task_id, n, state, endpoint, request_id, sent_at, error_code)
		values ($1, $2, 1, 'done', 'fal-ai/flux/dev', '764cabcf-b745-4b3e-ae38-1200304cf45b', now(), 'generation_timeout')`, attempt, id)
	b.Exec(b.Pool, `insert into job (kind, queue, args, state, died_at) values
		('generation.collect', 'generation', jsonb_build_object('attempt_id', $1::uuid), 'dead', now()),
		('generation.erase', 'retention', jsonb_build_object('task_id', $2::uuid), 'staged', null),
		('generation.erase', 'retention', jsonb_build_object('task_id', gen_random_uuid()), 'staged', null)`, attempt, id)
	b.Exec(b.Owner, `insert into upload (id, user_id, status, promised_type, promised_bytes, raw_key, created_at, expires_at)
		select $1, $2, 'pending', 'image/png', 10, 'k', now(), now() + interval '1 hour'`, uploadID, b.User)

	image := uuid.New()
	b.Exec(b.Pool, `insert into ai_image (id, task_id, index, key, thumbnail_key) values ($1, $2, 3, 'k', 't')`, image, id)

	b.Exec(b.Pool, `insert into provider_cost (attempt_id, request_id, model, endpoint, ended_at, units_told, units_billed, cost_nano_usd)
		values ($1, '764cabcf-b745-4b3e-ae38-1200304cf45b', 'flux-dev', 'fal-ai/flux/dev', now(), 0.786432, 1.50, 39321601)`, attempt)

	for _, name := range []string{
		publicid.Format(publicid.PrefixGeneration, id), id.String(), publicid.Format(publicid.PrefixImage, image), code, "4x9kq7m2ab", attempt.String(), "764cabcf-b745-4b3e-ae38-1200304cf45b",
	} {
		out := b.orders(0, "generations", "show", name)
		require.Contains(t, out, publicid.Format(publicid.PrefixGeneration, id), name)
		require.Regexp(t, `attempt 1 was sent to fal-ai/flux/dev, request 764cabcf`, out)
		require.Regexp(t, `generation\.collect .* dead`, out)
		require.Regexp(t, `\n2 jobs\n`, out)
		require.Regexp(t, `-2 .* image 1`, out)
		require.Regexp(t, `(?m)^ATTEMPT +UNITS TOLD +UNITS BILLED +COST\n1 +0\.786432 +1\.5 +0\.039321601 USD$`, out)
		require.NotContains(t, out, "a red fox", "what its owner wrote")

		require.Contains(t, b.orders(0, "jobs", "list", "--about", name), "2 jobs\n", name)
	}

	require.Contains(t, b.orders(0, "generations", "show", code, "--json"), `"units_billed": "1.5"`)

	b.Exec(b.Pool, `update provider_cost set units_billed = null, cost_nano_usd = null`)
	require.Regexp(t, `\n1 +0\.786432 +- +-\n`, b.orders(0, "generations", "show", code))

	out := b.orders(1, "generations", "show", publicid.SupportCode(uploadID))
	require.Contains(t, out, "there is no generation "+publicid.SupportCode(uploadID))
	require.Contains(t, out, "is the upload "+publicid.Format(publicid.PrefixUpload, uploadID)+" of user "+b.User.String())

	require.Contains(t, b.orders(1, "jobs", "list", "--about", "22222-22222"), "there is nothing of the name")
	require.Contains(t, b.orders(0, "jobs", "list", "--about", uuid.NewString()), "0 jobs\n", "a job may outlive what it is about")
	require.Contains(t, b.orders(2, "generations", "show", "?"), "neither an id nor a support code")
	require.Contains(t, b.orders(2, "jobs", "list", "--about", "gen_12"), "32 digits")
}
