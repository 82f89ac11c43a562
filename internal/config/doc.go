// Package config is everything that can be set from outside, as one typed value.
//
// A value comes from the first of these that has it: the environment
// (IMAGERUN_<SECTION>_<KEY>), the YAML file, the default in the field's tag. An empty
// environment variable counts as absent, because platforms and compose files pass such ones.
// A secret may be in a file of its own, which IMAGERUN_<SECTION>_<KEY>_FILE names.
//
// Invariants:
//   - Load reports everything that is wrong at once. Each complaint names the key as the file
//     and as the environment spell it, and says what to do; none repeats a value, because the
//     value may be a secret in the wrong place.
//   - A key or an IMAGERUN_ variable that does not exist is refused, with the nearest one.
//   - Secrets are [redact.Secret]: a printed, logged or marshaled Config shows none.
//   - What is meant for development alone is refused in production.
//   - config.example.yaml is made from the tags of this package and tested to be fresh.
//
// Only this package imports viper, and only internal/app and cmd import this package: every
// other constructor takes its own options.
package config
