package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/kovidgoyal/imaging/prism/meta/icc"
)

// findTransform returns the way from what the file says to sRGB, for samples of so many channels; nil
// where there is none to go, or none that we know.
func (c colours) findTransform(channels int) transform {
	t := c.readTransform(channels)
	if t == nil || channels < 4 && isIdentity(t, channels) {
		return nil
	}

	return t
}

func (c colours) readTransform(channels int) transform {
	if c.icc != nil {
		// A profile that cannot be read says nothing, as for a browser.
		t, err := readProfile(c.icc, channels, c.grey)
		if err == nil {
			return t
		}
	}

	if c.space == nil || channels == 4 {
		return nil
	}

	t := c.space.transformToSRGB()
	if channels == 1 && t != nil {
		return func(in [4]float64) [3]float64 { return t([4]float64{in[0], in[0], in[0]}) }
	}

	return t
}

// isIdentity reports whether a viewer would see no difference.
func isIdentity(t transform, channels int) bool {
	const steps, tolerance = 9, 1.5 / 255

	n := steps
	if channels == 3 {
		n *= steps * steps
	}

	for i := range n {
		in := [4]float64{float64(i%steps) / (steps - 1), float64(i/steps%steps) / (steps - 1), float64(i/steps/steps) / (steps - 1)}

		for j, light := range t(in) {
			if d := encodeSRGB(light) - in[min(j, channels-1)]; d < -tolerance || d > tolerance {
				return false
			}
		}
	}

	return true
}

var errProfile = errors.New("not a profile of these samples")

// readProfile reads a profile. It came from outside: what the library would believe and should not
// is looked at before, and a panic is one bad profile.
func readProfile(b []byte, channels int, grey bool) (t transform, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errProfile
		}
	}()

	if !isSound(b) {
		return nil, errProfile
	}

	p, err := icc.DecodeProfile(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}

	of := map[icc.ColorSpace]int{icc.ColorSpaceGray: 1, icc.ColorSpaceRGB: 3, icc.ColorSpaceCMYK: 4}[p.Header.DataColorSpace]
	if of != channels && (of != 1 || !grey) {
		return nil, errProfile
	}

	// As browsers do: the black of ink is not made blacker, and what sRGB cannot show is clipped later.
	const blackPoint, clip, mapGamut, optimize = false, false, false, true

	pipeline, err := p.CreateTransformerToSRGB(p.Header.RenderingIntent, blackPoint, of, clip, mapGamut, optimize)
	if err != nil {
		return nil, fmt.Errorf("find a way to sRGB: %w", err)
	}

	t = func(in [4]float64) [3]float64 {
		var out [4]float64

		pipeline.TransformGeneral(out[:], in[:])

		return [3]float64{decodeSRGB(out[0]), decodeSRGB(out[1]), decodeSRGB(out[2])}
	}
	t([4]float64{}) // a panic of its tables is one here

	return t, nil
}

// isSound reports whether the profile holds what it says it holds (ICC.1:2022, §7): the library
// makes room for tables of the size that they claim.
func isSound(b []byte) bool {
	const header, entry, signatureAt = 132, 12, 36

	if len(b) < header || string(b[signatureAt:signatureAt+4]) != "acsp" {
		return false
	}

	size, tags := int64(len(b)), int64(binary.BigEndian.Uint32(b[header-4:]))
	if header+tags*entry > size {
		return false
	}

	for i := range tags {
		e := b[header+i*entry:]
		at, length := int64(binary.BigEndian.Uint32(e[4:])), int64(binary.BigEndian.Uint32(e[8:]))

		if at < header+tags*entry || at+length > size || !isSoundTable(b[at:at+length]) {
			return false
		}
	}

	return areSoundCurves(b)
}

// isSoundTable looks at the table of a tag of several steps (ICC.1:2022, §10.12 and §10.13).
func isSoundTable(tag []byte) bool {
	const least, inputs, outputs, tableAt = 32, 8, 9, 24

	if len(tag) < 4 || (string(tag[:4]) != "mAB " && string(tag[:4]) != "mBA ") {
		return true
	}

	if len(tag) < least || tag[inputs] > 15 {
		return false
	}

	at := int64(binary.BigEndian.Uint32(tag[tableAt:]))
	if at == 0 {
		return true
	}

	if at+20 > int64(len(tag)) {
		return false
	}

	values := int64(tag[outputs])
	for _, steps := range tag[at : at+int64(tag[inputs])] {
		if values *= int64(steps); values > int64(len(tag)) {
			return false
		}
	}

	return true
}

// areSoundCurves looks at every curve of points (ICC.1:2022, §10.6), wherever it is.
func areSoundCurves(b []byte) bool {
	const before = 12

	for {
		n := bytes.Index(b, []byte("curv\x00\x00\x00\x00"))
		if n < 0 {
			return true
		}

		b = b[n:]
		if len(b) < before || 2*int64(binary.BigEndian.Uint32(b[8:])) > int64(len(b)) {
			return false
		}

		b = b[before:]
	}
}
