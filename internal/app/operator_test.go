package app_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/app"
	"imagerun/internal/config"
)

// TestNewGenerations: an operator's command has the models of the configured file, as the api does.
func TestNewGenerations(t *testing.T) {
	t.Parallel()

	builtIn, err := os.ReadFile(filepath.Join("..", "generation", "catalogue", "catalogue.json"))
	require.NoError(t, err)

	file := filepath.Join(t.TempDir(), "catalogue.json")
	require.NoError(t, os.WriteFile(file, bytes.ReplaceAll(builtIn, []byte(`"id": "flux-dev"`), []byte(`"id": "flux-house"`)), 0o600))

	cfg := config.Default()
	cfg.Generation.CataloguePath = file

	service, err := app.NewGenerations(cfg, nil)
	require.NoError(t, err)

	var ids []string
	for _, m := range service.Models() {
		ids = append(ids, m.ID)
	}

	require.Contains(t, ids, "flux-house")
	require.NotContains(t, ids, "flux-dev")
}
