package redact_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/redact"
)

func TestMain(m *testing.M) { devtest.Main(m) }

const value = "ada@example.com"

func TestNothingPrintsTheValue(t *testing.T) {
	t.Parallel()

	p := redact.NewPersonal(value)
	around := struct {
		Name redact.Personal
		Key  *redact.Secret
	}{p, new(redact.NewSecret(value))}

	printed := []string{fmt.Sprint(p), p.String(), fmt.Sprint(&p), fmt.Sprint([]redact.Personal{p}), fmt.Sprint(map[string]redact.Personal{"a": p})}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T %v"} {
		printed = append(printed, fmt.Sprintf(verb, p, p), fmt.Sprintf(verb, around, around)) //nolint:govet // wrong verbs on purpose
	}

	for _, encode := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		b, err := encode(around)
		require.NoError(t, err)
		require.Contains(t, string(b), redact.Mask)

		printed = append(printed, string(b))
	}

	var log bytes.Buffer

	slog.New(slog.NewTextHandler(&log, nil)).Info("x", slog.Any("who", p), slog.Any("all", around))
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", slog.Any("who", p), slog.Any("all", around))
	printed = append(printed, log.String(), fmt.Errorf("for %v", p).Error())

	for _, s := range printed {
		require.NotContains(t, s, value)
		require.NotContains(t, s, fmt.Sprintf("%x", value))
	}

	require.Equal(t, value, p.Reveal())
}

func TestPostgresKeepsTheValue(t *testing.T) {
	t.Parallel()

	pool := devtest.Postgres(t)

	var (
		stored string
		back   redact.Personal
		none   *string
		absent = redact.NewPersonal("was here")
	)

	err := pool.QueryRow(t.Context(), `select $1::text, $1::text, $2::text, null::text`,
		redact.NewPersonal(value), redact.Personal{}).Scan(&stored, &back, &none, &absent)
	require.NoError(t, err)
	require.Equal(t, value, stored)
	require.Equal(t, value, back.Reveal())
	require.Nil(t, none, "no value is null")
	require.True(t, absent.IsZero(), "null is no value")
}

func TestJSONTakesTheValueIn(t *testing.T) {
	t.Parallel()

	var in struct{ Prompt redact.Personal }

	require.NoError(t, json.Unmarshal([]byte(`{"Prompt":"a fox"}`), &in))
	require.Equal(t, "a fox", in.Prompt.Reveal())
}
