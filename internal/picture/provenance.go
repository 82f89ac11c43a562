package picture

import (
	"bytes"
	"slices"
)

// SourceType says how a picture came to be: a term of the IPTC's vocabulary
// (https://cv.iptc.org/newscodes/digitalsourcetype). Empty: nothing is said.
type SourceType string

// The types that say that a model had a part in it.
const (
	// TrainedAlgorithmicMedia was made by a model, from a text alone.
	TrainedAlgorithmicMedia SourceType = "trainedAlgorithmicMedia"
	// CompositeWithTrainedAlgorithmicMedia was made by a model from another picture.
	CompositeWithTrainedAlgorithmicMedia SourceType = "compositeWithTrainedAlgorithmicMedia"
	// CompositeSynthetic has parts that a model made.
	CompositeSynthetic SourceType = "compositeSynthetic"
)

// sourceVocabulary comes before a term where it is written.
const sourceVocabulary = "http://cv.iptc.org/newscodes/digitalsourcetype/"

// isSynthetic reports whether it is one of the types above: they are marks, and any other is none.
func (t SourceType) isSynthetic() bool {
	return slices.Contains([]SourceType{TrainedAlgorithmicMedia, CompositeWithTrainedAlgorithmicMedia, CompositeSynthetic}, t)
}

// embedded is what a file carries beside its pixels, as far as marks of provenance are concerned.
type embedded struct {
	xmp      []byte // the first packet; nil: none that can be read
	from, to int    // of the block that holds it; without one both are where one may be put
	manifest []byte // C2PA's: signed, over all other bytes of the file
}

// MarkOf returns what a file of a format says of itself, in its XMP or its C2PA manifest, if that is
// that a model had a part in it; otherwise it is empty. Only the headers of b are read.
func MarkOf(f Format, b []byte) SourceType {
	return findEmbedded(f, b).findMark()
}

func (e embedded) findMark() SourceType {
	if t := readXMP(e.xmp).source; t.isSynthetic() {
		return t
	}

	// A manifest is read as text: the terms are whole in it, whatever its boxes are (C2PA, "Digital source type" of actions).
	for _, t := range []SourceType{CompositeWithTrainedAlgorithmicMedia, CompositeSynthetic, TrainedAlgorithmicMedia} {
		if bytes.Contains(e.manifest, []byte("digitalsourcetype/"+t)) {
			return t
		}
	}

	return ""
}

// Mark returns a picture with its source type in XMP (IPTC Photo Metadata, "Digital Source Type"), and the type that it
// carries then. No pixel is decoded or changed, and nothing that is there is removed. One that
// bears a mark already is returned as it is: what its maker says stands, and a byte more would break the
// signature of a C2PA manifest. Nothing in the mark tells one picture from another.
func Mark(f Format, b []byte, t SourceType) ([]byte, SourceType) {
	e := findEmbedded(f, b)
	if has := e.findMark(); has != "" {
		return b, has
	}

	packet, from, to := newXMP(t), e.from, e.from

	// What cannot be extended stays behind ours, which is read first.
	if extended, ok := extendXMP(e.xmp, t); ok && (f != JPEG || len(extended) <= maxXMPJPEG) {
		packet, to = extended, e.to
	}

	switch f {
	case PNG:
		return spliceBytes(b, from, to, chunkPNG(packet)), t
	case JPEG:
		return spliceBytes(b, from, to, segmentJPEG(packet)), t
	default:
		return rewriteWebP(b, from, to, packet), t
	}
}

func findEmbedded(f Format, b []byte) embedded {
	switch f {
	case PNG:
		return embeddedPNG(b)
	case JPEG:
		return embeddedJPEG(b)
	default:
		return embeddedWebP(b)
	}
}

// spliceBytes returns b with other bytes in place of those from one index to another.
func spliceBytes(b []byte, from, to int, with []byte) []byte {
	return slices.Concat(b[:from], with, b[to:])
}
