// Package upload takes pictures from users, to generate from.
//
// # Words
//
// An upload is one file that a user promised: its type and its length. The bucket takes exactly
// that from any holder of the link, which is the raw object; only the inspection ever reads
// it. What comes out of the inspection is a picture of our own making, under another key: the
// pixels, turned upright, and nothing else of the file.
//
//	pending ──complete──▶ inspecting ──▶ ready | rejected
//
// # Invariants
//
//   - The row is committed before the link is given out, and the key before its object is put: an
//     object without a row cannot be.
//   - Neither the name, nor the type, nor the length that came with a file is believed. Nothing of
//     the file is in the bucket after the inspection but its pixels, and its word that a model had a part in them.
//   - Objects go before their row. While an inspection may still put one, its upload is not erased.
//   - What no job sees to any more ends all the same: an inspection begins anew, or with an erasure is over;
//     an erasure begins anew, a day after one that died.
//   - The link for putting cannot be taken back: what was put again behind an inspection is deleted
//     once the link has ended.
//   - A user is answered about their own uploads alone: the owner is in every query.
//   - An upload that a generation waits for, or was made from, stays, until its owner deletes it or the last
//     of those generations is gone. One that ended before a provider made anything of it is no use.
//   - What a user has without having paid for is bounded in number, and all of it in bytes.
//   - Locks are taken in one order: the upload's row, then jobs' rows.
package upload
