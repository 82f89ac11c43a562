// Package config is the commands that explain and check the configuration.
package config

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"imagerun/internal/app"
	"imagerun/internal/cli"
	"imagerun/internal/config"
)

// Command returns the group.
func Command(environ []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Explain and check the configuration",
		Long: `The configuration comes from defaults, then a YAML file (--config, or the variable
` + config.FileVariable + `), then the environment: the key postgres.url is the variable
` + config.Variable("postgres.url") + `. Unknown keys and variables are errors.`,
	}

	return cli.Group(c, &cobra.Command{
		Use:   "example",
		Short: "Print a commented file with every key and its default",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(config.Example())

			return err
		},
	}, checkCommand(environ))
}

func checkCommand(environ []string) *cobra.Command {
	var process string

	settings := cli.Settings{Environ: environ}

	names := make([]string, 0, len(config.Processes()))
	for _, p := range config.Processes() {
		names = append(names, string(p))
	}

	c := &cobra.Command{
		Use:     "check",
		Short:   "Say everything that is wrong, or print what is in force without its secrets",
		Example: "  imagerun config check --process api --config /etc/imagerun.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := cli.Refuse(!slices.Contains(names, process), "--process: there is no %q; there are %s", process, strings.Join(names, ", ")); err != nil {
				return err
			}

			cfg, err := settings.Load(config.Process(process))
			if err != nil {
				return err
			}

			if err := checkMeaning(config.Process(process), cfg); err != nil {
				return cli.InvalidConfig(err)
			}

			_, err = c.OutOrStdout().Write(cfg.Dump())

			return err
		},
	}
	settings.AddFlag(c.Flags())
	c.Flags().StringVar(&process, "process", "api", "for which process: "+strings.Join(names, ", "))

	return c
}

// checkMeaning says what a process would refuse of its configuration when it starts, beyond what [config.Load] knows.
func checkMeaning(process config.Process, cfg config.Config) error {
	switch process {
	case config.ProcessAPI, config.ProcessScheduler:
		return app.CheckFiles(cfg)
	case config.ProcessWorker:
		return errors.Join(app.CheckQueues(cfg.Worker.Queues), app.CheckFiles(cfg))
	default:
		return nil
	}
}
