// SPDX-License-Identifier: GPL-2.0-or-later

// Package receiver decides which parts of an object are still missing, stores the
// parts that arrive, and rebuilds the rest.
//
// A [Receiver] takes a time and a datagram, checks the datagram, and puts its
// payload straight to a place in the output: a data shard where it belongs, a
// parity shard where a shard of its group is still missing. Memory holds an
// index, never the file. Work that takes long, such as decoding and the final
// hash, is handed out as a [Job] for any goroutine. [Run] is the loop around a
// receiver that owns sockets and clock; nothing else here reads either.
//
// # Reading order
//
//   - config.go, event.go, reason.go, progress.go: inputs and outputs
//   - receiver.go: the calls, and what a failure means
//   - packet.go, choice.go, waiting.go, gate.go, policy.go: whose object is received
//   - several.go, catalogue.go, all.go: several objects that are sent together
//   - inventory.go, memorystore.go: archives of directories, and what older directories have of them
//   - object.go, open.go, shard.go, places.go, layout.go, writes.go, index.go, state.go: a shard
//     on its way to the store, and the states of its group
//   - record.go, leaves.go, recordreader.go, rebuild.go, check.go: hashes of shards, and how they are used
//   - work.go, job.go, decode.go, hash.go, reencode.go: work for jobs
//   - budget.go: the memory of a file, and how it is divided
//   - resume.go, scan.go, outline.go, partial.go: bytes that are already on disk
//   - streams.go: loss, for display and for the choice of layers
//   - run.go, readers.go: the loop, and the goroutines that read for it
//   - indexalone.go: the index without a receiver, for simulations
//
// Package layers, below this one, decides how many layers to receive.
//
// # The life of a packet
//
// [Run] reads batches of datagrams, each of which goes to [Receiver.Handle]. The
// checks follow the order of spec.md 7.1: the header, whether the object can be
// ruled out, the checksum. An object is chosen by its manifest (choice.go).
// Before one is chosen, and until a job has opened its store, other packets wait
// (waiting.go). A packet of the chosen object, which may have waited, is compared
// with the geometry, and counted in its stream. Then it depends on its type: a
// shard is compared with its leaf, if that is in memory, and put into the queue
// of writes (shard.go, writes.go); a record is verified by its own proof and put
// into the same queue, to be stored behind the file (record.go); an OUTLINE waits
// until a job has time to search the disk (outline.go); a further manifest
// changes nothing. The payload is decrypted only after all checks that need the
// header alone. No call of a receiver touches a store: jobs read and write. While
// too much waits for them ([Receiver.Busy]), Run leaves datagrams in the kernel's
// buffers. After a batch, it passes the counted packets to the policy of layers.
// Where datagrams come one after the other, it looks for them by its own timer
// (readers.go), so that no goroutine is woken for each.
//
// # The life of a group
//
// A group is untouched, then receiving. With K shards it is complete if all of
// them are data; else it is full, is decoded, and is complete then. A shard is
// verified if it is what its leaf says, and provisional as long as its leaf is
// not known. When a leaf becomes known later, a job compares it with the stored
// shard. A forged shard is dropped; if it was used to rebuild other shards, all
// provisional shards of the group are dropped. state.go has the table of all
// transitions, which `go doc -u iotupd/receiver groupState` prints; every
// change of a status goes through it.
//
// # The life of a job
//
// Work that waits is a task in the work list (work.go), whose kinds are in the
// order of their priority. [Receiver.NextJob] takes the first task that may run
// concurrently with the running jobs, and copies all state that may change
// meanwhile. Job.Run works on the copy. [Receiver.Finish] applies the result,
// unless the object was dropped meanwhile. Jobs read and write the store, which
// allows concurrent calls, and touch nothing else of the receiver; so there are
// no locks.
//
// # Memory
//
// Before an object is chosen there is no index, no file, no decoder and no job:
// packets wait in a ring of 1 MiB, which all objects share. It is allocated with
// the first packet that waits, and freed when the packets of the chosen object
// have been used. It is larger while a partial file is compared, when there are
// no decoders.
//
// The index takes two bits a shard and 50 bytes a group, and four bytes for each
// parity shard that is parked; NewIndex and the receiver refuse an object whose
// index would take more than 160 MiB. A group that waits for a job takes eight
// bytes more. Decoders share Config.Memory; the cache of records has
// Config.LeafMemory. Shards that wait to be written take 2 MiB at most, 256 KiB
// where little memory is given (writes.go). All numbers that come from the
// network are compared with a limit before memory is used; see spec.md 7.5.
//
// With [TakeAll] a receiver has many objects. All of them share the memory of
// decoders, what waits to be written, and a number of jobs (all.go); only an index
// and a small cache of records belong to each. Lists of objects that may have a
// job, or something to write, make the cost of a packet independent of their
// number.
//
// # Trust
//
// Nothing that arrives is trusted. A checksum keeps damaged packets out, not
// forged ones. If the object has digests, every shard is compared with its leaf
// as soon as that is known, so that forged packets do not damage the file.
// Anybody can invent the parameters in a header: they count once a genuine
// manifest has them, and a [Policy] says whose signature that manifest needs. The
// SHA-256 of the whole file, read back from the store, decides at the end. Bytes
// that are already on disk count only if they match a leaf, and records only with
// a valid proof.
//
// # Failures
//
// Errors of the methods of an object are either failures, which end the transfer,
// or a [proto.Reason] to ignore a packet, which Handle returns and which changes
// nothing.
package receiver
