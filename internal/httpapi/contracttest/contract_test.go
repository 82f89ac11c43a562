package contracttest_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/auth/authtest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/simulators/falsim"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// TestContract_MakesClients makes a client in Go and types in TypeScript of what the product serves, and has
// programs on them send every example of the contract.
func TestContract_MakesClients(t *testing.T) { //nolint:tparallel // Each returns when its parallel tests have ended
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Fal: falsim.Options{Duration: 100 * time.Millisecond}})
	served := fetch(t, p.URL+"/openapi.json")
	all := examples(t, served)

	t.Run("Each", func(t *testing.T) {
		t.Run("Go", func(t *testing.T) {
			t.Parallel()

			dir := goClient(t, served, all)
			run(t, dir, "go", "run", ".", p.URL, p.SignUp(t, "studio").Key)
		})

		t.Run("TypeScript", func(t *testing.T) {
			t.Parallel()

			dir := typeScript(t, served, all)
			run(t, dir, "node", "out/journey.js", p.URL, "join")
			verify(t, p, "ada@imagerun.example")
			run(t, dir, "node", "out/journey.js", p.URL, "use")
		})
	})
}

// TestProve_ContractIsClean has the linters look for anything that they would say of what is served.
func TestProve_ContractIsClean(t *testing.T) {
	t.Parallel()

	if os.Getenv("IMAGERUN_PROVE") == "" {
		t.Skip("the linters are large: make prove")
	}

	p := apptest.Start(t, apptest.Options{Workers: -1})

	authtest.Install(t, "lint")

	for _, name := range []string{"openapi.json", "openapi.yaml"} {
		file := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(file, fetch(t, p.URL+"/"+name), 0o600))

		var found struct {
			Totals struct{ Errors, Warnings int }
		}

		out := run(t, "lint", "node_modules/.bin/redocly", "lint", "--format=json", file)
		require.NoError(t, json.Unmarshal(out, &found), string(out))
		require.Zero(t, found.Totals, string(out))

		run(t, "lint", "node_modules/.bin/spectral", "lint", "--fail-severity=hint", "--ruleset=spectral.yaml", file)
	}
}

// goClient makes a program on a client that oapi-codegen has made without any option.
func goClient(t *testing.T, served []byte, all []example) string {
	t.Helper()

	root := filepath.Join("..", "..", "..")
	dir := t.TempDir()

	run(t, root, "scripts/tool.sh", "oapi-codegen")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "client"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "openapi.json"), served, 0o600))

	tool, err := filepath.Abs(filepath.Join(root, ".imagerun", "bin", "oapi-codegen"))
	require.NoError(t, err)
	run(t, dir, tool, "-package", "client", "-generate", "types,client", "-o", "client/client.gen.go", "openapi.json")

	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)

	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)

	program, err := os.ReadFile("testdata/customer.go.txt")
	require.NoError(t, err)

	var bodies strings.Builder

	bodies.WriteString(`package main

import (
	"bytes"
	"encoding/json"

	"customer/client"
)

// read refuses what the client's types do not have.
func read[T any](text string) (v T) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()

	if err := d.Decode(&v); err != nil {
		panic(err)
	}

	return v
}
`)

	for _, e := range all {
		name := strings.ToUpper(e.operation[:1]) + e.operation[1:]
		fmt.Fprintf(&bodies, "\nvar %s = read[client.%sJSONRequestBody](%q)\n", e.name, name, e.body)
	}

	for name, text := range map[string][]byte{
		"go.mod":      bytes.Replace(module, []byte("module imagerun"), []byte("module customer"), 1),
		"go.sum":      sums,
		"main.go":     program,
		"examples.go": []byte(bodies.String()),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}

	return dir
}

