package devstack

import (
	"context"
	"path/filepath"
	"sync"
)

// Private starts throw-away servers of one process, each when it is first asked for.
type Private struct {
	mu        sync.Mutex // guards all below
	workspace *workspace
	runs      map[string]runFolder // by what they are below
	stops     []func()
}

// reserveFolder returns a name for the folder of a new server of p: on a disk if it is to write as in production, else in memory
// where there is room.
func (p *Private) reserveFolder(kind string, durable bool) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.workspace == nil {
		workspace, err := findWorkspace()
		if err != nil {
			return "", err
		}

		p.workspace, p.runs = workspace, map[string]runFolder{}
	}

	base := p.workspace.state
	if !durable && p.workspace.scratch != "" {
		base = p.workspace.scratch
	}

	run, ok := p.runs[base]
	if !ok {
		var err error
		if run, err = makeRunFolder(base); err != nil {
			return "", err
		}

		p.runs[base] = run
	}

	return filepath.Join(run.dir, kind+"-"+randomToken(3)), nil
}

func (p *Private) onStop(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.stops = append(p.stops, f)
}

// Postgres starts a server whose data is thrown away. fsync is off.
func (p *Private) Postgres(ctx context.Context) (*Postgres, error) {
	return p.startPostgres(ctx, false)
}

// DurablePostgres starts a server that writes as one in production does, for measurements. Its
// data is thrown away all the same.
func (p *Private) DurablePostgres(ctx context.Context) (*Postgres, error) {
	return p.startPostgres(ctx, true)
}

func (p *Private) startPostgres(ctx context.Context, durable bool) (*Postgres, error) {
	dir, err := p.reserveFolder("postgres", durable)
	if err != nil {
		return nil, err
	}

	pg, err := p.workspace.newPostgres(ctx, dir, durable, nil, 0)
	if err != nil {
		return nil, err
	}

	p.onStop(pg.Stop)

	return pg, nil
}

// Redis starts a server that persists nothing.
func (p *Private) Redis(ctx context.Context) (*Redis, error) {
	dir, err := p.reserveFolder("redis", false)
	if err != nil {
		return nil, err
	}

	r, err := p.workspace.newRedis(ctx, dir, false, 0)
	if err != nil {
		return nil, err
	}

	p.onStop(r.Stop)

	return r, nil
}

// SecureRedis starts a server that persists nothing. Its URL is for a user with the given rights
// alone, as ACL SETUSER takes them, over TLS.
func (p *Private) SecureRedis(ctx context.Context, rights string) (*Redis, error) {
	dir, err := p.reserveFolder("redis", false)
	if err != nil {
		return nil, err
	}

	r, err := p.workspace.newSecureRedis(ctx, dir, rights)
	if err != nil {
		return nil, err
	}

	p.onStop(r.Stop)

	return r, nil
}

// Cluster starts a Redis Cluster of three masters, which persists nothing.
func (p *Private) Cluster(ctx context.Context, o ClusterOptions) (*Cluster, error) {
	dir, err := p.reserveFolder("cluster", false)
	if err != nil {
		return nil, err
	}

	c, err := p.workspace.newRedisCluster(ctx, dir, o)
	if err != nil {
		return nil, err
	}

	p.onStop(c.Stop)

	return c, nil
}

// Sentinel starts one Redis master, two replicas and three sentinels, which persist nothing.
func (p *Private) Sentinel(ctx context.Context, o SentinelOptions) (*Sentinel, error) {
	dir, err := p.reserveFolder("sentinel", false)
	if err != nil {
		return nil, err
	}

	s, err := p.workspace.newSentinel(ctx, dir, o)
	if err != nil {
		return nil, err
	}

	p.onStop(s.Stop)

	return s, nil
}

// S3 starts a server with one bucket and random keys.
func (p *Private) S3(ctx context.Context) (*S3, error) {
	dir, err := p.reserveFolder("s3", false)
	if err != nil {
		return nil, err
	}

	s, err := p.workspace.newS3(ctx, dir, "test"+randomToken(8), randomToken(20), "test", 0)
	if err != nil {
		return nil, err
	}

	p.onStop(s.Stop)

	return s, nil
}

// Stop ends all servers and removes their folders.
func (p *Private) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()

	var wg sync.WaitGroup
	for _, stop := range p.stops {
		wg.Go(stop)
	}

	wg.Wait()

	for _, run := range p.runs {
		run.release()
	}

	p.stops, p.workspace, p.runs = nil, nil, nil
}
