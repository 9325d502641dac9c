// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package listeners

import "context"

// A Watcher watches one link for those who listen to one multicast group. There
// is none on this system.
type Watcher struct{}

// Open fails on this system, with [ErrUnsupported].
func Open(Config) (*Watcher, error) { return nil, ErrUnsupported }

// Run does nothing.
func (*Watcher) Run(context.Context, func(listened bool)) {}