// typeScript compiles a program on types that openapi-typescript has made without any option.
func typeScript(t *testing.T, served []byte, all []example) string {
	t.Helper()
	authtest.Install(t, ".")

	modules, err := filepath.Abs("node_modules")
	require.NoError(t, err)

	var bodies strings.Builder

	bodies.WriteString("import type { paths } from \"./schema.js\";\n\ntype Body<O> = O extends { requestBody?: { content: { \"application/json\": infer B } } } ? B : never;\n\n")

	for _, e := range all {
		fmt.Fprintf(&bodies, "const %s: Body<paths[%q][%q]> = %s;\n", e.name, e.path, e.method, e.body)
	}

	bodies.WriteString("\nexport const examples = {")

	for _, e := range all {
		bodies.WriteString(" " + e.name + ",")
	}

	bodies.WriteString(" };\n")

	dir := t.TempDir()
	require.NoError(t, os.Symlink(modules, filepath.Join(dir, "node_modules")))

	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata")))

	for name, text := range map[string]string{
		"openapi.json": string(served), "examples.ts": bodies.String(), "package.json": `{"type": "module"}`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}

	run(t, dir, "node_modules/.bin/openapi-typescript", "openapi.json", "-o", "schema.d.ts")
	run(t, dir, "node_modules/.bin/tsc")

	return dir
}

// example is the body of a request, as the contract shows it.
type example struct {
	path, method, operation string
	name                    string // of a constant: the operation's, and the example's if it has one
	body                    string // JSON
}

// examples returns all of them. Every operation with a body has one.
func examples(t *testing.T, served []byte) []example {
	t.Helper()

	type media struct {
		Example  json.RawMessage
		Examples map[string]struct{ Value json.RawMessage }
	}

	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}

	require.NoError(t, json.Unmarshal(served, &doc))

	var all []example

	for path, item := range doc.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}

			var op struct {
				OperationID string `json:"operationId"` //nolint:tagliatelle // OpenAPI's own
				RequestBody struct {
					Content map[string]media
				} `json:"requestBody"` //nolint:tagliatelle // OpenAPI's own
			}

			require.NoError(t, json.Unmarshal(raw, &op))

			for _, m := range op.RequestBody.Content {
				require.True(t, m.Example != nil || len(m.Examples) > 0, "%s has no example", op.OperationID)

				if m.Example != nil {
					all = append(all, example{path, method, op.OperationID, op.OperationID, string(m.Example)})
				}

				for name, e := range m.Examples {
					all = append(all, example{path, method, op.OperationID, op.OperationID + "_" + name, string(e.Value)})
				}
			}
		}
	}

	slices.SortFunc(all, func(a, b example) int { return cmp.Compare(a.name, b.name) })
	require.NotEmpty(t, all)

	return all
}

// verify presses the button behind the link of the newest mail to an address, and gives its owner a plan
// that allows the examples.
func verify(t *testing.T, p *apptest.Product, address string) {
	t.Helper()

	var link string

	require.NoError(t, p.Pool.QueryRow(t.Context(),
		`select url from auth_mail where kind = 'verify-email' and recipient = $1 order by created_at desc limit 1`, address).Scan(&link))

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, link, nil)
	require.NoError(t, err)
	r.Header.Set("Origin", p.URL)

	reply, err := (&http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	require.NoError(t, err)
	require.NoError(t, reply.Body.Close())
	require.Less(t, reply.StatusCode, 400)

	_, err = p.Pool.Exec(t.Context(), `insert into generation_user (user_id, plan) select "id", 'studio' from auth."user" where "email" = $1`, address)
	require.NoError(t, err)
}

func fetch(t *testing.T, url string) []byte {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)

	reply, err := (&http.Client{Timeout: 30 * time.Second}).Do(r)
	require.NoError(t, err)

	defer reply.Body.Close()

	text, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, reply.StatusCode)

	return text
}

// run runs a program in a folder, which has to succeed, and returns what it printed on standard output.
func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()

	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		name = "./" + name
	}

	var out, complaints bytes.Buffer

	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &complaints
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false", "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
	require.NoError(t, cmd.Run(), "%s\n%s%s", name, &out, &complaints)

	return out.Bytes()
}
