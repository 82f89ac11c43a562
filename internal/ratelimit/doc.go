// Package ratelimit says whether a subject may ask once more, by GCRA (the leaky bucket as a
// meter; ITU-T I.371), kept in Redis so that all processes count together.
//
// A [Limit] is a quota and a window. Invariants:
//   - A subject that asks at most Quota times in any Window is never refused. None is let in more than Quota
//     times at once, nor more than Quota + t/Window × Quota times within t: what was used comes back
//     one by one, evenly.
//   - Questions that are asked at once count one each ([Limiter.AllowMany]): no more of them are allowed than would be, had
//     they been asked one after the other.
//   - What turns out not to count is given back ([Limiter.Return]), one use for one question, never more.
//   - All limits of one question are judged together: refused by one, it uses up none.
//   - Redis may be away, slow or empty. A question waits for it at most [Options.Timeout]; after a
//     failure one question in [Options.CoolOff] tries it, and the others are judged by this process
//     alone, from what Redis last said. Then each process gives the whole quota, and no more.
//   - Redis holds ids and times. A key ends by itself when nothing of its quota is used.
//   - A clock that was wrong costs a subject a Window at most.
package ratelimit
