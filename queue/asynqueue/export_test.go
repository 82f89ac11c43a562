package asynqueue

// NewRedisLogger is what [LogTo] gives to go-redis, which has one for the whole program.
var NewRedisLogger = newRedisLogger //nolint:gochecknoglobals // for tests
