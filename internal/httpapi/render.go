package httpapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/generation"
	"imagerun/internal/publicid"
)

func renderGeneration(g generation.Generation) Generation {
	out := Generation{
		ID:             publicid.Format(publicid.PrefixGeneration, g.ID),
		Object:         GenerationObjectGeneration,
		Status:         GenerationStatus(g.Status),
		StatusSequence: g.StatusSequence,
		Model:          g.Model,
		Prompt:         g.Prompt.Reveal(),
		Metadata:       map[string]string{},
		Lane:           Normal,
		Parameters: Parameters{
			Width:        g.Parameters.Width,
			Height:       g.Parameters.Height,
			Quality:      QualityID(g.Parameters.Quality),
			NumImages:    g.Parameters.NumImages,
			Seed:         g.Parameters.Seed,
			OutputFormat: OutputFormat(g.Parameters.OutputFormat),
		},
		CreatedAt:    clampTime(g.CreatedAt),
		FinishedAt:   clampOptionalTime(g.FinishedAt),
		AutoRefundAt: clampTime(g.DeadlineAt),
		Progress:     computeProgress(g),
		Images:       make([]Image, len(g.Images)),
		SupportCode:  g.SupportCode,
		Cost: Cost{
			Quoted: g.Cost.Quoted, Held: g.Cost.Held, Captured: g.Cost.Captured, Released: g.Cost.Released, Refunded: g.Cost.Refunded,
		},
		Favourite: g.Favourite,
		Canceling: g.Canceling(),

		EstimatedFinishAt: clampOptionalTime(g.EstimatedFinishAt),
	}

	if g.Parameters.AspectRatio != "" {
		out.Parameters.AspectRatio = new(AspectRatio(g.Parameters.AspectRatio))
	}

	if g.Background {
		out.Lane = Background
	}

	if g.ServedModel != "" {
		out.ServedModel = &g.ServedModel
	}

	if g.ReferenceID != nil && g.Parameters.Strength != nil {
		out.Parameters.Reference = &UsedReference{
			UploadID: publicid.Format(publicid.PrefixUpload, *g.ReferenceID), Strength: *g.Parameters.Strength,
		}
	}

	out.Parameters.FallbackModels = g.Parameters.FallbackModels

	if !g.NegativePrompt.IsZero() {
		out.Parameters.NegativePrompt = new(g.NegativePrompt.Reveal())
	}

	if position := cmp.Or(g.QueuePosition, g.ProviderPosition); position != nil {
		out.Queue = &QueueState{Position: *position, EstimatedStartAt: clampOptionalTime(g.EstimatedStartAt)}
	}

	if d := g.Delay; d != nil {
		out.Delay = &Delay{Reason: DelayReason(d.Reason), Since: clampTime(d.Since), Next: clampOptionalTime(d.Next)}
	}

	if g.RemixOf != nil {
		out.RemixOf = new(publicid.Format(publicid.PrefixGeneration, *g.RemixOf))
	}

	if len(g.Metadata) > 0 {
		// What was stored came through the contract; were it not a map of strings, it is left out.
		if err := json.Unmarshal(g.Metadata, &out.Metadata); err != nil || out.Metadata == nil {
			out.Metadata = map[string]string{}
		}
	}

	if notice := g.Notice(); notice != "" {
		out.Notice = &notice
	}

	if g.FailureCode != "" {
		message, again := generation.FailureText(g.FailureCode)
		out.Failure = &Failure{
			Code: FailureCode(g.FailureCode), Message: message + " " + g.Cost.Sentence(), Retryable: again, Charged: g.Cost.Captured - g.Cost.Refunded,
		}
	}

	for i, img := range g.Images {
		out.Images[i] = renderImage(img)
	}

	return out
}

