// Package apikey makes and judges the keys that users give to their programs.
//
// A key is sk_<label>_<id>_<secret><checksum>: the label names the installation (such as live),
// the id is the row's UUID, the secret 256 random bits, the checksum a CRC-32 over everything
// before it; the last three in base62 of fixed width. So a key is found by a secret scanner, a
// mistyped one or one of another installation is refused without asking the database, and the
// row is found by its public id, which leaves the secret to a comparison in constant time.
// (GitHub describes the same idea in "Behind GitHub's new authentication token formats", 2021.)
//
// Invariants:
//   - The plaintext exists only in the answer of Create. What is stored is the SHA-256 of the
//     secret: a slow hash protects guessable secrets, and these are not.
//   - A user has at most [MaxLive] keys that work, however many creations run at once.
//   - A key of a banned user, revoked or expired is refused at its next use; all look the same.
//   - Keys carry scopes of generations only: a key makes no keys.
//   - Use is noted off the request's path, at most once a minute for a key: a lost note costs nothing.
package apikey
