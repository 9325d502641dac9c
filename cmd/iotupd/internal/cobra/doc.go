// SPDX-License-Identifier: GPL-2.0-or-later

// Package cobra is what this program uses of github.com/spf13/cobra. With the build
// tag nocompletion it does without that library, and so without the command
// completion: the library, and what it needs of the standard one (regular
// expressions, templates), are a tenth of a program that only receives. Commands,
// flags and help are the same.
package cobra
