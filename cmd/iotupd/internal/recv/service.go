// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"context"
	"fmt"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/agent"
)

// A service reports to the service manager what a receiver does.
type service struct {
	*cli.Service
	name string // of the file that is received
}

// ready says that a begins to receive, as soon as there is a network.
func (s *service) ready(ctx context.Context, a *agent.Agent) {
	s.Ready()
	s.Watch(ctx, a.Alive)
}

// observing returns a function that sees events before observe does.
func (s *service) observing(observe func(agent.Event)) func(agent.Event) {
	return func(e agent.Event) {
		s.observe(e)
		observe(e)
	}
}

const waits = "waits for a file"

func (s *service) observe(e agent.Event) {
	switch e := e.(type) {
	case agent.Searching:
		s.Status("asks DNS for senders of " + e.Name)
	case agent.Listening, agent.Installed:
		s.Status(waits)
	case agent.Transfer:
		s.transfer(e)
	case agent.Progress:
		s.progress(e)
	case agent.Done:
		s.Status("has received " + s.name)
	case agent.AlreadyThere:
		s.Status("has " + nameOf(e.File.Manifest) + " already")
	case agent.InstallPending:
		s.Status("installs " + nameOf(e.File.Manifest))
	case agent.InstallFailed:
		s.Status(fmt.Sprintf("%s is not installed%s: %v", nameOf(e.Err.Manifest), again(e.Err), e.Err))
	case agent.TakeOverFailed:
		s.Status(fmt.Sprintf("%s is not taken over: %v", nameOf(e.Manifest), e.Err))
	}
}

// again says when the next attempt comes, if one does.
func again(e *agent.InstallError) string {
	if e.Again <= 0 {
		return ""
	}
	return ", next attempt after " + quantity.Duration(e.Again)
}

func (s *service) transfer(t agent.Transfer) {
	switch e := t.Event.(type) {
	case receiver.ObjectFound:
		s.name = "a file"
	case receiver.Certified:
		s.name = nameOf(e.Manifest)
	case receiver.Dropped:
		s.Status(waits)
	}
}

func (s *service) progress(e agent.Progress) {
	p := e.Status.Progress
	switch {
	case p.Needed == 0:
	case e.Collected:
		s.Status("decodes and verifies " + s.name)
	case e.Silent >= silent:
		s.Progress(e.At, func() string { return fmt.Sprintf("receives %s: %d%%, and nothing more arrives", s.name, percent(p)) })
	default:
		s.Progress(e.At, func() string { return fmt.Sprintf("receives %s: %d%%", s.name, percent(p)) })
	}
}

// percent is how much of the file has been received, rounded down.
func percent(p receiver.Progress) uint64 { return 100 * p.Held / p.Needed }

// nameOf is what to call a file for a person.
func nameOf(m *proto.Manifest) string { return displayName(m, "") }
