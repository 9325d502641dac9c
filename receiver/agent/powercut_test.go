// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"testing"

	"iotupd/proto"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed/state"
)

// A cut is where a power cut ends a run. Every step before it is on the disk, since each
// one is synced before the next begins.
type cut string

// cutTarget ends a run at a step of putting a file into place.
type cutTarget struct {
	*filestore.FileTarget
	at cut
}

func (t cutTarget) Withhold(m *proto.Manifest) string {
	t.end("before it is recorded that the file arrives")
	return t.FileTarget.Withhold(m)
}

func (t cutTarget) Commit(ctx context.Context, m *proto.Manifest) (string, error) {
	t.end("before the file gets its name")
	path, err := t.FileTarget.Commit(ctx, m)
	t.end("before the floor is raised")
	return path, err
}

func (t cutTarget) end(here cut) {
	if t.at == here {
		panic(here)
	}
}

// "never lost; twice only when cut between the command's own last effect and the record"
func TestAPowerCutAtEveryStepLosesNothing(t *testing.T) {
	for _, test := range []struct {
		at        cut
		after     state.State // of the record after the cut
		installed int         // times, in all
	}{
		{"before it is recorded that the file arrives", state.None, 1},
		{"before the file gets its name", state.Received, 1},
		{"before the floor is raised", state.Received, 1},
		{"before the attempt is recorded", state.Received, 1},
		{"before the command has an effect", state.Installing, 1},
		{"after the command has had its effect", state.Installing, 2},
		{"after iotupd installed", state.Installed, 1},
		{"after the success is recorded", state.Installed, 1},
	} {
		t.Run(string(test.at), func(t *testing.T) {
			d := newDevice(t)
			effects := 0
			run := func(at cut) {
				defer func() {
					if stop := recover(); stop != nil && stop != at {
						panic(stop)
					}
				}()
				target := cutTarget{filestore.Dir(d.dir), at}
				s := newStation(t, Config{Target: target, KeepPending: true, Trust: []proto.PublicKey{d.key.Public()}, State: stateOf(t)})
				defer s.Agent.Close() // which lets go of the lock of the partial file
				observe := s.cfg.Observe
				s.cfg.Observe = func(e Event) {
					observe(e)
					switch e.(type) {
					case Done:
						target.end("before the attempt is recorded")
					case Installed:
						target.end("after the success is recorded")
					}
				}
				file, err := s.Pending(t.Context())
				if err == nil && file == nil {
					file, err = s.receive(d.release(7))
				}
				check(t, err)
				check(t, file.Install(t.Context(), func(_ context.Context, file *Received) error {
					target.end("before the command has an effect")
					effects++
					target.end("after the command has had its effect")
					if at == "after iotupd installed" {
						check(t, file.recordInstalled())
						panic(at)
					}
					return nil
				}))
			}
			run(test.at)
			if test.after != state.None {
				d.wantState(test.after)
			}
			d.boots()
			run("")
			run("")
			d.wantState(state.Installed)
			if effects != test.installed {
				t.Errorf("it was installed %d times, want %d", effects, test.installed)
			}
		})
	}
}
