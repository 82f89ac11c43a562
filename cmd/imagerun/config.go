package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"imagerun/internal/app"
	"imagerun/internal/config"
)

func configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Explain and check the configuration",
		Long: `The configuration comes from defaults, then a YAML file (--config, or the variable
` + config.FileVariable + `), then the environment: the key postgres.url is the variable
` + config.Variable("postgres.url") + `. Unknown keys and variables are errors.`,
	}

	c.AddCommand(&cobra.Command{
		Use:   "example",
		Short: "Print a commented file with every key and its default",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(config.Example())

			return err
		},
	}, configCheckCommand())

	return c
}

func configCheckCommand() *cobra.Command {
	var file, process string

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
			cfg, err := config.Load(config.Process(process), file, os.Environ())
			if err != nil {
				return fmt.Errorf("the configuration is not valid:\n%w", err)
			}

			if config.Process(process) == config.ProcessWorker {
				if err := app.CheckQueues(cfg.Worker.Queues); err != nil {
					return fmt.Errorf("the configuration is not valid:\n%w", err)
				}
			}

			_, err = c.OutOrStdout().Write(cfg.Dump())

			return err
		},
	}
	c.Flags().StringVar(&file, "config", "", "the YAML file to read; the environment wins over it")
	c.Flags().StringVar(&process, "process", "api", "for which process: "+strings.Join(names, ", "))

	return c
}