func renderImage(img generation.Image) Image {
	out := Image{
		ID:     publicid.Format(publicid.PrefixImage, img.ID),
		Object: ImageObjectImage,
		Index:  img.Index,
		Status: ImageStatus(img.Status),
	}

	if img.FailureCode != "" {
		message, _ := generation.FailureText(img.FailureCode)
		out.Failure = &ImageFailure{Code: FailureCode(img.FailureCode), Message: message}
	}

	if img.Status != generation.ImageStored {
		return out
	}

	out.Width, out.Height, out.Bytes = &img.Width, &img.Height, &img.Bytes
	out.ContentType, out.Thumbhash = &img.ContentType, img.ThumbHash

	if img.URL != "" {
		out.URL = &img.URL
		out.ExpiresAt = new(clampTime(img.ExpiresAt))
	}

	if img.ThumbnailURL != "" {
		out.ThumbnailURL = &img.ThumbnailURL
	}

	return out
}

// computeProgress is only said where it is known: as the model itself reports it, while images are being
// stored, and at the end. It has two decimals, and never goes back.
func computeProgress(g generation.Generation) *float64 {
	far, known := 0.0, g.Progress != nil
	if known {
		far = *g.Progress
	}

	switch {
	case g.Status == generation.StatusSucceeded || g.Status == generation.StatusPartial:
		far, known = 1, true
	case g.Status == generation.StatusStoring && len(g.Images) > 0:
		stored := 0.0

		for _, img := range g.Images {
			if img.Status == generation.ImageStored {
				stored++
			}
		}

		far, known = max(far, stored/float64(len(g.Images))), true
	}

	if !known {
		return nil
	}

	return new(math.Round(far*100) / 100)
}

// etagOf is strong: it names everything in the rendering that can change, which is the state (by
// its sequence), what is foretold, whether it is a favourite, what was given back of its price, and the
// window that the links are signed for.
func etagOf(g generation.Generation) string {
	var window int64

	for _, img := range g.Images {
		if img.URL != "" {
			window += img.ExpiresAt.Unix()
		}
	}

	foretold := ""
	if g.QueuePosition != nil {
		foretold = strconv.Itoa(*g.QueuePosition)
	}

	// Of the times, one tells what the other is. Where it runs, its end passes without a change.
	if g.EstimatedFinishAt != nil {
		foretold += "-" + strconv.FormatInt(g.EstimatedFinishAt.UnixMilli(), 36)
	}

	if g.Delay != nil { // of which the next try moves without a change
		foretold += "~" + string(g.Delay.Reason)
		if g.Delay.Next != nil {
			foretold += strconv.FormatInt(g.Delay.Next.UnixMilli(), 36)
		}
	}

	favourite := ""
	if g.Favourite {
		favourite = "f"
	}

	refunded := ""
	if g.Cost.Refunded > 0 {
		refunded = "r" + strconv.FormatInt(g.Cost.Refunded, 10)
	}

	return fmt.Sprintf(`"%d.%s.%s%s%s"`, g.StatusSequence, foretold, strconv.FormatInt(window, 36), favourite, refunded)
}

// matchesETag reports whether an If-None-Match header names tag (RFC 9110 §13.1.2: weak comparison).
func matchesETag(header *string, tag string) bool {
	if header == nil {
		return false
	}

	for t := range strings.SplitSeq(*header, ",") {
		if t = strings.TrimSpace(t); t == "*" || strings.TrimPrefix(t, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}

	return false
}

func generationLocation(id uuid.UUID) string {
	return "/v1/generations/" + publicid.Format(publicid.PrefixGeneration, id)
}

func clampOptionalTime(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}

	return new(clampTime(*t))
}

// clampTime returns t as JSON can say it, whose years have four digits. What was stored before there were bounds, or by
// hand, is shown at the end that it exceeds: a time that cannot be shown takes no answer with it.
func clampTime(t time.Time) time.Time {
	t = t.UTC()

	switch {
	case t.Year() > 9999:
		return time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)
	case t.Year() < 0:
		return time.Date(0, time.January, 1, 0, 0, 0, 0, time.UTC)
	default:
		return t
	}
}
