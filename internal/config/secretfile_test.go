package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/config"
	"imagerun/internal/redact"
)

func secretFile(t *testing.T, text string) string {
	t.Helper()

	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))

	return file
}

// Every secret may come from a file, as it would from its own variable.
func TestLoad_SecretsByFile(t *testing.T) {
	t.Parallel()

	development := "IMAGERUN_ENV=development" // production takes no secret twice
	direct, byFile := []string{development}, []string{development}

	for _, key := range config.Describe() {
		if !key.Secret {
			continue
		}

		value := strings.Repeat("s", 40)
		if strings.HasSuffix(key.Name, "url") {
			value = strings.Split(key.Name, ".")[0] + "://user:pw@host/"
		}

		direct = append(direct, key.Variable+"="+value)
		byFile = append(byFile, config.FileOf(key.Name)+"="+secretFile(t, value+"\n"))
	}

	require.GreaterOrEqual(t, len(byFile), 9)

	want, err := config.Load("", "", direct)
	require.NoError(t, err)

	got, err := config.Load("", "", byFile)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestLoad_SecretFileBeatsFileAndKeepsWhatIsInside(t *testing.T) {
	t.Parallel()

	got, err := config.Load("", write(t, "storage:\n  secret_key: old\n"), []string{
		"IMAGERUN_STORAGE_SECRET_KEY_FILE=" + secretFile(t, " two\nlines \r\n\n"),
		"IMAGERUN_STORAGE_SECRET_KEY=", // absent, as everywhere
		"IMAGERUN_CREDITS_WELCOME_KEYS_FILE=" + secretFile(t, strings.Repeat("a", 32)+","+strings.Repeat("b", 32)+"\n"),
	})
	require.NoError(t, err)
	require.Equal(t, redact.NewSecret(" two\nlines "), got.Storage.SecretKey)
	require.Len(t, got.Credits.WelcomeKeys, 2)
}

// What is wrong with files is said at once with everything else, and no secret with it.
func TestLoad_SecretFilesThatAreWrong(t *testing.T) {
	t.Parallel()

	const canary = "c4n4ry-c4n4ry-c4n4ry-c4n4ry-c4n4ry"

	missing := filepath.Join(t.TempDir(), "none")
	byFile := []string{"AUTH_SECRET", "OPS_PASSWORD", "STORAGE_SECRET_KEY", "GENERATION_CALLBACK_SECRET"}
	environ := slices.DeleteFunc(complete(), func(pair string) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(pair, config.EnvPrefix), "=")

		return slices.Contains(byFile, name)
	})
	_, err := config.Load(config.ProcessAPI, "", append(environ,
		"IMAGERUN_FAL_KEY_FILE="+secretFile(t, canary),
		"IMAGERUN_AUTH_SECRET_FILE="+missing,
		"IMAGERUN_OPS_PASSWORD_FILE="+secretFile(t, "\n"),
		"IMAGERUN_STORAGE_SECRET_KEY_FILE="+t.TempDir(),
		"IMAGERUN_GENERATION_CALLBACK_SECRET_FILE="+secretFile(t, "short"),
		"IMAGERUN_FAL_SLOTS_FILE="+missing,
		"IMAGERUN_FAL_KEY_FILES="+missing,
		"IMAGERUN_FAL_SLOTS=many",
	))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NotContains(t, err.Error(), canary)

	for _, part := range []string{
		"fal.key (IMAGERUN_FAL_KEY) is given twice, by itself and by IMAGERUN_FAL_KEY_FILE",
		"auth.secret (IMAGERUN_AUTH_SECRET) cannot be read from the file that IMAGERUN_AUTH_SECRET_FILE names",
		"ops.password (IMAGERUN_OPS_PASSWORD) is empty in the file that IMAGERUN_OPS_PASSWORD_FILE names",
		"storage.secret_key (IMAGERUN_STORAGE_SECRET_KEY) cannot be read",
		"generation.callback_secret (IMAGERUN_GENERATION_CALLBACK_SECRET) must be at least 32 characters long",
		"IMAGERUN_FAL_SLOTS_FILE does not exist",
		"IMAGERUN_FAL_KEY_FILES does not exist: did you mean IMAGERUN_FAL_KEY_FILE?",
		"fal.slots (IMAGERUN_FAL_SLOTS) must be a whole number",
	} {
		require.ErrorContains(t, err, part)
	}

	require.Len(t, strings.Split(err.Error(), "\n"), 8, err.Error())
}
