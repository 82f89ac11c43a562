// Package withdrawal is the right of people in the EU to withdraw from what they bought, for fourteen days and without a reason.
//
// # Words
//
// An offer is what a withdrawal would return, told before it is declared. A declaration is final: it is kept word for word, and
// acknowledged with its time.
//
// # Invariants
//
//   - What is declared is what was offered: a token of the offer comes back with the declaration, and fits no longer once an amount of it
//     has changed.
//   - The declaration, the credits that it takes back, and the order to return the money are one transaction.
//   - An order is withdrawn from once. Asking again answers the same.
//   - No declaration is changed or removed unseen: each has a number and the hash of the one before, and the database refuses both.
//   - Who withdraws owes nothing for what they used: of an order without a waiver all money is returned, and only credits that were not
//     used are taken back.
package withdrawal
