package archive_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation/archive"
)

var at = time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)

func of(r io.Reader) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(r), nil }
}

func TestArchive(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	a := archive.New(&out)
	add := func(name string, size int64, open func(context.Context) (io.ReadCloser, error)) error {
		return a.Add(t.Context(), archive.Entry{Name: name, Size: size, ModifiedAt: at}, open)
	}
	absent := errors.New("absent")

	require.NoError(t, add("one.png", 3, of(bytes.NewReader([]byte("one")))))

	err := add("absent.png", 3, func(context.Context) (io.ReadCloser, error) { return nil, absent })
	require.ErrorIs(t, err, archive.ErrMissing)
	require.ErrorIs(t, err, absent)

	err = add("torn.png", 9, of(io.MultiReader(bytes.NewReader([]byte("half")), iotest.ErrReader(io.ErrUnexpectedEOF))))
	require.ErrorIs(t, err, archive.ErrBroken)
	require.NotErrorIs(t, err, archive.ErrReader)
	require.ErrorIs(t, add("short.png", 9, of(bytes.NewReader([]byte("half")))), archive.ErrBroken)

	require.NoError(t, add("two.png", 3, of(bytes.NewReader([]byte("two")))))
	require.NoError(t, a.Close("manifest.json", at, map[string]string{"prompt": "a <fox>"}))

	z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	require.NoError(t, err)

	got := map[string]string{}

	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)

		body, err := io.ReadAll(r) // which checks the sum, too
		require.NoError(t, err, f.Name)

		got[f.Name] = string(body)
		require.True(t, f.Modified.Equal(at))
	}

	want := map[string]string{
		"one.png": "one", "torn.png": "half", "short.png": "half", "two.png": "two", "manifest.json": "{\n  \"prompt\": \"a <fox>\"\n}\n",
	}
	require.Equal(t, want, got)
	require.Equal(t, want, readStream(t, &out))
}

// What is larger than a block, and what is empty, reads as a stream, too.
func TestArchive_AsAStream(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	want := map[string]string{"empty.png": "", "manifest.json": "null\n"}
	a := archive.New(&out)

	require.NoError(t, a.Add(t.Context(), archive.Entry{Name: "empty.png", ModifiedAt: at}, of(bytes.NewReader(nil))))

	for i, size := range []int{1, 65535, 65536, 1 << 20} {
		name, text := strconv.Itoa(i)+".png", strings.Repeat("PK\x03\x04\x07\x08 ", size/7+1)[:size]
		want[name] = text

		require.NoError(t, a.Add(t.Context(), archive.Entry{Name: name, Size: int64(size), ModifiedAt: at}, of(strings.NewReader(text))))
	}

	require.NoError(t, a.Close("manifest.json", at, nil))
	require.Equal(t, want, readStream(t, &out))
}

// readStream reads a zip as it comes, by what stands before and after each entry (APPNOTE.TXT 4.3.7, 4.3.9): the directory at
// the end is not looked at. It is as strict as Java's ZipInputStream.
func readStream(t *testing.T, in io.Reader) map[string]string {
	t.Helper()

	const fileHeader, directoryHeader, descriptorHeader = 0x04034b50, 0x02014b50, 0x08074b50

	var (
		r    = bufio.NewReader(in) // an io.ByteReader, of which flate reads no more than it needs
		le   = binary.LittleEndian
		got  = map[string]string{}
		take = func(n int) []byte {
			b := make([]byte, n)
			_, err := io.ReadFull(r, b)
			require.NoError(t, err)

			return b
		}
	)

	for {
		signature := le.Uint32(take(4))
		if signature == directoryHeader {
			return got
		}

		require.EqualValues(t, fileHeader, signature)

		h := take(26)
		name := string(take(int(le.Uint16(h[22:]))))
		take(int(le.Uint16(h[24:])))

		if flags, method := le.Uint16(h[2:]), le.Uint16(h[4:]); flags&8 != 0 {
			require.Equal(t, zip.Deflate, method, "only a compressed entry can have a descriptor")
		} else {
			require.FailNow(t, "the sizes were known beforehand")
		}

		body, err := io.ReadAll(flate.NewReader(r))
		require.NoError(t, err, name)

		d := take(16)
		require.EqualValues(t, descriptorHeader, le.Uint32(d), name)
		require.Equal(t, crc32.ChecksumIEEE(body), le.Uint32(d[4:]), name)
		require.EqualValues(t, len(body), le.Uint32(d[12:]), name)

		got[name] = string(body)
	}
}

type gone struct{ left int }

func (g *gone) Write(p []byte) (int, error) {
	if g.left -= len(p); g.left < 0 {
		return 0, io.ErrClosedPipe
	}

	return len(p), nil
}

func TestArchive_NobodyTakesIt(t *testing.T) {
	t.Parallel()

	a := archive.New(&gone{left: 100_000})
	err := a.Add(t.Context(), archive.Entry{Name: "a", Size: 1 << 20}, of(bytes.NewReader(make([]byte, 1<<20))))
	require.ErrorIs(t, err, archive.ErrReader)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.NotErrorIs(t, err, archive.ErrBroken)
	require.ErrorIs(t, a.Close("m", at, 1), archive.ErrReader)
}

// A gigabyte of pictures passes through a few buffers.
func TestArchive_HoldsNothing(t *testing.T) { //nolint:paralleltest // it weighs the process
	var before, after runtime.MemStats

	runtime.GC()
	runtime.ReadMemStats(&before)

	const size = 5 << 20

	a := archive.New(io.Discard)
	for i := range 200 {
		require.NoError(t, a.Add(t.Context(), archive.Entry{Name: strconv.Itoa(i), Size: size}, of(io.LimitReader(zeros{}, size))))
	}

	require.NoError(t, a.Close("manifest.json", at, nil))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "bytes allocated over all, for 1,000 MiB")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
