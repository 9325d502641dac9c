// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package live

import "errors"

func openNamespaces() (place, error) {
	return nil, errors.New("network namespaces need Linux")
}
