// Package support is for those who help: what a user reads out to them leads to what it is about.
package support

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/publicid"
)

// What has a name that people see.
const (
	Generation = "generation"
	Upload     = "upload"
	APIKey     = "api_key"
	User       = "user"
)

// prefixes are those of ids in the API, and what they lead to: an image has no place of its own.
var prefixes = []struct{ prefix, what, kind string }{
	{publicid.PrefixGeneration, "a generation", Generation},
	{publicid.PrefixImage, "an image", Generation},
	{publicid.PrefixUpload, "an upload", Upload},
	{publicid.PrefixKey, "an API key", APIKey},
}

// ErrName answers for a text that nothing could be called by.
var ErrName = errors.New("neither an id nor a support code (they look like 4X9KQ-7M2AB) nor a request of the provider")

// request is what a provider may call a request of ours.
var request = regexp.MustCompile(`^[A-Za-z0-9_-]{8,64}$`)

// Name is what an operator calls something by: an id as the API shows it or as logs and tables have it, a support code,
// or the provider's id of a request.
type Name struct {
	Text string

	kind        string // of an id with a prefix; empty: any
	first, last uuid.UUID
	code        string // as the table of generations has it; empty: an id
	request     string // empty: it cannot be one
}

// Parse reads a name. Errors: [ErrName].
func Parse(text string) (Name, error) {
	n := Name{Text: text}

	for _, p := range prefixes {
		if !strings.HasPrefix(text, p.prefix) {
			continue
		}

		id, ok := publicid.Parse(p.prefix, strings.ToLower(text))
		if !ok {
			return n, fmt.Errorf("%q is not the id of %s: that is %s and 32 digits: %w", text, p.what, p.prefix, ErrName)
		}

		n.kind, n.first, n.last = p.kind, id, id

		return n, nil
	}

	if request.MatchString(text) {
		n.request = text
	}

	if id, err := uuid.Parse(text); err == nil {
		n.first, n.last = id, id

		return n, nil
	}

	first, last, err := publicid.CodeRange(text)
	if err == nil {
		// Codes of generations were random once: as they were written, but for the case.
		plain := strings.NewReplacer("-", "", " ", "").Replace(strings.ToUpper(text))
		n.first, n.last, n.code = first, last, plain[:5]+"-"+plain[5:]

		return n, nil
	}

	if n.request == "" {
		return n, fmt.Errorf("%q is %w", text, ErrName)
	}

	return n, nil
}

// ID returns the id that the name is, or the zero id of one that only leads to it.
func (n Name) ID() uuid.UUID {
	if n.first != n.last {
		return uuid.Nil
	}

	return n.first
}

// Kind returns what an id with a prefix is of; of any other name it is empty.
func (n Name) Kind() string { return n.kind }

// Subject is something that a name means.
type Subject struct {
	Kind   string // [Generation], [Upload], [APIKey] or [User]
	ID     uuid.UUID
	UserID uuid.UUID // whose it is
	By     string    // what the name is of it, where not of itself: "attempt", "image", "request"
}

// Querier is a pool or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const (
	byOurNames = `
		select 'generation', id, user_id, '' from ai_task where id between $1 and $2 or support_code = $3
		union all select 'upload', id, user_id, '' from upload where id between $1 and $2
		union all select 'api_key', id, user_id, '' from api_key where id between $1 and $2
		union all select 'user', "id", "id", '' from auth."user" where "id" between $1 and $2 and $1 = $2
		union all select 'generation', t.id, t.user_id, 'attempt' from provider_attempt a join ai_task t on t.id = a.task_id
			where a.id between $1 and $2 and $1 = $2
		union all select 'generation', t.id, t.user_id, 'image' from ai_image i join ai_task t on t.id = i.task_id
			where i.id between $1 and $2 and $1 = $2`

	byProvider = `
		select 'generation', t.id, t.user_id, 'request' from provider_attempt a join ai_task t on t.id = a.task_id where a.request_id = $1`
)

// Find returns what a name means: usually one, none if there is nothing of it any more, several where a support code
// is shared. The provider's ids are only looked at when the name is none of ours, since that takes a walk.
func Find(ctx context.Context, q Querier, n Name) ([]Subject, error) {
	found, err := collectSubjects(ctx, q, n, byOurNames, n.first, n.last, n.code)
	if err != nil || len(found) > 0 || n.request == "" {
		return found, err
	}

	return collectSubjects(ctx, q, n, byProvider, n.request)
}

func collectSubjects(ctx context.Context, q Querier, n Name, sql string, args ...any) ([]Subject, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", n.Text, err)
	}

	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Subject, err error) {
		return s, row.Scan(&s.Kind, &s.ID, &s.UserID, &s.By)
	})
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", n.Text, err)
	}

	if n.kind == "" {
		return all, nil
	}

	var own []Subject

	for _, s := range all {
		if s.Kind == n.kind {
			own = append(own, s)
		}
	}

	return own, nil
}

// PublicID writes the id of a generation, upload or key as the API does, and a user's as it is.
func (s Subject) PublicID() string {
	for _, p := range prefixes {
		if p.kind == s.Kind {
			return publicid.Format(p.prefix, s.ID)
		}
	}

	return s.ID.String()
}
