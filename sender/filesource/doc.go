// SPDX-License-Identifier: GPL-2.0-or-later

// Package filesource holds the file that is sent, which must not change while it
// is sent, and what is prepared of it: the [sender.Object] with its parity and
// its digests, in memory, in a temporary file, or in a cache directory that
// makes the next start of the same file quick.
package filesource
