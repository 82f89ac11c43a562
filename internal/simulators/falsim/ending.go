package falsim

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// ending is how a request ends other than well: with an error of fal's, or with a result that
// is not as it should be.
type ending struct {
	what string
	fail func() outcome           // an error
	edit func(res map[string]any) // or a result's JSON; nil as well: what makeResult does by name
}

// The endings that change the pictures, not the JSON.
const (
	endingNSFW  = "nsfw"
	endingFewer = "fewer"
)

// endingFor is how a running request that could succeed is to end. The caller holds mu.
func (s *Sim) endingFor(n int64) (string, ending) {
	name := ""
	if s.knobs.EndingEveryNth == 0 || isNth(n, s.knobs.EndingEveryNth) {
		name = s.knobs.Ending
	}

	if name == "" {
		if f := s.Monkey.Choose(RouteEnding); f != nil {
			name = f.Name
		}
	}

	return name, endingsByName()[name]
}

// Endings lists the words for [Knobs].Ending, sorted.
func Endings() []string { return slices.Sorted(maps.Keys(endingsByName())) }

func endingsByName() map[string]ending {
	all := map[string]ending{}

	for _, e := range modelErrors() {
		all[e.kind] = ending{what: "the model's error, " + http.StatusText(e.status), fail: func() outcome {
			p := falProblem(e.kind, e.msg, e.field, nil, e.ctx)
			if e.field == "" {
				p.Loc = []any{"body"}
			}

			return modelError(e.status, e.kind, map[string]any{"detail": []problem{p}}, e.retry)
		}}
	}

	for kind, status := range infraErrors() {
		all[kind] = ending{what: "fal's machinery, " + http.StatusText(status), fail: func() outcome {
			return infraError(status, kind, infraText(kind))
		}}
	}

	maps.Copy(all, oldErrors())
	maps.Copy(all, bentResults())

	return all
}

// oldErrors are the shapes that not yet migrated models write.
func oldErrors() map[string]ending {
	refuse := func(status int, body any) func() outcome {
		return func() outcome { return modelError(status, "", body, status >= 500) }
	}
	detail := func(v any) map[string]any { return map[string]any{"detail": v} }

	return map[string]ending{
		"string_detail": {what: "an error whose detail is a sentence", fail: refuse(http.StatusUnprocessableEntity, detail("The prompt was not accepted."))},
		"unhandled":     {what: "an exception in the app", fail: refuse(http.StatusInternalServerError, detail("Internal Server Error"))},
		"unknown_path":  {what: "the app has no such path", fail: refuse(http.StatusNotFound, detail("Path /x not found"))},
		"no_detail":     {what: "an error with an empty object", fail: refuse(http.StatusUnprocessableEntity, map[string]any{})},
		"pydantic_1": {what: "an error as pydantic 1 writes it", fail: refuse(http.StatusUnprocessableEntity, detail([]problem{
			{Loc: []any{"body", "prompt"}, Msg: "field required", Type: "value_error.missing"},
		}))},
		"pydantic_2": {what: "an error as pydantic 2 writes it", fail: refuse(http.StatusUnprocessableEntity, detail([]problem{
			{Loc: []any{"body", "num_images"}, Msg: "Input should be a valid integer, unable to parse string as an integer", Type: "int_parsing", Input: "x"},
		}))},
		"html_error": {what: "a page of HTML as 502", fail: func() outcome {
			return outcome{
				status: http.StatusBadGateway, body: []byte("<html><h1>Bad Gateway</h1></html>"), message: "Invalid status code: 502",
				header: map[string]string{"Content-Type": "text/html"},
			}
		}},
	}
}

// bentResults are successes that a careful reader does not trust.
func bentResults() map[string]ending {
	images := func(change func(img map[string]any)) func(map[string]any) {
		return func(res map[string]any) {
			list, _ := res["images"].([]any)
			for _, img := range list {
				if img, ok := img.(map[string]any); ok {
					change(img)
				}
			}
		}
	}
	links := func(to string) func(map[string]any) {
		return images(func(img map[string]any) { img["url"] = to })
	}
	set := func(name string, v any) func(map[string]any) {
		return func(res map[string]any) { res[name] = v }
	}

	return map[string]ending{
		endingNSFW:    {what: "a black image and has_nsfw_concepts"},
		endingFewer:   {what: "one image less than asked for"},
		"no_images":   {what: "success without an image", edit: set("images", []any{})},
		"null_images": {what: "images: null", edit: set("images", nil)},
		"null_facts": {what: "images with null width, height, type and size", edit: images(func(img map[string]any) {
			for _, k := range []string{"width", "height", "content_type", "file_name", "file_size"} {
				img[k] = nil
			}
		})},
		"no_facts": {what: "images with a URL alone", edit: images(func(img map[string]any) {
			maps.DeleteFunc(img, func(k string, _ any) bool { return k != "url" })
		})},
		"false_facts":   {what: "images with another width and height than announced", edit: images(func(img map[string]any) { img["width"], img["height"] = 7, "9" })},
		"null_seed":     {what: "seed: null", edit: set("seed", nil)},
		"big_seed":      {what: "a seed above 2^53", edit: set("seed", bigSeed)},
		"null_nsfw":     {what: "has_nsfw_concepts: null", edit: set("has_nsfw_concepts", nil)},
		"short_nsfw":    {what: "has_nsfw_concepts shorter than images", edit: set("has_nsfw_concepts", []any{})},
		"more_members":  {what: "members that fal does not document", edit: set("debug_info", map[string]any{"node": "gpu-7", "trace": []any{1, 2}})},
		"foreign_link":  {what: "the image is on a host that is not fal's", edit: links("https://files.example.com/a.png")},
		"private_link":  {what: "the image is at an address inside", edit: links("http://169.254.169.254/latest/meta-data/")},
		"file_link":     {what: "the image is file:///etc/passwd", edit: links("file:///etc/passwd")},
		"relative_link": {what: "the image's URL has no host", edit: links("/files/b/0/a.png")},
		"empty_link":    {what: "the image's URL is empty", edit: links("")},
		"broken_data":   {what: "the image is a data URI of nonsense", edit: links("data:image/png;base64,AAAA")},
		"long_result":   {what: "a result of 5 MiB", edit: func(res map[string]any) { res["debug_info"] = strings.Repeat("x", 5<<20) }},
	}
}

// endingFaults is the part of chaos for how requests end.
func endingFaults() []Fault {
	var list []Fault
	for _, name := range Endings() {
		list = append(list, Fault{Name: name, Routes: []string{RouteEnding}, What: endingsByName()[name].what})
	}

	return list
}
