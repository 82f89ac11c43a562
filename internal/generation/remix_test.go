package generation_test

import (
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/redact"
)

func personal(text string) redact.Personal { return redact.NewPersonal(text) }

func TestRemix(t *testing.T) {
	t.Parallel()

	original := func(t *testing.T, b *bundle) generation.Generation {
		t.Helper()

		return b.submit(t, func(s *generation.Submission) {
			s.Model, s.NegativePrompt = "qwen-image", new(personal("fog"))
			s.AspectRatio, s.NumImages, s.Seed = new("16:9"), new(2), new(int64(7))
			s.Metadata = json.RawMessage(`{"order": "a1"}`)
		})
	}
	remix := func(b *bundle, id uuid.UUID, sameSeed bool, edits ...func(*generation.Submission)) (generation.Generation, bool, error) {
		s := generation.Submission{UserID: b.user}
		for _, edit := range edits {
			edit(&s)
		}

		a, err := b.Remix(t.Context(), id, s, sameSeed)

		return a.Generation, a.Replay != nil, err
	}

	t.Run("TakesOverAllButTheSeed", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		was := original(t, b)

		g, _, err := remix(b, was.ID, false)
		require.NoError(t, err)
		require.NotEqual(t, was.ID, g.ID)
		require.Equal(t, was.ID, *g.RemixOf)
		require.Equal(t, []any{was.Model, "a red fox", "fog"}, []any{g.Model, g.Prompt.Reveal(), g.NegativePrompt.Reveal()})
		require.JSONEq(t, string(was.Metadata), string(g.Metadata))
		require.NotEqual(t, was.Parameters.Seed, g.Parameters.Seed)

		g.Parameters.Seed = was.Parameters.Seed
		require.Equal(t, was.Parameters, g.Parameters)

		same, _, err := remix(b, was.ID, true, func(s *generation.Submission) { s.Prompt = personal("a blue fox") })
		require.NoError(t, err)
		require.Equal(t, was.Parameters, same.Parameters)
		require.Equal(t, "a blue fox", same.Prompt.Reveal())

		given, _, err := remix(b, was.ID, true, func(s *generation.Submission) { s.Seed = new(int64(9)) })
		require.NoError(t, err)
		require.EqualValues(t, 9, given.Parameters.Seed)

		page, err := b.List(t.Context(), b.user, generation.Filter{RemixOf: &was.ID, Limit: 2})
		require.NoError(t, err)
		require.True(t, page.HasMore)
		require.Len(t, page.Generations, 2)
	})

	t.Run("OfWhatIsNotThere", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		was := original(t, b)

		keyed := func(s *generation.Submission) { s.IdempotencyKey, s.Fingerprint = "k1", []byte("f1") }
		first, replayed, err := remix(b, was.ID, false, keyed)
		require.NoError(t, err)
		require.False(t, replayed)

		_, err = b.Remix(t.Context(), was.ID, generation.Submission{UserID: uuid.New()}, false)
		require.ErrorIs(t, err, generation.ErrNotFound)

		require.NoError(t, b.Delete(t.Context(), b.user, was.ID))
		_, _, err = remix(b, was.ID, false)
		require.ErrorIs(t, err, generation.ErrDeleted)
		_, _, err = remix(b, was.ID, false, func(s *generation.Submission) { s.IdempotencyKey, s.Fingerprint = "k2", []byte("f1") })
		require.ErrorIs(t, err, generation.ErrDeleted)

		again, replayed, err := remix(b, was.ID, false, keyed)
		require.NoError(t, err)
		require.True(t, replayed)
		require.Equal(t, first.ID, again.ID)
		require.Equal(t, was.ID, *again.RemixOf, "it remembers, though the original is gone")
	})

	t.Run("RefusesAsASubmitDoes", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		was := original(t, b)
		_, _, err := remix(b, was.ID, false, func(s *generation.Submission) { s.Quality = new("ultra") })
		require.ErrorIs(t, err, catalogue.ErrInvalid)
	})
}

func TestFavourites(t *testing.T) {
	t.Parallel()

	b := setup(t)
	one, two := b.submit(t), b.submit(t)

	listed := func() (ids []uuid.UUID) {
		page, err := b.List(t.Context(), b.user, generation.Filter{Favourite: true})
		require.NoError(t, err)

		for _, g := range page.Generations {
			ids = append(ids, g.ID)
		}

		return ids
	}

	for range 2 { // doing it again changes nothing
		g, err := b.SetFavourite(t.Context(), b.user, one.ID, true)
		require.NoError(t, err)
		require.True(t, g.Favourite)
		require.Equal(t, one.StatusSequence, g.StatusSequence)
		require.Equal(t, []uuid.UUID{one.ID}, listed())
	}

	_, err := b.SetFavourite(t.Context(), uuid.New(), two.ID, true)
	require.ErrorIs(t, err, generation.ErrNotFound)
	require.False(t, b.get(t, two.ID).Favourite)

	for range 2 {
		g, err := b.SetFavourite(t.Context(), b.user, one.ID, false)
		require.NoError(t, err)
		require.False(t, g.Favourite)
		require.Empty(t, listed())
	}
}

