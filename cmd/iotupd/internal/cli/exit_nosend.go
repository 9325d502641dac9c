// SPDX-License-Identifier: GPL-2.0-or-later

//go:build nosend

package cli

// senderCode is for programs that do not send.
func senderCode(error) string { return "" }
