// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package durable

import (
	"errors"
	"os"
	"syscall"
)

// replaceable does not know.
func replaceable(*os.Root, string) error { return nil }

// changeableDir does not know.
func changeableDir(*os.Root) error { return nil }

// statedName is what usual systems have.
func statedName(*os.Root) int { return maxName }

func isTooLong(err error) bool { return errors.Is(err, syscall.ENAMETOOLONG) }
