// Package user knows who a person is to us: the random name that their object keys begin with and their notifications go to, and
// their plan. Who may sign in is the auth service's; what a user did is each domain's.
//
// # Invariants
//
//   - A user's name (ref) is random and never changes. What is stored under it tells nothing of who they are.
//   - A row is made when it is first needed, and found ever after: [Directory.Ensure] twice is once.
//   - Submits of one user, and the numbers of their events, take turns on the row ([QueueLock]). In the order of locks it
//     comes after a task's row and before the balance.
package user
