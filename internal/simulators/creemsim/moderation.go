package creemsim

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

// The words in a prompt that decide about it. The first two are those of Creem's reference app, the third is ours.
// https://docs.creem.io/features/moderation (read 2026-11)
const (
	forceFlag  = "#force-moderation-flag"
	forceError = "#force-moderation-error"
	forceDeny  = "#force-moderation-deny"
)

// unitLength is how many characters a unit has, as moderation is billed.
const unitLength = 1000

// screenPrompt allows every prompt without one of the words. One that was screened before costs nothing.
func (s *Sim) screenPrompt(c *call) (any, error) {
	var in struct {
		Prompt     string `json:"prompt"`
		ExternalID string `json:"external_id"`
	}
	if err := c.readBody(&in); err != nil {
		return nil, err
	}

	if in.Prompt == "" {
		return nil, badRequest("prompt must be a string")
	}

	out := object{"id": s.newID("mod"), "object": "moderation_result", "prompt": in.Prompt, "decision": "allow"}

	switch {
	case strings.Contains(in.Prompt, forceError):
		return nil, &problem{status: http.StatusInternalServerError, title: "Internal Server Error"}
	case strings.Contains(in.Prompt, forceDeny):
		out["decision"] = "deny"
	case strings.Contains(in.Prompt, forceFlag):
		out["decision"] = "flag"
	}

	units := 0
	if !s.screened[in.Prompt] {
		units = (utf8.RuneCountInString(in.Prompt) + unitLength - 1) / unitLength
	}

	s.screened[in.Prompt] = true
	s.count.ModerationUnits += int64(units)
	out["usage"] = object{"units": units}

	if in.ExternalID != "" {
		out["external_id"] = in.ExternalID
	}

	return out, nil
}
