package httpapi_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// canary stands for what a caller sent: it must not come back, nor reach a log.
const canary = "CANARY-7f3a"

func TestBadInput(t *testing.T) {
	t.Parallel()

	with := func(fields string) string { return `{"model":"z-image-turbo","prompt":"` + canary + `"` + fields + `}` }
	long := strings.Repeat("x", 10001)

	for name, c := range map[string]struct {
		method, target, body string
		headers              []string
		status               int
		code                 string
		errors               []string
	}{
		"UnknownField":        {body: with(`,"promt":"CANARY-7f3a"`), status: 422, code: "validation_failed", errors: []string{"#/promt additionalProperties"}},
		"UnknownFieldIsValue": {body: with(`,"CANARY-7f3a is a prompt":1`), status: 422, code: "validation_failed", errors: []string{"# additionalProperties"}},
		"WrongType":           {body: with(`,"num_images":"CANARY-7f3a"`), status: 422, code: "validation_failed", errors: []string{"#/num_images type"}},
		"NullIsNoPrompt":      {body: `{"model":"m","prompt":null}`, status: 422, code: "validation_failed", errors: []string{"#/prompt type"}},
		"NullIsUnknown":       {body: with(`,"promt":null`), status: 422, code: "validation_failed", errors: []string{"#/promt additionalProperties"}},
		"NullIsNoLabel":       {body: with(`,"metadata":{"a":null}`), status: 422, code: "validation_failed", errors: []string{"#/metadata/a type"}},
		"NullIsNoHeight":      {body: with(`,"width":1024,"height":null`), status: 422, code: "validation_failed", errors: []string{"#/height dependentRequired"}},
		"FractionalSeed":      {body: with(`,"seed":1.5`), status: 422, code: "validation_failed", errors: []string{"#/seed type"}},
		"FractionBeyond":      {body: with(`,"seed":9007199254740990.5`), status: 422, code: "validation_failed", errors: []string{"#/seed type"}},
		"SmallFraction":       {body: with(`,"seed":1.00000000000000000001`), status: 422, code: "validation_failed", errors: []string{"#/seed type"}},
		"FractionOfASide":     {body: with(`,"width":512.00000000000000000001,"height":512`), status: 422, code: "validation_failed", errors: []string{"#/width type"}},
		"HugeExponent":        {body: with(`,"seed":1e999999999`), status: 400, code: "malformed_json", errors: []string{"# number"}},
		"TinyNumber":          {body: with(`,"seed":1e-999999999`), status: 400, code: "malformed_json", errors: []string{"# number"}},
		"HalfCharacter":       {body: `{"model":"m","prompt":"CANARY-7f3a\ud83d"}`, status: 400, code: "malformed_json", errors: []string{"# surrogate"}},
		"OtherHalf":           {body: `{"model":"m","prompt":"CANARY-7f3a\udc8e\ud83d"}`, status: 400, code: "malformed_json", errors: []string{"# surrogate"}},
		"HalfOfAName":         {body: with(`,"metadata":{"\ud83d":"CANARY-7f3a"}`), status: 400, code: "malformed_json", errors: []string{"# surrogate"}},
		"SeedTooLarge":        {body: with(`,"seed":9007199254740992`), status: 422, code: "validation_failed", errors: []string{"#/seed maximum"}},
		"NegativeSeed":        {body: with(`,"seed":-1`), status: 422, code: "validation_failed", errors: []string{"#/seed minimum"}},
		"AspectRatio":         {body: with(`,"aspect_ratio":"CANARY-7f3a"`), status: 422, code: "validation_failed", errors: []string{"#/aspect_ratio enum"}},
		"Quality":             {body: with(`,"quality":"CANARY-7f3a"`), status: 422, code: "validation_failed", errors: []string{"#/quality enum"}},
		"OutputFormat":        {body: with(`,"output_format":"CANARY-7f3a"`), status: 422, code: "validation_failed", errors: []string{"#/output_format enum"}},
		"WidthWithoutHeight":  {body: with(`,"width":1024`), status: 422, code: "validation_failed", errors: []string{"#/height dependentRequired"}},
		"SideTooLarge":        {body: with(`,"width":5000,"height":1`), status: 422, code: "validation_failed", errors: []string{"#/height minimum", "#/width maximum"}},
		"FiveImages":          {body: with(`,"num_images":5`), status: 422, code: "validation_failed", errors: []string{"#/num_images maximum"}},
		"NoImages":            {body: with(`,"num_images":0`), status: 422, code: "validation_failed", errors: []string{"#/num_images minimum"}},
		"MetadataValue":       {body: with(`,"metadata":{"a":["CANARY-7f3a"]}`), status: 422, code: "validation_failed", errors: []string{"#/metadata/a type"}},
		"MetadataName":        {body: with(`,"metadata":{"CANARY-7f3a !":"x"}`), status: 422, code: "validation_failed", errors: []string{"#/metadata propertyNames"}},
		"NULCharacter":        {body: `{"model":"m","prompt":"CANARY-7f3a\u0000"}`, status: 422, code: "validation_failed", errors: []string{"#/prompt pattern"}},
		"EmptyPrompt":         {body: `{"model":"m","prompt":""}`, status: 422, code: "validation_failed", errors: []string{"#/prompt pattern"}},
		"BlankPrompt":         {body: `{"model":"m","prompt":" \n\t"}`, status: 422, code: "validation_failed", errors: []string{"#/prompt pattern"}},
		"InvisiblePrompt":     {body: `{"model":"m","prompt":"\u00a0\u200b\u2003\u2060"}`, status: 422, code: "validation_failed", errors: []string{"#/prompt pattern"}},
		"LongPrompt":          {body: `{"model":"m","prompt":"CANARY-7f3a` + long + `"}`, status: 422, code: "validation_failed", errors: []string{"#/prompt maxLength"}},
		"NoPromptNoModel":     {body: `{}`, status: 422, code: "validation_failed", errors: []string{"#/model required", "#/prompt required"}},
		"SeveralAtOnce":       {body: `{"model":1,"prompt":2}`, status: 422, code: "validation_failed", errors: []string{"#/model type", "#/prompt type"}},
		"NotAnObject":         {body: `["CANARY-7f3a"]`, status: 422, code: "validation_failed", errors: []string{"# type"}},
		"Query":               {target: "/v1/generations?CANARY-7f3a!=1", body: with(""), status: 422, code: "validation_failed", errors: []string{"?(unnamed) additionalProperties"}},

		"RemixUnknown":    {target: "/v1/generations/" + sampleID + "/remix", body: `{"promt":"CANARY-7f3a","num_images":9,"keep_seed":"CANARY-7f3a"}`, status: 422, code: "validation_failed", errors: []string{"#/keep_seed type", "#/num_images maximum", "#/promt additionalProperties"}},
		"RemixBlank":      {target: "/v1/generations/" + sampleID + "/remix", body: `{"prompt":" "}`, status: 422, code: "validation_failed", errors: []string{"#/prompt pattern"}},
		"RemixKey":        {target: "/v1/generations/" + sampleID + "/remix", body: `{}`, headers: []string{"Idempotency-Key", "CANARY 7f3a"}, status: 400, code: "malformed_header", errors: []string{"Idempotency-Key: format"}},
		"MalformedRemix":  {target: "/v1/generations/CANARY-7f3a/remix", body: `{}`, status: 404, code: "not_found"},
		"ReaderRemixes":   {target: "/v1/generations/" + sampleID + "/remix", body: `{}`, headers: []string{"Authorization", "Bearer reader"}, status: 403, code: "insufficient_scope"},
		"MalformedStar":   {method: "PUT", target: "/v1/generations/CANARY-7f3a/favourite", status: 404, code: "not_found"},
		"MalformedUnstar": {method: "DELETE", target: "/v1/generations/CANARY-7f3a/favourite", status: 404, code: "not_found"},
		"DeleteNone":      {target: "/v1/generations/delete", body: `{"ids":[]}`, status: 422, code: "validation_failed", errors: []string{"#/ids minItems"}},
		"DeleteTwice":     {target: "/v1/generations/delete", body: `{"ids":["` + sampleID + `","` + sampleID + `"]}`, status: 422, code: "validation_failed", errors: []string{"#/ids uniqueItems"}},
		"DeleteMalformed": {target: "/v1/generations/delete", body: `{"ids":["CANARY-7f3a"]}`, status: 422, code: "validation_failed", errors: []string{"#/ids/0 pattern"}},
		"DeleteTooMany":   {target: "/v1/generations/delete", body: `{"ids":[` + strings.Repeat(`"`+sampleID+`",`, 100) + `"` + sampleID + `"]}`, status: 422, code: "validation_failed", errors: []string{"#/ids maxItems", "#/ids uniqueItems"}},
		"DownloadNone":    {method: "GET", target: "/v1/generations/download", status: 422, code: "validation_failed", errors: []string{"?id required"}},
		"DownloadBad":     {method: "GET", target: "/v1/generations/download?id=CANARY-7f3a", status: 422, code: "validation_failed", errors: []string{"?id pattern"}},
		"DownloadTooMany": {method: "GET", target: "/v1/generations/download?id=" + strings.Repeat(sampleID+"&id=", 100) + sampleID, status: 422, code: "validation_failed", errors: []string{"?id maxItems", "?id uniqueItems"}},
		"FavouriteMaybe":  {method: "GET", target: "/v1/generations?favourite=CANARY-7f3a", status: 422, code: "validation_failed", errors: []string{"?favourite type"}},

		"BrokenJSON":      {body: `{"model":"CANARY-7f3a"`, status: 400, code: "malformed_json"},
		"TwoDocuments":    {body: with("") + `{}`, status: 400, code: "malformed_json"},
		"NoBody":          {headers: []string{"Content-Type", "application/json"}, status: 400, code: "malformed_json"},
		"NotUTF8":         {body: "{\"model\":\"m\",\"prompt\":\"CANARY-7f3a\xff\"}", status: 400, code: "malformed_json"},
		"HugeNumber":      {body: with(`,"seed":1e999`), status: 400, code: "malformed_json", errors: []string{"# number"}},
		"NameTwice":       {body: with(`,"model":"CANARY-7f3a"`), status: 400, code: "malformed_json", errors: []string{"# uniqueNames"}},
		"NestedTooDeep":   {body: strings.Repeat("[", 60_000), status: 400, code: "json_too_deep"},
		"NestedTooDeepOK": {body: with(`,"metadata":` + strings.Repeat(`{"a":`, 20) + `1` + strings.Repeat("}", 20)), status: 400, code: "json_too_deep"},
		"TooManyNames":    {body: with(`,"metadata":{` + unknownFields(129) + `}`), status: 400, code: "json_too_wide"},
		"TooManyItems":    {target: "/v1/generations/delete", body: `{"ids":[` + strings.Repeat(`"",`, 128) + `""]}`, status: 400, code: "json_too_wide"},
		"Over64KiB":       {body: `{"prompt":"CANARY-7f3a` + strings.Repeat("x", 1<<16) + `"}`, status: 413, code: "body_too_large"},
		"WrongType415":    {body: with(""), headers: []string{"Content-Type", "text/plain; x=CANARY-7f3a"}, status: 415, code: "unsupported_media_type"},
		"NoType":          {body: with(""), headers: []string{"Content-Type", ""}, status: 415, code: "unsupported_media_type"},
		"Compressed":      {body: with(""), headers: []string{"Content-Encoding", "gzip"}, status: 415, code: "unsupported_media_type"},
		"IdempotencyKey":  {body: with(""), headers: []string{"Idempotency-Key", "CANARY-7f3a two words"}, status: 400, code: "malformed_header", errors: []string{"Idempotency-Key: format"}},

		"NoCredentials":    {body: with(""), headers: []string{"Authorization", ""}, status: 401, code: "unauthenticated"},
		"WrongCredentials": {body: with(""), headers: []string{"Authorization", "Bearer CANARY-7f3a"}, status: 401, code: "unauthenticated"},
		"MissingScope":     {body: with(""), headers: []string{"Authorization", "Bearer reader"}, status: 403, code: "insufficient_scope"},
		"CrossOriginCookie": {
			body: with(""), headers: []string{"Authorization", "", "Cookie", "session=1", "Sec-Fetch-Site", "cross-site"},
			status: 403, code: "cross_origin",
		},
		"CrossOriginAuth": {
			target: "/api/auth/sign-in/email", body: with(""), headers: []string{"Authorization", "", "Origin", "https://CANARY-7f3a.example"},
			status: 403, code: "cross_origin",
		},

		"UnknownParameter":  {method: "GET", target: "/v1/generations?order=CANARY-7f3a", status: 422, code: "validation_failed", errors: []string{"?order additionalProperties"}},
		"UnknownStatus":     {method: "GET", target: "/v1/generations?status=queued&status=CANARY-7f3a", status: 422, code: "validation_failed", errors: []string{"?status enum"}},
		"LimitTooLarge":     {method: "GET", target: "/v1/generations?limit=101", status: 422, code: "validation_failed", errors: []string{"?limit maximum"}},
		"LimitNotANumber":   {method: "GET", target: "/v1/generations?limit=CANARY-7f3a", status: 422, code: "validation_failed", errors: []string{"?limit type"}},
		"LimitTwice":        {method: "GET", target: "/v1/generations?limit=1&limit=2", status: 422, code: "validation_failed", errors: []string{"?limit maxItems"}},
		"NotATime":          {method: "GET", target: "/v1/generations?created_after=CANARY-7f3a", status: 422, code: "validation_failed", errors: []string{"?created_after format"}},
		"NotACursor":        {method: "GET", target: "/v1/generations?starting_after=CANARY-7f3a", status: 422, code: "validation_failed", errors: []string{"?starting_after pattern"}},
		"BothCursors":       {method: "GET", target: "/v1/generations?starting_after=" + sampleID + "&ending_before=" + sampleID, status: 422, code: "validation_failed", errors: []string{"?ending_before not"}},
		"LeapSecond":        {method: "GET", target: "/v1/generations?created_after=2016-12-31T23:59:60Z", status: 422, code: "validation_failed", errors: []string{"?created_after format"}},
		"BrokenQuery":       {method: "GET", target: "/v1/generations?limit=%zz", status: 400, code: "malformed_query"},
		"LabelsWithoutOne":  {method: "GET", target: "/v1/generations?metadata=CANARY-7f3a", status: 422, code: "validation_failed", errors: []string{"?metadata additionalProperties"}},
		"LabelOfNoObject":   {method: "GET", target: "/v1/generations?model[a]=CANARY-7f3a", status: 422, code: "validation_failed", errors: []string{"?(unnamed) additionalProperties"}},
		"LabelTwice":        {method: "GET", target: "/v1/generations?metadata[a]=CANARY-7f3a&metadata[a]=b", status: 422, code: "validation_failed", errors: []string{"?metadata maxItems"}},
		"LabelMalformed":    {method: "GET", target: "/v1/generations?metadata[%20]=CANARY-7f3a", status: 422, code: "validation_failed", errors: []string{"?metadata propertyNames"}},
		"QueryWithoutAny":   {method: "GET", target: "/v1/models?x=CANARY-7f3a", status: 422, code: "validation_failed", errors: []string{"?x additionalProperties"}},
		"MalformedID":       {method: "GET", target: "/v1/generations/CANARY-7f3a", status: 404, code: "not_found"},
		"UpperCaseID":       {method: "GET", target: "/v1/generations/" + strings.ToUpper(sampleID), status: 404, code: "not_found"},
		"MalformedStreamID": {method: "GET", target: "/v1/generations/CANARY-7f3a/events", status: 404, code: "not_found"},
		"MalformedCancel":   {target: "/v1/generations/CANARY-7f3a/cancel", status: 404, code: "not_found"},
		"MalformedDelete":   {method: "DELETE", target: "/v1/generations/CANARY-7f3a", status: 404, code: "not_found"},
		"MalformedKeyID":    {method: "DELETE", target: "/v1/api_keys/CANARY-7f3a", status: 404, code: "not_found"},

		"KeyMakesKeys":   {target: "/v1/api_keys", body: `{"name":"CANARY-7f3a","scopes":["generations:read"]}`, headers: []string{"Authorization", "Bearer key"}, status: 403, code: "session_required"},
		"KeyListsKeys":   {method: "GET", target: "/v1/api_keys", headers: []string{"Authorization", "Bearer key"}, status: 403, code: "session_required"},
		"KeyRevokesKeys": {method: "DELETE", target: "/v1/api_keys/key_0197f2a8c4d27b53a1f09e6d58c3b214", headers: []string{"Authorization", "Bearer key"}, status: 403, code: "session_required"},
		"KeyScope":       {target: "/v1/api_keys", body: `{"name":"CANARY-7f3a","scopes":["api_keys"]}`, status: 422, code: "validation_failed", errors: []string{"#/scopes/0 enum"}},
		"KeyNoScopes":    {target: "/v1/api_keys", body: `{"name":"CANARY-7f3a","scopes":[]}`, status: 422, code: "validation_failed", errors: []string{"#/scopes minItems"}},
		"KeyScopeTwice":  {target: "/v1/api_keys", body: `{"name":"CANARY-7f3a","scopes":["generations:read","generations:read"]}`, status: 422, code: "validation_failed", errors: []string{"#/scopes uniqueItems"}},
		"KeyExpiry":      {target: "/v1/api_keys", body: `{"name":"x","scopes":["generations:read"],"expires_at":"CANARY-7f3a"}`, status: 422, code: "validation_failed", errors: []string{"#/expires_at format"}},
		"KeyLeapSecond":  {target: "/v1/api_keys", body: `{"name":"x","scopes":["generations:read"],"expires_at":"2016-12-31T23:59:60Z"}`, status: 422, code: "validation_failed", errors: []string{"#/expires_at format"}},
		"KeySmallT":      {target: "/v1/api_keys", body: `{"name":"x","scopes":["generations:read"],"expires_at":"2036-12-31t23:59:59z"}`, status: 422, code: "validation_failed", errors: []string{"#/expires_at format"}},
		"KeyTooLate":     {target: "/v1/api_keys", body: `{"name":"x","scopes":["generations:read"],"expires_at":"9999-12-31T23:59:59-14:00"}`, status: 422, code: "validation_failed", errors: []string{"#/expires_at pattern"}},
		"KeyUnknown":     {target: "/v1/api_keys", body: `{"name":"x","scopes":["generations:read"],"user_id":"CANARY-7f3a"}`, status: 422, code: "validation_failed", errors: []string{"#/user_id additionalProperties"}},

		"NoSuchPath":   {method: "GET", target: "/v1/CANARY-7f3a", status: 404, code: "not_found"},
		"UncleanPath":  {method: "GET", target: "/v1//models/../CANARY-7f3a", status: 404, code: "not_found"},
		"WrongMethod":  {method: "PUT", target: "/v1/generations", body: with(""), status: 405, code: "method_not_allowed"},
		"StrangeVerb":  {method: "CANARY-7f3a", target: "/v1/generations", status: 405, code: "method_not_allowed"},
		"ForeignHost":  {method: "GET", target: "/api/authx", status: 404, code: "not_found"},
		"CallbackSize": {target: "/webhooks/fal/CANARY-7f3a", body: strings.Repeat("x", 128<<10+1), status: 413, code: "body_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t) // no service may be called

			method, target := c.method, c.target
			if method == "" {
				method = http.MethodPost
			}

			if target == "" {
				target = "/v1/generations"
			}

			w := b.do(method, target, c.body, c.headers...)

			p := requireCode(t, w, c.status, c.code)
			require.Equal(t, c.errors, pointers(p))
			require.NotContains(t, w.Body.String(), canary)
			require.NotContains(t, b.log.String(), canary)
			require.Empty(t, b.calls())
			require.Equal(t, c.status == 401 || c.code == "insufficient_scope", w.Header().Get("WWW-Authenticate") != "")
			require.Equal(t, c.status == 405, w.Header().Get("Allow") != "")

			for _, e := range p.Errors {
				require.NotEmpty(t, e.Detail)
			}
		})
	}
}

