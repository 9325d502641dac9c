// SPDX-License-Identifier: GPL-2.0-or-later

// Package archive describes how a directory is sent (spec.md 6.7): as an archive, which is
// a tar file in the pax format, and an inventory, which lists what is in the directory. The
// inventory determines every byte of the archive that is not content of a file: a sender
// reads the archive from the files in place ([Reader]), and a receiver knows where the
// content of each file is.
//
// Nothing here touches a disk. An inventory that comes from outside is checked by [Parse]:
// its paths lead nowhere outside of the directory, and into no symbolic link.
package archive
