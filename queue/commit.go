package queue

import "github.com/jackc/pgx/v5"

// AfterCommitter is a transaction that tells of its commit.
type AfterCommitter interface {
	// AfterCommit has f run after the commit, and only if the commit is known to have happened. A crash in
	// between loses f, so it is for what may be lost: whatever depends on it needs a sweep that works without.
	// f must not block.
	AfterCommit(f func())
}

// AfterCommit has f run after the commit of a transaction that is an [AfterCommitter]. With any other, f never runs.
func AfterCommit(tx pgx.Tx, f func()) {
	if t, ok := tx.(AfterCommitter); ok {
		t.AfterCommit(f)
	}
}
