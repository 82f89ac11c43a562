package creemsim

import (
	"imagerun/internal/simulators/kit"
	"imagerun/internal/simulators/kit/calllog"
	"imagerun/internal/simulators/kit/deliveries"
	"imagerun/internal/simulators/kit/rules"
)

// The routes, as rules and statistics name them.
const (
	RouteCheckouts           = "checkouts" // make one
	RouteCheckout            = "checkout"  // look at one
	RoutePage                = "page"      // the hosted checkout, for people
	RouteProducts            = "products"
	RouteCustomers           = "customers"
	RouteBilling             = "billing" // the link to the customer portal
	RouteTransactions        = "transactions"
	RouteRefunds             = "refunds"
	RouteSubscriptions       = "subscriptions"        // look at them
	RouteSubscriptionChanges = "subscription_changes" // update, upgrade, cancel, pause, resume
	RouteDiscounts           = "discounts"
	RouteStats               = "stats"
	RouteModeration          = "moderation"
	RouteEndpoints           = "endpoints"      // the webhook endpoints
	RouteFeed                = "feed"           // what waits for cli endpoints
	RouteCredits             = "credits"        // customer credits
	RouteUnknown             = "unknown"        // nothing of Creem's that is here; neither rules nor chaos spoil it
	RouteTrap                = kit.RouteTrap    // where the redirects of chaos lead: no client should come
	RouteWebhook             = deliveries.Route // a delivery, for chaos
)

// callRoutes are the routes that rules and chaos can spoil.
func callRoutes() []string {
	return []string{
		RouteCheckouts, RouteCheckout, RoutePage, RouteProducts, RouteCustomers, RouteBilling, RouteTransactions, RouteRefunds,
		RouteSubscriptions, RouteSubscriptionChanges, RouteDiscounts, RouteStats, RouteModeration, RouteEndpoints, RouteFeed, RouteCredits,
	}
}

// Received is a call that came in.
type Received = calllog.Received

// Rule forces the next answers of a route. The kit's words for it are here as well, so that a test needs one
// import.
type Rule = rules.Rule

// The actions of a rule that tests of a client need most; package rules has them all.
const (
	ActAnswer   = rules.ActAnswer
	ActHang     = rules.ActHang
	ActDrop     = rules.ActDrop
	ActWithhold = rules.ActWithhold
	ActLose     = rules.ActLose
	ActRewrite  = rules.ActRewrite
)
