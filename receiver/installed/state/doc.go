// SPDX-License-Identifier: GPL-2.0-or-later

// Package state is the state machine of an installation: what becomes of a release
// between "received" and "running", through failures, power cuts and reboots. It reads
// no clock and no file: the caller says what has happened and when, writes the result
// to the disk, and then acts on it. [Table] is the whole of it.
package state
