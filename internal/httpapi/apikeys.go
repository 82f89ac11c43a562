package httpapi

import (
	"context"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/auth/apikey"
	"imagerun/internal/publicid"
	"imagerun/internal/redact"
)

// APIKeys is the domain behind /v1/api_keys. Every method looks only at what userID owns.
type APIKeys interface {
	// Create makes a key and returns its plaintext, this once. A nil expires is never.
	Create(ctx context.Context, userID uuid.UUID, name string, scopes []auth.Scope, expires *time.Time) (apikey.Key, redact.Secret, error)
	// List returns the keys that are not revoked.
	List(ctx context.Context, userID uuid.UUID) ([]apikey.Key, error)
	// Revoke ends one. Doing it again is no error.
	Revoke(ctx context.Context, userID, id uuid.UUID) error
}

// CreateAPIKey implements the contract's operation.
func (s *server) CreateAPIKey(ctx context.Context, r CreateAPIKeyRequestObject) (CreateAPIKeyResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	scopes := make([]auth.Scope, len(r.Body.Scopes))
	for i, scope := range r.Body.Scopes {
		scopes[i] = auth.Scope(scope)
	}

	key, secret, err := s.APIKeys.Create(ctx, p.UserID, r.Body.Name, scopes, r.Body.ExpiresAt)
	if err != nil {
		return nil, err
	}

	return CreateAPIKey201JSONResponse{APIKey: renderKey(key), Secret: secret.Reveal()}, nil
}

// ListAPIKeys implements the contract's operation.
func (s *server) ListAPIKeys(ctx context.Context, _ ListAPIKeysRequestObject) (ListAPIKeysResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	keys, err := s.APIKeys.List(ctx, p.UserID)
	if err != nil {
		return nil, err
	}

	out := ListAPIKeys200JSONResponse{Object: APIKeyListObjectList, URL: "/v1/api_keys", Data: make([]APIKey, len(keys))}
	for i, key := range keys {
		out.Data[i] = renderKey(key)
	}

	return out, nil
}

// RevokeAPIKey implements the contract's operation.
func (s *server) RevokeAPIKey(ctx context.Context, r RevokeAPIKeyRequestObject) (RevokeAPIKeyResponseObject, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixKey, r.ID)
	if err != nil {
		return nil, err
	}

	if err := s.APIKeys.Revoke(ctx, userID, id); err != nil {
		return nil, err
	}

	return RevokeAPIKey204Response{}, nil
}

func renderKey(k apikey.Key) APIKey {
	out := APIKey{
		ID:         publicid.Format(publicid.PrefixKey, k.ID),
		Object:     APIKeyObjectAPIKey,
		Name:       k.Name,
		Prefix:     k.Prefix,
		Scopes:     make([]Scope, len(k.Scopes)),
		CreatedAt:  clampTime(k.CreatedAt),
		ExpiresAt:  clampOptionalTime(k.ExpiresAt),
		LastUsedAt: clampOptionalTime(k.LastUsedAt),

		SupportCode: publicid.SupportCode(k.ID),
	}
	for i, scope := range k.Scopes {
		out.Scopes[i] = Scope(scope)
	}

	return out
}
