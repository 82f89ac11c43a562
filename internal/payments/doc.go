// Package payments is the words of what people buy: checkouts, orders, subscriptions, and who sells for us. What is done is in
// the packages below it: products are data, checkout sells, books keeps what was paid and what it gives, reconcile finds what
// was missed, desk is what operators ask, creem is the vendor.
//
// # Words
//
// A checkout is one wish to buy one product, ours first and then the vendor's. An order is one payment: of a pack, or of one period of a
// subscription. A look reads what the vendor says of one of them now, and brings the books up to it.
//
// # Invariants
//
//   - The vendor's books are the truth about money, ours about credits. A webhook is a reason to look, never what is believed: so it
//     makes no difference whether one is lost, doubled, late, stale or forged.
//   - What a look finds, what it gives and takes, and the end of its job are one transaction. Looking twice changes nothing.
//   - An order gives its credits once: a pack by its order, a period by its subscription and the month that it is for.
//     What is paid back takes as large a part of them back, of every grant of the order.
//   - A subscription's credits come from its payments, never from its checkout.
//   - A user's plan is the best that a paid period, not paid back, gives them now.
//   - Nothing is sent twice to the vendor whose outcome is unknown, unless a second time is harmless: a checkout that no person has
//     the address of is never paid.
//   - No table has a column for a card.
package payments
