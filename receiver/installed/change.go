// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"iotupd/internal/durable"
	"iotupd/receiver/installed/state"
)

// ReadAll returns all records in a directory, of every channel and trust root. It
// changes nothing. A directory that does not exist has no records. Errors are of type [*Error]
// and [*DamagedRecordError].
func ReadAll(dir string) ([]*Record, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &Error{Path: dir, Err: durable.Cause(err)}
	}
	defer root.Close()
	return readAll(root, func(string) bool { return true })
}

// Change has an event happen to all records of a channel in a directory that are wanted,
// and returns them as they are then: those to which the event means something. Errors
// are of type [*Error], [*DamagedRecordError] and [*LockedError].
func Change(dir, channel string, e state.Event, wanted func(*Record) bool) (changed []*Record, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &Error{Path: dir, Err: durable.Cause(err)}
	}
	j := &Journal{dir: root, path: dir, channel: channel}
	defer j.Close()
	err = j.locked(func() error {
		all, err := readAll(root, func(name string) bool { return strings.HasPrefix(name, channelPrefix(channel)) })
		if err != nil {
			return err
		}
		for _, r := range all {
			next, ok := r.After(e, Now(), state.Rules{})
			if r.Manifest == nil || !wanted(r) || !ok {
				continue
			}
			same := next == r.Progress
			if r.Progress = next; next.State == state.Confirmed {
				r.Running = r.release()
			}
			if !same {
				if err := j.write(r, []string{r.Root}); err != nil {
					return err
				}
			}
			changed = append(changed, r)
		}
		return nil
	})
	return changed, err
}
