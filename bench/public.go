package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/app"
	"imagerun/internal/auth"
	"imagerun/internal/auth/apikey"
	"imagerun/internal/clock"
	"imagerun/internal/config"
	"imagerun/internal/credits"
	"imagerun/internal/postgres"
	"imagerun/internal/telemetry"
)

// acceptPrompt is what every user asks for.
const acceptPrompt = "a lighthouse on a cliff at dusk, oil on canvas, heavy brush strokes, warm light in one window"

// public is the api of the product in this process, as its binary runs it, and people who may use it.
// No worker serves it, so what gets a slot keeps it and the rest waits.
type public struct {
	addr string
	pool *pgxpool.Pool // of the bench, as the owner
	keys []string
	stop func()
}

func newPublic(ctx context.Context, s *servers) (p *public, err error) {
	url, owner, err := s.newDatabase(ctx)
	if err != nil {
		return nil, err
	}

	p = &public{stop: func() {}}

	if p.pool, err = openPool(ctx, owner, nil); err != nil {
		return nil, err
	}

	defer func() {
		if err != nil {
			p.close()
		}
	}()

	if p.keys, err = makeUsers(ctx, p.pool); err != nil {
		return nil, err
	}

	nowhere := "http://127.0.0.1:9" // what only other routes need
	env := make([]string, 0, 32)

	for key, value := range map[string]string{
		"env": "development", "postgres.url": url, "postgres.max_conns": fmt.Sprint(conns), "redis.url": s.newRedisDatabase(),
		"http.addr": "127.0.0.1:0", "http.public_url": nowhere,
		"ops.addr": "127.0.0.1:0", "ops.user": "bench", "ops.password": "a password of the bench",
		"auth.url": nowhere, "auth.secret": "a secret that signs nothing but benches", "fal.slots": "40",
		"storage.endpoint": nowhere, "storage.access_key": "bench", "storage.secret_key": "bench", "storage.bucket": "bench",
		"generation.callback_secret": "a secret that signs no callbacks but of benches",
		"credits.welcome_keys":       "a secret that marks only the addresses of benches",
	} {
		env = append(env, config.Variable(key)+"="+value)
	}

	cfg, err := config.Load(config.ProcessAPI, "", env)
	if err != nil {
		return nil, err
	}

	log, _, err := telemetry.NewLogger(io.Discard, telemetry.LogOptions{Level: cfg.Log.Level, Process: string(config.ProcessAPI)})
	if err != nil {
		return nil, err
	}

	up, ended := make(chan app.Addrs, 1), make(chan error, 1)
	b := newBackground(ctx)
	b.run(func(ctx context.Context) error {
		ended <- app.RunAPI(ctx, cfg, log, func(a app.Addrs) { up <- a })

		return nil
	})
	p.stop = b.stop

	select {
	case a := <-up:
		p.addr = a.Public

		return p, nil
	case err := <-ended:
		return nil, fmt.Errorf("start the api: %w", err)
	}
}

func (p *public) close() {
	p.stop()
	p.pool.Close()
}

// makeUsers makes users with credits, on the plan with the highest limits, and returns a key of each.
func makeUsers(ctx context.Context, pool *pgxpool.Pool) ([]string, error) {
	ledger := credits.New(credits.Options{Now: clock.System})
	keys := make([]string, acceptUsers)
	made := apikey.New(pool, apikey.Options{Now: clock.System})

	return keys, produceJobs(acceptUsers, func(n int) error {
		id := uuid.New()

		err := postgres.InTx(ctx, pool, func(tx *postgres.Tx) error {
			_, err := tx.Exec(ctx, `insert into auth."user" (id, name, email, "emailVerified") values ($1, '', $2, true)`, id, fmt.Sprintf("%d@bench.example", n))
			if err != nil {
				return err
			}

			if _, err = tx.Exec(ctx, `insert into generation_user (user_id, plan) values ($1, 'studio')`, id); err != nil {
				return err
			}

			subject, err := ledger.Subject(ctx, tx, id)
			if err != nil {
				return err
			}

			if _, err = tx.Exec(ctx, `update billing_subject set welcomed_at = now() where user_id = $1`, id); err != nil {
				return err
			}

			_, err = ledger.Grant(ctx, tx, credits.Grant{Subject: subject, Source: credits.SourcePack, Reference: "creem:" + id.String(), Credits: 1_000_000})

			return err
		})
		if err != nil {
			return err
		}

		_, key, err := made.Create(ctx, id, "bench", []auth.Scope{auth.ScopeGenerationsWrite}, nil)
		keys[n] = key.Reveal()

		return err
	})
}

// caller is one connection. It does as little as it can: both sides share the machine.
type caller struct {
	conn net.Conn
	in   *bufio.Reader
	keys []string
}

func (p *public) dialAPI(ctx context.Context) (*caller, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.addr)
	if err != nil {
		return nil, err
	}

	return &caller{conn, bufio.NewReader(conn), p.keys}, nil
}

func (c *caller) close() { _ = c.conn.Close() }

// submitGeneration asks for one image on behalf of any user and reads the answer.
func (c *caller) submitGeneration() error {
	const body = `{"model":"z-image-turbo","prompt":"` + acceptPrompt + `","aspect_ratio":"3:2"}`

	if err := c.conn.SetDeadline(time.Now().Add(acceptWait)); err != nil {
		return err
	}

	_, err := fmt.Fprintf(c.conn, "POST /v1/generations HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"+
		"Idempotency-Key: \"%s\"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		c.keys[rand.IntN(len(c.keys))], uuid.NewString(), len(body), body)
	if err != nil {
		return err
	}

	reply, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer reply.Body.Close()

	answer, err := io.ReadAll(reply.Body)
	if err == nil && reply.StatusCode != http.StatusAccepted {
		err = errors.New(reply.Status + ": " + string(answer))
	}

	return err
}
