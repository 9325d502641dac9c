// SPDX-License-Identifier: GPL-2.0-or-later

// Package agent receives files on a channel, puts them into place, remembers what
// was installed and has it installed: what the command iotupd recv does, without a
// terminal. It is the front door for other programs.
//
// [New] takes a [Config], [Agent.Receive] receives one file, and [Agent.Follow] one
// signed release after the other. How it goes is reported by an [Event].
//
// # Goroutines
//
// One goroutine uses an Agent. Receive runs until the file is in place, or an error.
// It starts goroutines, which have ended when it returns: one for each socket, one
// that owns the receiver and never waits for a disk, the observer or a system call
// that may take long, one for each job such as decoding a group, one that decides
// when to give up and calls Config.Observe, and with Config.Lookup some that ask
// DNS. Config.Observe is called by one goroutine at a time; one that takes long
// delays decisions, and nothing that is received.
//
// # Cancellation
//
// When the context of Receive or Follow ends, the error is its cause
// ([context.Cause]). A partial file stays where the target can keep it, and the next
// run continues from it, in this process or another one. Targets are locked, so that
// two processes do not write the same file. Receive waits for what a job does just now:
// a disk that does not answer may keep it, and a program that must not wait for that
// ends its process, as iotupd does.
//
// # Errors
//
// Errors have types, so that a program can decide what to do: see Receive. After
// an error, Receive may be called again. The texts are for a log.
//
// # Memory
//
// Config.MemoryLimit bounds all that receiving takes, the kernel's buffers
// included; [receiver.NeedOf] returns how much a file needs. Without it,
// Config.Memory, 6 MiB if zero, bounds the buffers of decoders, LeafMemory the
// cache of hashes. The tables of large codes and an index of a few bits for each
// packet of the file come in addition: less than 1 MiB for the tables, and 160
// MiB for the index of a file of 256 GiB. The file itself is never in memory. All
// this memory is in large buffers without pointers: a program that does little
// else may lower the target of the garbage collector
// ([runtime/debug.SetGCPercent]), as iotupd does to 15.
//
// # Logging
//
// Config.Listen.Logger gets records about interfaces and memberships. All else is
// an event.
//
// # Stability
//
// The wire format is that of proto/spec.md. Before version 1.0, names of this and all
// other packages may change. The licence is GPL-2.0-or-later.
package agent
