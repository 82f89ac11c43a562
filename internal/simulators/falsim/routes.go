package falsim

import (
	"imagerun/internal/simulators/kit"
	"imagerun/internal/simulators/kit/calllog"
	"imagerun/internal/simulators/kit/deliveries"
	"imagerun/internal/simulators/kit/rules"
)

// The routes, as rules and statistics name them.
const (
	RouteSubmit  = "submit"
	RouteRun     = "run" // without the queue
	RouteStatus  = "status"
	RouteStream  = "stream"
	RouteResult  = "result"
	RouteCancel  = "cancel"
	RouteFind    = "find"
	RouteErase   = "erase"
	RoutePricing = "pricing" // prices, estimates, schemas
	RouteBilling = "billing" // balance, usage, billing events
	RouteMeta    = "meta"
	RouteJWKS    = "jwks"
	RouteMedia   = "media"
	RouteUpload  = "upload"      // initiate, tokens, signed links
	RoutePut     = "put"         // send a file, a part, complete
	RouteTrap    = kit.RouteTrap // where the redirects and false links of chaos lead: no client should come
)

// What chaos can spoil beside calls, named like routes.
const (
	RouteWebhook = deliveries.Route // the notice of one finished request
	RouteEnding  = "ending"         // how one request ends
)

// callRoutes are the routes that rules and chaos can spoil.
func callRoutes() []string {
	return []string{
		RouteSubmit, RouteRun, RouteStatus, RouteStream, RouteResult, RouteCancel, RouteFind, RouteErase,
		RoutePricing, RouteBilling, RouteMeta, RouteJWKS, RouteMedia,
		RouteUpload, RoutePut,
	}
}

// handler serves one call.
type handler = kit.Handler

// Received is a call that came in.
type Received = calllog.Received

// Rule forces the next answers of a route. The kit's words for it are here as well, so that a test needs one
// import.
type Rule = rules.Rule

// The actions of a rule.
const (
	ActAnswer   = rules.ActAnswer
	ActHang     = rules.ActHang
	ActDrop     = rules.ActDrop
	ActReset    = rules.ActReset
	ActWithhold = rules.ActWithhold
	ActLose     = rules.ActLose
	ActStall    = rules.ActStall
	ActTruncate = rules.ActTruncate
	ActHalve    = rules.ActHalve
	ActSpill    = rules.ActSpill
	ActSlow     = rules.ActSlow
	ActRewrite  = rules.ActRewrite
	ActFlood    = rules.ActFlood
	ActGzipBomb = rules.ActGzipBomb
	ActPoison   = "poison" // media only: serves a picture spoiled as Variant says, one of Poisons
)
