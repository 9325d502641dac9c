// SPDX-License-Identifier: GPL-2.0-or-later

// Package directory puts received directories (spec.md 6.7) on disk. A directory is made
// from its archive beside the place where it belongs, and exchanged with the old one when
// all of it is durable: a power cut leaves the old directory or the new one. The inventory
// alone says what is made; the archive is only compared with it.
//
// Beside the directory NAME, hidden files and directories have its name and a suffix:
//
//	.NAME.iotupd-lock       keeps a second process out
//	.NAME.iotupd-hashes     hashes of old files, until the new directory is there
//	.NAME.iotupd-extract    the new directory, while it is made
//	.NAME.iotupd-new        the new directory, complete; the old one after the exchange
//	.NAME.iotupd-old        the old directory, where two renames replace the exchange
//	.NAME.iotupd-next       the record of the new directory
//	.NAME.iotupd-directory  the record of the directory NAME
//	.NAME.iotupd-link       a new symbolic link, if NAME is one
//	.NAME.iotupd-0123456789abcdef  the directory that the link leads to
//	.NAME.iotupd-trash-0    what is being removed
//
// A record proves which directory iotupd made, and that nothing in it was changed since.
package directory
