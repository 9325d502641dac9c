// SPDX-License-Identifier: GPL-2.0-or-later

// Package directory reads a directory that is sent (spec.md 6.7): [Scan] makes its inventory,
// and its archive is read from the files in place, which must not change while they are sent.
//
// No symbolic link is followed, except the path of the directory itself. Other file systems
// that are mounted in it belong to it. Sockets are left out, and so is what needs a privilege
// or may block, unless it is asked for.
package directory
