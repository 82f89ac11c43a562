// Package asynqueue is the Redis side of jobs: asynq carries tasks to workers, and its dashboard
// shows them. It is the only importer of asynq.
//
// asynq is used so that what it loses, doubles or delays cannot matter: a task is a name
// (id:epoch) and nothing else, asynq counts no attempts and decides nothing, and Postgres is
// written before asynq is told. Notes at the places in question say which behaviour of asynq
// 0.26 each is for.
//
// All objects of asynq's are built over one client of ours ([Connect]): asynq's own options know
// neither deadlines nor pool sizes.
package asynqueue
