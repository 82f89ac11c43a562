// Package sdktest runs fal's own JavaScript client, @fal-ai/client, against falsim. The client
// is used as it is: its documented requestMiddleware sends what is meant for fal's hosts to
// the simulator, and refuses every other host. Where the two disagree, falsim is wrong.
package sdktest
