// Package devstack starts private Postgres, Redis and S3 servers: kept for the demo,
// throw-away for tests.
//
// What stays true:
//   - Nothing outlives the process that started it, however that process ends: each server
//     has a watcher that notices when the starter is gone (see [reaper]).
//   - Every server listens on 127.0.0.1 alone, on a port that no other process of this
//     repository uses (see [claimPort]).
//   - A Postgres cluster is made once for each version and set of migrations, and copied after
//     that. Processes that need it at the same moment build it once.
//   - It works as root too, although Postgres refuses to run as root: the server then runs as
//     the user postgres or nobody, in a folder under /var/tmp that it may enter.
package devstack
