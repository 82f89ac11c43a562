package main

import (
	"bytes"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/publicid"
)

// TestShow: whatever an operator has of a generation leads to the same look at it.
func TestShow(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	id, code := b.generation()
	attempt, uploadID := uuid.New(), uuid.New()

	b.exec(b.pool, `insert into provider_attempt (id, task_id, n, state, endpoint, request_id, sent_at, error_code)
		values ($1, $2, 1, 'done', 'fal-ai/flux/dev', '764cabcf-b745-4b3e-ae38-1200304cf45b', now(), 'generation_timeout')`, attempt, id)
	b.exec(b.pool, `insert into job (kind, queue, args, state, died_at) values
		('generation.collect', 'generation', jsonb_build_object('attempt_id', $1::uuid), 'dead', now()),
		('generation.erase', 'retention', jsonb_build_object('task_id', $2::uuid), 'staged', null),
		('generation.erase', 'retention', jsonb_build_object('task_id', gen_random_uuid()), 'staged', null)`, attempt, id)
	b.exec(b.owner, `insert into upload (id, user_id, status, promised_type, promised_bytes, raw_key, created_at, expires_at)
		select $1, $2, 'pending', 'image/png', 10, 'k', now(), now() + interval '1 hour'`, uploadID, b.user)

	image := uuid.New()
	b.exec(b.pool, `insert into ai_image (id, task_id, index, key, thumbnail_key) values ($1, $2, 3, 'k', 't')`, image, id)

	b.exec(b.pool, `insert into provider_cost (attempt_id, request_id, model, endpoint, ended_at, units_told, units_billed, cost_nano_usd)
		values ($1, '764cabcf-b745-4b3e-ae38-1200304cf45b', 'flux-dev', 'fal-ai/flux/dev', now(), 0.786432, 1.50, 39321601)`, attempt)

	environ := []string{"IMAGERUN_POSTGRES_URL=" + b.url}
	say := func(exit int, args ...string) string {
		t.Helper()

		var out bytes.Buffer

		require.Equal(t, exit, runCommand(t.Context(), rootCommand(environ), args, &out, &out), "%v: %s", args, &out)

		return out.String()
	}

	for _, name := range []string{
		publicid.Format(publicid.PrefixGeneration, id), id.String(), publicid.Format(publicid.PrefixImage, image), code, "4x9kq7m2ab", attempt.String(), "764cabcf-b745-4b3e-ae38-1200304cf45b",
	} {
		out := say(0, "generations", "show", name)
		require.Contains(t, out, publicid.Format(publicid.PrefixGeneration, id), name)
		require.Regexp(t, `attempt 1 was sent to fal-ai/flux/dev, request 764cabcf`, out)
		require.Regexp(t, `generation\.collect .* dead`, out)
		require.Regexp(t, `\n2 jobs\n`, out)
		require.Regexp(t, `-2 .* image 1`, out)
		require.Regexp(t, `(?m)^ATTEMPT +UNITS TOLD +UNITS BILLED +COST\n1 +0\.786432 +1\.5 +0\.039321601 USD$`, out)
		require.NotContains(t, out, "a red fox", "what its owner wrote")

		require.Contains(t, say(0, "jobs", "list", "--about", name), "2 jobs\n", name)
	}

	require.Contains(t, say(0, "generations", "show", code, "--json"), `"units_billed": "1.5"`)

	b.exec(b.pool, `update provider_cost set units_billed = null, cost_nano_usd = null`)
	require.Regexp(t, `\n1 +0\.786432 +- +-\n`, say(0, "generations", "show", code))

	out := say(1, "generations", "show", publicid.SupportCode(uploadID))
	require.Contains(t, out, "there is no generation "+publicid.SupportCode(uploadID))
	require.Contains(t, out, "is the upload "+publicid.Format(publicid.PrefixUpload, uploadID)+" of user "+b.user.String())

	require.Contains(t, say(1, "jobs", "list", "--about", "22222-22222"), "there is nothing of the name")
	require.Contains(t, say(0, "jobs", "list", "--about", uuid.NewString()), "0 jobs\n", "a job may outlive what it is about")
	require.Contains(t, say(2, "generations", "show", "?"), "neither an id nor a support code")
	require.Contains(t, say(2, "jobs", "list", "--about", "gen_12"), "32 digits")
}
