package httpapi_test

import (
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/redact"
)

// sample is a generation of alice's in a state.
func sample(status generation.Status, sequence int64) generation.Generation {
	created := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	g := generation.Generation{
		ID:             uuid.MustParse("0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214"),
		UserID:         alice,
		Status:         status,
		StatusSequence: sequence,
		Model:          "z-image-turbo",
		Prompt:         redact.NewPersonal("a lighthouse"),
		Parameters: catalogue.Parameters{
			AspectRatio: "1:1", Width: 1024, Height: 1024, Quality: "standard", NumImages: 2, Seed: catalogue.SeedMax, OutputFormat: "png",
		},
		Metadata:    []byte(`{"project":"calendar"}`),
		SupportCode: "K7QF-2M9D",
		CreatedAt:   created,
		DeadlineAt:  created.Add(10 * time.Minute),
		Images:      []generation.Image{{ID: uuid.New(), Status: generation.ImagePending}, {ID: uuid.New(), Index: 1, Status: generation.ImagePending}},
	}

	switch status {
	case generation.StatusQueued:
		g.QueuePosition = new(3)
	case generation.StatusStoring:
		g.Images[0] = storedImage(g.Images[0])
	case generation.StatusSucceeded:
		g.Images[0], g.Images[1] = storedImage(g.Images[0]), storedImage(g.Images[1])
	case generation.StatusFailed:
		g.FailureCode = generation.FailureProviderError
	default:
	}

	if status.Terminal() {
		g.FinishedAt = new(created.Add(time.Minute))
	}

	return g
}

func storedImage(img generation.Image) generation.Image {
	img.Status, img.Width, img.Height = generation.ImageStored, 1024, 1024
	img.ContentType, img.Bytes = "image/png", 123456
	img.URL, img.ThumbnailURL = "https://files.example/i?at=1&sig=1", "https://files.example/t?at=1&sig=1"
	img.ThumbHash = []byte{1, 2, 3, 4, 5}
	img.ExpiresAt = time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC)

	return img
}

const sampleID = "gen_0197f2a8c4d27b53a1f09e6d58c3b214"

// ofAlice answers as the service does: what is not hers is not there.
func ofAlice(g generation.Generation) func(userID, id uuid.UUID) (generation.Generation, error) {
	return func(userID, id uuid.UUID) (generation.Generation, error) {
		if userID != g.UserID || id != g.ID {
			return generation.Generation{}, generation.ErrNotFound
		}

		return g, nil
	}
}

var errUnavailable = fault.New(fault.Unavailable, "auth_unavailable", "Later.").WithRetryAfter(1500 * time.Millisecond)
