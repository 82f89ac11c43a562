package falsim

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"imagerun/internal/simulators/kit/chaos"
	"imagerun/internal/simulators/kit/rules"
)

// poison is a way to serve a picture that must not be taken for one, or not for this one.
type poison struct {
	what  string
	serve func(h *fileHost, w http.ResponseWriter, f file)
}

// Poisons lists the words for [Knobs].Media and [Rule].Variant, sorted.
func Poisons() []string { return slices.Sorted(maps.Keys(poisonsByName())) }

func poisonsByName() map[string]poison {
	refuse := func(code int) poison {
		return poison{"answers " + strconv.Itoa(code), func(_ *fileHost, w http.ResponseWriter, _ file) {
			http.Error(w, http.StatusText(code), code)
		}}
	}
	other := func(what string, data func(h *fileHost, f file, whole []byte) []byte) poison {
		return poison{what, func(h *fileHost, w http.ResponseWriter, f file) {
			whole, err := f.pic.encodeAs(f.format)
			if err != nil {
				panic(http.ErrAbortHandler)
			}

			writeFile(w, data(h, f, whole))
		}}
	}

	return map[string]poison{
		"missing":   refuse(http.StatusNotFound),
		"gone":      refuse(http.StatusGone),
		"forbidden": refuse(http.StatusForbidden),
		"html": {"an error page as success", func(_ *fileHost, w http.ResponseWriter, _ file) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<!doctype html><title>Just a moment…</title>")
		}},
		"huge": {"64 MiB that are no picture", func(_ *fileHost, w http.ResponseWriter, _ file) {
			w.Header().Set("Content-Length", strconv.Itoa(rules.FloodBytes))
			rules.Flood(w)
		}},
		"truncated": {"half of what was announced, then cut", func(_ *fileHost, w http.ResponseWriter, f file) {
			data, _ := f.pic.encodeAs(f.format)
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			_, _ = w.Write(data[:len(data)/2])
			panic(http.ErrAbortHandler)
		}},
		"redirect": {"redirects to the trap", func(_ *fileHost, w http.ResponseWriter, _ file) {
			w.Header().Set("Location", chaos.TrapPath)
			w.WriteHeader(http.StatusFound)
		}},
		"empty":      other("no bytes", func(*fileHost, file, []byte) []byte { return nil }),
		"not_image":  other("text, called a picture", func(*fileHost, file, []byte) []byte { return []byte("this is no picture") }),
		"svg":        other("SVG with a script", func(*fileHost, file, []byte) []byte { return []byte(svg) }),
		"gif":        other("a GIF", func(_ *fileHost, f file, _ []byte) []byte { return gifOf(f.pic) }),
		"half":       other("half of the file, as if it were all", func(_ *fileHost, _ file, whole []byte) []byte { return whole[:len(whole)/2] }),
		"corrupt":    other("bytes in the middle are wrong", func(_ *fileHost, _ file, whole []byte) []byte { return corruptMiddle(whole) }),
		"polyglot":   other("a page of HTML follows the picture", func(_ *fileHost, _ file, whole []byte) []byte { return append(whole, page...) }),
		"bomb":       other("a small PNG of 400 megapixels", func(h *fileHost, _ file, _ []byte) []byte { return h.bigPicture() }),
		"false_size": other("a PNG that says 60,000 × 60,000 and holds nothing", func(*fileHost, file, []byte) []byte { return hollowPNG(60_000, 60_000) }),
		"wrong_type": other("another format than announced", func(_ *fileHost, f file, whole []byte) []byte {
			return encodeOrKeep(whole, f.pic, otherFormat(f.format))
		}),
		"wrong_size": other("half as wide and high as announced", func(_ *fileHost, f file, whole []byte) []byte {
			f.pic.width, f.pic.height = max(1, f.pic.width/2), max(1, f.pic.height/2)

			return encodeOrKeep(whole, f.pic, f.format)
		}),
	}
}

// poisonFaults is the part of chaos for the file host.
func poisonFaults() []Fault {
	var list []Fault

	for _, name := range Poisons() {
		if name == "truncated" || name == "redirect" || name == "missing" || name == "forbidden" {
			continue // chaos does these to every route
		}

		list = append(list, Fault{
			Name: name, Routes: []string{RouteMedia}, Acts: true, What: poisonsByName()[name].what,
			Rule: Rule{Action: ActPoison, Variant: name},
		})
	}

	return list
}
