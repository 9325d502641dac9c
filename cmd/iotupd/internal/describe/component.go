// SPDX-License-Identifier: GPL-2.0-or-later

package describe

import "iotupd/internal/printable"

// Component names the component of a release for a person.
func Component(name string) string {
	if name == "" {
		return "no component"
	}
	return "component " + printable.Text(name)
}
