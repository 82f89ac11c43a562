package picture

import (
	"encoding/binary"
	"math"
)

// space is a colour space in numbers.
type space struct {
	// chromaticities are CIE 1931 x and y of white, red, green and blue.
	chromaticities [4][2]float64
	// light is the linear light of a sample, 1 being white; what is brighter is clipped.
	light func(sample float64) float64
}

func chromaticitiesBT709() [4][2]float64 {
	return [4][2]float64{{0.3127, 0.3290}, {0.64, 0.33}, {0.30, 0.60}, {0.15, 0.06}}
}

// readSpace returns what the chunks of a PNG say in numbers; nil: nothing.
func readSpace(found map[string][]byte) *space {
	if s := readCICP(found["cICP"]); s != nil {
		return s
	}

	const usual, unit = 45455, 100_000 // that of sRGB, and 1

	if len(found["gAMA"]) != 4 {
		return nil
	}

	gamma := binary.BigEndian.Uint32(found["gAMA"])
	if gamma < unit/100 || gamma > unit*10 {
		return nil
	}

	s := &space{chromaticities: chromaticitiesBT709(), light: decodeSRGB}
	if gamma < usual-500 || gamma > usual+500 {
		s.light = func(v float64) float64 { return math.Pow(v, unit/float64(gamma)) }
	}

	if chrm := found["cHRM"]; len(chrm) == 32 {
		for i := range 8 {
			s.chromaticities[i/2][i%2] = float64(binary.BigEndian.Uint32(chrm[4*i:])) / unit
		}
	}

	return s
}

// readCICP reads code points of ITU-T H.273; nil: those that we do not know, or that say sRGB.
func readCICP(chunk []byte) *space {
	const rgb, fullRange = 0, 1

	if len(chunk) != 4 || chunk[2] != rgb || chunk[3] != fullRange {
		return nil
	}

	return lookUpSpace(chunk[0], chunk[1])
}

// lookUpSpace takes colour primaries and transfer characteristics (ITU-T H.273, tables 2 and 3).
func lookUpSpace(primaries, transfer byte) *space {
	s := &space{chromaticities: chromaticitiesBT709()}

	switch primaries {
	case 1:
	case 5:
		s.chromaticities = [4][2]float64{{0.3127, 0.3290}, {0.64, 0.33}, {0.29, 0.60}, {0.15, 0.06}}
	case 6, 7:
		s.chromaticities = [4][2]float64{{0.3127, 0.3290}, {0.630, 0.340}, {0.310, 0.595}, {0.155, 0.070}}
	case 9:
		s.chromaticities = [4][2]float64{{0.3127, 0.3290}, {0.708, 0.292}, {0.170, 0.797}, {0.131, 0.046}}
	case 11:
		s.chromaticities = [4][2]float64{{0.314, 0.351}, {0.680, 0.320}, {0.265, 0.690}, {0.150, 0.060}}
	case 12:
		s.chromaticities = [4][2]float64{{0.3127, 0.3290}, {0.680, 0.320}, {0.265, 0.690}, {0.150, 0.060}}
	default:
		return nil
	}

	switch transfer {
	case 1, 6, 13, 14, 15:
		// Video's curve is for a dim room; viewers show a still picture with it as they do sRGB.
		s.light = decodeSRGB
	case 4:
		s.light = func(v float64) float64 { return math.Pow(v, 2.2) }
	case 5:
		s.light = func(v float64) float64 { return math.Pow(v, 2.8) }
	case 8:
		s.light = func(v float64) float64 { return v }
	case 16:
		s.light = decodePQ
	case 18:
		s.light = decodeHLG
	default:
		return nil
	}

	return s
}

// decodeSRGB is the curve of IEC 61966-2-1.
func decodeSRGB(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}

	return math.Pow((v+0.055)/1.055, 2.4)
}

// encodeSRGB is the inverse of decodeSRGB, for light that can be shown.
func encodeSRGB(light float64) float64 {
	if light <= 0.0031308 {
		return max(light, 0) * 12.92
	}

	return 1.055*math.Pow(min(light, 1), 1/2.4) - 0.055
}

// decodePQ is SMPTE ST 2084, with the white of 203 cd/m² that ITU-R BT.2408 has for pages.
func decodePQ(v float64) float64 {
	const (
		m1, m2     = 2610.0 / 16384, 2523.0 / 4096 * 128
		c1, c2, c3 = 3424.0 / 4096, 2413.0 / 4096 * 32, 2392.0 / 4096 * 32
		peak       = 10_000.0 / 203
	)

	p := math.Pow(v, 1/m2)

	return peak * math.Pow(max(p-c1, 0)/(c2-c3*p), 1/m1)
}

// decodeHLG is ITU-R BT.2100, with white at 75 % of the signal.
func decodeHLG(v float64) float64 {
	const a, b, c = 0.17883277, 0.28466892, 0.55991073

	light := v * v / 3
	if v > 0.5 {
		light = (math.Exp((v-c)/a) + b) / 12
	}

	const white = 0.2650 // of v = 0.75

	return light / white
}

// transformToSRGB returns the way from the space to sRGB; nil where its numbers are no space.
func (s *space) transformToSRGB() transform {
	from, ok := computeToXYZ(s.chromaticities)
	if !ok {
		return nil
	}

	to, _ := computeToXYZ(chromaticitiesBT709())
	back, _ := to.invertMatrix()
	m := back.multiplyMatrix(adaptWhite(s.chromaticities[0], chromaticitiesBT709()[0])).multiplyMatrix(from)

	return func(in [4]float64) [3]float64 {
		return m.multiplyVector([3]float64{s.light(in[0]), s.light(in[1]), s.light(in[2])})
	}
}
