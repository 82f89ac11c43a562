//go:build race

package devtest

const slowness = 5
