// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import "iotupd/internal/printable"

// noComponent is the value of --component for releases that do not name a component. An
// empty value is more often a variable of a script that is not set.
const noComponent = "-"

// ReadComponent returns the component that a value of --component names.
func ReadComponent(value string) (string, error) {
	switch {
	case value == noComponent:
		return "", nil
	case value == "":
		return "", UsageError("--component: empty value; - is for releases that do not name a component")
	case value != printable.Text(value):
		return "", UsageError("--component %q: want a name without control characters", value)
	}
	return value, nil
}

// ReadComponents returns the components that values of --component name.
func ReadComponents(values []string) (components []string, err error) {
	for _, v := range values {
		c, err := ReadComponent(v)
		if err != nil {
			return nil, err
		}
		components = append(components, c)
	}
	return components, nil
}