// Lists are narrowed by the caller's own labels: all of those that are given.
func TestList_ByLabels(t *testing.T) {
	t.Parallel()

	b := setup(t)
	label := func(metadata string) uuid.UUID {
		return b.submit(t, func(s *generation.Submission) { s.Metadata = json.RawMessage(metadata) }).ID
	}

	both, one := label(`{"project":"calendar","page":"1"}`), label(`{"project":"calendar"}`)
	label(`{"project":"cal"}`)
	b.submit(t)
	b.submit(t, func(s *generation.Submission) {
		s.UserID, s.Metadata = uuid.New(), json.RawMessage(`{"project":"calendar"}`)
	})

	for _, c := range []struct {
		labels map[string]string
		want   []uuid.UUID
	}{
		{map[string]string{"project": "calendar"}, []uuid.UUID{one, both}},
		{map[string]string{"project": "calendar", "page": "1"}, []uuid.UUID{both}},
		{map[string]string{"project": "'; --"}, nil},
	} {
		page, err := b.List(t.Context(), b.user, generation.Filter{Metadata: c.labels})
		require.NoError(t, err)

		var got []uuid.UUID
		for _, g := range page.Generations {
			got = append(got, g.ID)
		}

		require.Equal(t, c.want, got, "%v", c.labels)
	}
}

func TestAlbum(t *testing.T) {
	t.Parallel()

	b := setup(t)
	first, waiting := b.start(t, images(2)), b.submit(t)
	b.provider.finish(t, 0)
	b.pass(t, 31*time.Second)

	deleted, anothers := b.submit(t), b.submit(t, func(s *generation.Submission) { s.UserID = uuid.New() })
	require.NoError(t, b.Delete(t.Context(), b.user, deleted.ID))

	a, err := b.Album(t.Context(), b.user, []uuid.UUID{waiting.ID, deleted.ID, first.ID, anothers.ID})
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{waiting.ID, first.ID}, []uuid.UUID{a.Generations[0].ID, a.Generations[1].ID})
	require.Equal(t, []uuid.UUID{deleted.ID, anothers.ID}, a.LeftOut)
	require.Len(t, a.Pictures, 2)

	for _, p := range a.Pictures {
		r, err := b.OpenPicture(t.Context(), p)
		require.NoError(t, err)
		body, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Len(t, body, int(p.Bytes))
		require.Equal(t, first.ID, p.GenerationID)
	}

	_, err = b.Album(t.Context(), b.user, []uuid.UUID{waiting.ID, anothers.ID})
	require.ErrorIs(t, err, generation.ErrAlbumEmpty)

	_, err = b.pool.Exec(t.Context(), `update ai_image set bytes = 600 << 20 where status = 'stored'`)
	require.NoError(t, err)
	_, err = b.Album(t.Context(), b.user, []uuid.UUID{first.ID})
	require.ErrorIs(t, err, generation.ErrAlbumTooLarge)
}

func TestEstimates(t *testing.T) {
	t.Parallel()

	b := setup(t)

	// Each takes thirty seconds from its turn to its end.
	finish := func() {
		b.start(t)
		b.provider.finish(t, len(b.provider.requests)-1)
		b.pass(t, 30*time.Second)
		b.now.Move(11 * time.Second) // the last measurement is no longer fresh
	}
	for range 4 {
		finish()
	}

	running, waiting := b.start(t), b.submit(t)
	require.Nil(t, b.get(t, running.ID).EstimatedFinishAt, "four are too few to say anything")
	require.Nil(t, b.get(t, waiting.ID).EstimatedStartAt)

	b.provider.finish(t, len(b.provider.requests)-1)
	b.pass(t, 30*time.Second)
	b.now.Move(11 * time.Second)

	begun := b.now.Now()
	_, err := b.Admit(t.Context(), "fal")
	require.NoError(t, err)

	g := b.get(t, waiting.ID)
	require.WithinDuration(t, begun.Add(30*time.Second), *g.EstimatedFinishAt, time.Millisecond)

	// They were all of one kind: that of another goes by its model's until enough are known of it.
	quote, err := b.Estimate(t.Context(), submission(b, func(s *generation.Submission) { s.Quality, s.NumImages = new("high"), new(3) }))
	require.NoError(t, err)
	require.Equal(t, 30*time.Second, quote.Took.Round(time.Millisecond))

	// The plan has two slots: who comes third waits for half of what one takes.
	b.submit(t)
	_, err = b.Admit(t.Context(), "fal")
	require.NoError(t, err)

	third := b.get(t, b.submit(t).ID)
	require.Equal(t, 0, *third.QueuePosition)
	require.WithinDuration(t, begun.Add(15*time.Second), *third.EstimatedStartAt, 10*time.Second)
	require.Equal(t, 30*time.Second, third.EstimatedFinishAt.Sub(*third.EstimatedStartAt).Round(time.Millisecond))

	b.now.Move(31 * time.Second)
	require.Nil(t, b.get(t, waiting.ID).EstimatedFinishAt, "it takes longer: nobody knows how long")
}
