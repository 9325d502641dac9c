// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"errors"
	"path/filepath"
)

// possiblePath returns an error if a path of an inventory has names that are not possible.
func possiblePath(path string) error {
	if path == "" {
		return nil
	}
	if _, err := filepath.Localize(path); err != nil {
		return errors.New("this system cannot have such a name")
	}
	return nil
}
