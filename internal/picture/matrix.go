package picture

// matrix is of three rows.
type matrix [3][3]float64

func (m matrix) multiplyVector(v [3]float64) (out [3]float64) {
	for i, row := range m {
		out[i] = row[0]*v[0] + row[1]*v[1] + row[2]*v[2]
	}

	return out
}

func (m matrix) multiplyMatrix(n matrix) (out matrix) {
	for i := range 3 {
		for j := range 3 {
			out[i][j] = m[i][0]*n[0][j] + m[i][1]*n[1][j] + m[i][2]*n[2][j]
		}
	}

	return out
}

// invertMatrix returns the inverse, and whether there is one.
func (m matrix) invertMatrix() (out matrix, ok bool) {
	const least = 1e-6

	minor := func(i, j int) float64 {
		a, b, c, d := (i+1)%3, (i+2)%3, (j+1)%3, (j+2)%3

		return m[a][c]*m[b][d] - m[a][d]*m[b][c]
	}

	det := m[0][0]*minor(0, 0) + m[0][1]*minor(0, 1) + m[0][2]*minor(0, 2)
	if det < least && det > -least {
		return matrix{}, false
	}

	for i := range 3 {
		for j := range 3 {
			out[j][i] = minor(i, j) / det
		}
	}

	return out, true
}

// xyzOfWhite returns CIE XYZ of Y = 1.
func xyzOfWhite(xy [2]float64) [3]float64 {
	return [3]float64{xy[0] / xy[1], 1, (1 - xy[0] - xy[1]) / xy[1]}
}

// computeToXYZ returns the matrix from linear red, green and blue to CIE XYZ (SMPTE RP 177).
func computeToXYZ(chromaticities [4][2]float64) (matrix, bool) {
	var columns matrix

	for i, xy := range chromaticities {
		if xy[1] <= 0 {
			return matrix{}, false
		}

		if v := xyzOfWhite(xy); i > 0 {
			columns[0][i-1], columns[1][i-1], columns[2][i-1] = v[0], v[1], v[2]
		}
	}

	inverse, ok := columns.invertMatrix()
	if !ok {
		return matrix{}, false
	}

	scale := inverse.multiplyVector(xyzOfWhite(chromaticities[0]))
	for i := range 3 {
		for j := range 3 {
			columns[i][j] *= scale[j]
		}
	}

	return columns, true
}

// adaptWhite returns the matrix that makes of one white another, after Bradford (ICC.1:2022, annex E).
func adaptWhite(from, to [2]float64) matrix {
	bradford := matrix{{0.8951, 0.2664, -0.1614}, {-0.7502, 1.7135, 0.0367}, {0.0389, -0.0685, 1.0296}}
	back, _ := bradford.invertMatrix()
	was, is := bradford.multiplyVector(xyzOfWhite(from)), bradford.multiplyVector(xyzOfWhite(to))

	return back.multiplyMatrix(matrix{{is[0] / was[0]}, {0, is[1] / was[1]}, {0, 0, is[2] / was[2]}}).multiplyMatrix(bradford)
}
