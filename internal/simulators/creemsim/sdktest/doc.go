// Package sdktest runs Creem's own JavaScript client, creem, against creemsim: its calls, and its verifier and strict
// parser of webhooks. The client is used as it is. Where the two disagree, creemsim is wrong.
package sdktest