// A body whose length is not announced meets the same limit.
func TestBadInput_ChunkedBody(t *testing.T) {
	t.Parallel()

	b := setup(t)
	r := newChunked(t, "/v1/generations", strings.Repeat(" ", 1<<16+1))

	requireCode(t, serve(b, r), http.StatusRequestEntityTooLarge, "body_too_large")
}

// Most clients write all of a body before they read; they are to see the answer, not a broken pipe.
func TestBadInput_BodyThatIsSentBeforeTheAnswerIsRead(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for name, head := range map[string]string{
		"TooLarge":  "Authorization: Bearer alice\r\n",
		"NoSession": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			server := httptest.NewServer(b.handler)
			t.Cleanup(server.Close)

			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			require.NoError(t, err)

			defer func() { require.NoError(t, conn.Close()) }()

			const size = 6 << 20 // more than the kernel's buffers take

			_, err = fmt.Fprintf(conn, "POST /v1/generations HTTP/1.1\r\nHost: x\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", head, size)
			require.NoError(t, err)
			_, err = conn.Write(make([]byte, size))
			require.NoError(t, err)

			reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			require.Equal(t, "application/problem+json", reply.Header.Get("Content-Type"))
			require.NoError(t, reply.Body.Close())
		})
	}
}

func TestBadInput_BodyThatBreaksOff(t *testing.T) {
	t.Parallel()

	b := setup(t)
	p := requireCode(t, serve(b, newBroken(t, "/v1/generations")), http.StatusBadRequest, "body_incomplete")
	require.True(t, p.Retryable)
}

