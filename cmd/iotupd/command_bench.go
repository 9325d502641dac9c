// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !nobench

package main

import "iotupd/cmd/iotupd/internal/bench"

func init() { commands["bench"] = bench.NewCommand }
