package asynqueue

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

var errURL = errors.New("redis url is not understood")

func parseURL(rawURL string) (*redis.UniversalOptions, error) {
	scheme, rest, _ := strings.Cut(rawURL, "://")
	transport, topology, _ := strings.Cut(scheme, "+")

	if transport != "redis" && transport != "rediss" || !slices.Contains([]string{"", "sentinel", "cluster"}, topology) {
		return nil, errors.New("redis url: the scheme must be redis, redis+sentinel or redis+cluster, or with rediss for TLS")
	}

	// A list of hosts is none of net/url's: the first stands for all.
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}

	tail, files, err := cutFiles(tail)
	if err != nil {
		return nil, err
	}

	hosts := strings.Split(authority[strings.LastIndex(authority, "@")+1:], ",")
	login := authority[:strings.LastIndex(authority, "@")+1]

	one, err := redis.ParseURL(transport + "://" + login + hosts[0] + map[bool]string{true: tail}[topology == ""])
	if err != nil {
		return nil, errURL
	}

	o := &redis.UniversalOptions{
		Addrs: hosts, DB: one.DB, Username: one.Username, Password: one.Password, TLSConfig: one.TLSConfig,
		IsClusterMode: topology == "cluster",
	}

	if err := files.loadInto(o.TLSConfig); err != nil {
		return nil, err
	}

	if topology == "" {
		o.Addrs = []string{one.Addr}

		return o, nil
	}

	if o.TLSConfig != nil {
		o.TLSConfig.ServerName = "" // each host's certificate must name that host
	}

	for _, h := range hosts {
		if _, _, err := net.SplitHostPort(h); err != nil {
			return nil, errors.New("redis url: each host needs a port")
		}
	}

	u, err := url.Parse(tail)
	if err != nil {
		return nil, errURL
	}

	path := strings.Split(strings.Trim(u.Path, "/"), "/")

	if topology == "cluster" {
		if path[0] != "" {
			return nil, errors.New("redis url: a cluster has no databases")
		}

		return o, nil
	}

	if path[0] == "" || len(path) > 2 {
		return nil, errors.New("redis url: the name of the master must follow the sentinels")
	}

	o.MasterName = path[0]
	o.SentinelUsername, o.SentinelPassword = u.Query().Get("sentinel_user"), u.Query().Get("sentinel_password")

	if len(path) == 2 {
		if o.DB, err = strconv.Atoi(path[1]); err != nil {
			return nil, errURL
		}
	}

	return o, nil
}