// However many faults there are, a refusal names the first twenty of them.
func TestBadInput_ManyFaults(t *testing.T) {
	t.Parallel()

	query := strings.ReplaceAll(strings.ReplaceAll(unknownFields(2000), `"`, ""), ":1,", "=1&")

	for name, c := range map[string]struct{ method, target, body string }{
		"Names":  {"POST", "/v1/generations", `{` + unknownFields(128) + `}`},
		"Nested": {"POST", "/v1/generations", `{"metadata":{` + unknownFields(128) + `}}`},
		"Items":  {"POST", "/v1/generations/delete", `{"ids":[` + strings.Repeat(`1,`, 127) + `1]}`},
		"Query":  {"GET", "/v1/generations?" + query, ""},
		"Params": {"GET", "/v1/generations/download?id=" + strings.Repeat("1&id=", 2000) + "1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w := setup(t).do(c.method, c.target, c.body)
			require.Len(t, requireCode(t, w, 422, "validation_failed").Errors, 20)
			require.Less(t, w.Body.Len(), 8<<10)
		})
	}
}

// unknownFields returns the members of an object, without its brackets.
func unknownFields(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"f%06d":1`, i)
	}

	return strings.Join(members, ",")
}

// What is right in the contract but wrong for the domain looks the same.
func TestBadInput_RemediesComeFromTheSchema(t *testing.T) {
	t.Parallel()

	w := setup(t).do("POST", "/v1/generations", `{"model":"m","prompt":" ","num_images":5,"aspect_ratio":"5:4","seed":-1}`)

	details := map[string]string{}
	for _, e := range requireCode(t, w, 422, "validation_failed").Errors {
		details[*e.Pointer] = e.Detail
	}

	require.Equal(t, map[string]string{
		"#/prompt":       "Say in words what to make.",
		"#/num_images":   "Send 4 or less.",
		"#/aspect_ratio": "Send one of: 1:1, 4:3, 3:4, 3:2, 2:3, 16:9, 9:16.",
		"#/seed":         "Send 0 or more.",
	}, details)
}
