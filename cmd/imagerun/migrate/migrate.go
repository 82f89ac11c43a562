// Package migrate is the command that brings the database to the newest schema.
package migrate

import (
	"fmt"

	"github.com/spf13/cobra"

	"imagerun/internal/cli"
	"imagerun/internal/config"
	"imagerun/internal/postgres"
	"imagerun/migrations"
)

// Command returns it.
func Command(environ []string) *cobra.Command {
	var finish bool

	settings := cli.Settings{Environ: environ}

	c := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database to the newest schema",
		Long: `Applies the migrations that the database lacks. Run it before the processes of a new release
start; the old ones keep working on the new schema. Several at once take turns.

Run it with --finish when no process of the release before runs any more: that takes away what only
those needed. Nothing depends on it but speed, and the next release may be migrated to without it.

It connects with postgres.owner_url (IMAGERUN_POSTGRES_OWNER_URL), the role that owns the tables
and may create roles. It makes a group role for each process: imagerun_api, imagerun_worker,
imagerun_scheduler, imagerun_auth (the auth service), imagerun_operator (these commands) and
imagerun_mailer (who sends the auth service's mails). Give each login role the one of its process.
imagerun_app may do what api, worker, scheduler and operator may together: it goes in a later release.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := settings.Load(config.ProcessMigrate)
			if err != nil {
				return err
			}

			migrate := postgres.Migrate
			if finish {
				migrate = postgres.FinishMigrate
			}

			n, err := migrate(c.Context(), cfg.Postgres.OwnerURL.Reveal(), migrations.FS)
			if err != nil {
				return err
			}

			fmt.Fprintf(c.OutOrStdout(), "the database is up to date; migrations applied: %d\n", n)

			return nil
		},
	}
	c.Flags().BoolVar(&finish, "finish", false, "also take away what only the release before needs")
	settings.AddFlag(c.Flags())

	return c
}
