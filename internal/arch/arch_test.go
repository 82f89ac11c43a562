package arch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "imagerun"

// pkg is a package as `go list` and its files tell.
type pkg struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
}

// name is the package's path inside the module.
func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

func packages(t *testing.T) []pkg {
	t.Helper()

	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = filepath.Join("..", "..")

	out, err := cmd.Output()
	require.NoError(t, err)

	var all []pkg

	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg

		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}

		require.NoError(t, err)

		all = append(all, p)
	}

	require.Greater(t, len(all), 10, "go list found too little to judge")

	return all
}

func imports(t *testing.T, p pkg, file string) []string {
	t.Helper()

	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ImportsOnly)
	require.NoError(t, err)

	var paths []string

	for _, spec := range f.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)

		paths = append(paths, path)
	}

	return paths
}

func matches(pattern, name string) bool {
	switch {
	case pattern == "...":
		return true
	case pattern == "*test":
		return strings.HasSuffix(name, "test")
	case strings.HasSuffix(pattern, "/..."):
		base := strings.TrimSuffix(pattern, "/...")

		return name == base || strings.HasPrefix(name, base+"/")
	default:
		return pattern == name
	}
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
}

// judge returns what is wrong with package name importing path in a file that is no test.
func judge(name, file, path string) string {
	if inner, ok := strings.CutPrefix(path, module+"/"); ok {
		return judgeOwn(name, inner)
	}

	for _, o := range owners {
		if !strings.HasPrefix(path, o.prefix) || matchesAny(o.packages, name) || (o.file != "" && o.file == file) {
			continue
		}

		who := "only tests"
		if len(o.packages) > 0 {
			who = strings.Join(o.packages, ", ")
		}

		if o.file != "" {
			who += " and files named " + o.file
		}

		return "imports " + path + ", which is for " + who + ": " + o.because
	}

	return ""
}

func judgeOwn(name, inner string) string {
	if matches("*test", inner) && !matches("*test", name) {
		return "imports " + inner + ", which only tests may"
	}

	if path.Base(inner) == "db" {
		if parent := path.Dir(inner); parent == name || strings.HasPrefix(name, parent+"/") {
			return ""
		}

		return "imports the generated code of another package, " + inner + ": rows never leave the package that owns the table"
	}

	i := slices.IndexFunc(rows, func(r row) bool { return matches(r.packages, name) })
	if i < 0 {
		return "has no row in the table of internal/arch: decide what it may import"
	}

	if matchesAny(rows[i].may, inner) {
		return ""
	}

	may := "nothing of ours"
	if len(rows[i].may) > 0 {
		may = strings.Join(rows[i].may, ", ")
	}

	return "imports " + inner + ", but the row " + rows[i].packages + " may import " + may + ": " + rows[i].because
}

func TestImports(t *testing.T) {
	t.Parallel()

	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			for _, path := range imports(t, p, file) {
				if wrong := judge(p.name(), file, path); wrong != "" {
					t.Errorf("%s/%s %s", p.name(), file, wrong)
				}
			}
		}

		// A simulator's tests share no code with our client either; other tests are free.
		if matches("internal/simulators/...", p.name()) {
			for _, file := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
				for _, path := range imports(t, p, file) {
					if inner, ok := strings.CutPrefix(path, module+"/"); ok && !matches("internal/simulators/...", inner) {
						t.Errorf("%s/%s imports %s: a simulator and its tests share nothing with us", p.name(), file, inner)
					}
				}
			}
		}
	}
}

// The judge must be able to find guilt.
func TestJudge(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, file, path, want string }{
		{"internal/generation/attempt", "submit.go", "imagerun/internal/providers/fal", "attempt calls the provider"},
		{"internal/generation/task", "change.go", "imagerun/internal/generation/attempt", "knows none of them"},
		{"internal/httpapi", "routes.go", "github.com/hibiken/asynq", "asynq must be replaceable"},
		{"internal/generation/task", "tasks.go", "github.com/prometheus/client_golang/prometheus", "metrics.go"},
		{"internal/generation/task", "metrics.go", "github.com/prometheus/client_golang/prometheus", ""},
		{"internal/simulators/falsim", "sim.go", "imagerun/internal/providers/fal", "nothing of ours"},
		{"internal/httpapi", "list.go", "imagerun/internal/generation/db", "rows never leave"},
		{"internal/generation/attempt", "store.go", "imagerun/internal/generation/db", ""},
		{"internal/app", "api.go", "imagerun/internal/devstack/devtest", "only tests"},
		{"internal/novelty", "a.go", "imagerun/internal/fault", "has no row"},
		{"queue", "args.go", "imagerun/internal/fault", "public contract"},
		{"internal/generation/task", "change.go", "github.com/stretchr/testify/require", "assertions are for tests"},
	} {
		got := judge(c.name, c.file, c.path)
		if c.want == "" {
			require.Empty(t, got)

			continue
		}

		require.Contains(t, got, c.want)
	}
}

func TestEveryRowIsOfUse(t *testing.T) {
	t.Parallel()

	all := packages(t)

	for _, r := range rows {
		// Rows of folders that a later part of the product brings are allowed to wait.
		if slices.Contains([]string{"web/...", "deploy"}, r.packages) {
			continue
		}

		require.True(t, slices.ContainsFunc(all, func(p pkg) bool { return matches(r.packages, p.name()) }),
			"no package matches the row %s: remove it", r.packages)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()

	for _, p := range packages(t) {
		for part := range strings.SplitSeq(p.name(), "/") {
			require.NotContains(t, vague, part, "%s: name a package for what it is about", p.name())
		}
	}
}

func TestMainsAreShort(t *testing.T) {
	t.Parallel()

	for _, process := range []string{"api", "worker", "scheduler"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "cmd", process, "main.go"))
		require.NoError(t, err)
		require.LessOrEqual(t, bytes.Count(text, []byte("\n")), 40, "cmd/%s: wiring belongs to internal/app", process)
	}
}
