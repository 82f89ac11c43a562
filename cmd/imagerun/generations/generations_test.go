package generations

import (
	"bytes"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"imagerun/cmd/imagerun/credits"
	"imagerun/cmd/imagerun/jobs"
	"imagerun/internal/cli"
	"imagerun/internal/cli/clitest"
	"imagerun/internal/devstack/devtest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// counter is an operator at the counter.
type counter struct{ clitest.Counter }

func atTheCounter(t *testing.T) counter {
	t.Helper()

	return counter{clitest.NewCounter(t)}
}

// orders runs the program as its operator's role.
func (b counter) orders(exit int, args ...string) string {
	b.T.Helper()

	return b.ordersWith(nil, exit, args...)
}

// ordersWith is orders with more in the environment.
func (b counter) ordersWith(environ []string, exit int, args ...string) string {
	b.T.Helper()

	var out bytes.Buffer

	environ = append([]string{"IMAGERUN_POSTGRES_URL=" + b.URL}, environ...)
	root := cli.Group(&cobra.Command{Use: "imagerun", SilenceUsage: true, SilenceErrors: true}, Command(environ), credits.Command(environ), jobs.Command(environ))
	require.Equal(b.T, exit, cli.Run(b.T.Context(), root, args, &out, &out), "%v: %s", args, &out)

	return out.String()
}
