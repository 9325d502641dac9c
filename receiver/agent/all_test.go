// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"testing"

	"iotupd/receiver/filestore"
)

func TestFilesOfACollectionNeedNames(t *testing.T) {
	// They are put into the directory under the names that they are sent by.
	cfg := Config{Channel: "test", Collection: filestore.NewCollection(t.TempDir(), 1)}.withDefaults()
	check(t, cfg.validate())
	accepts := cfg.receiver(nil).Name
	if accepts == nil || accepts("") || !accepts("fw.bin") {
		t.Error("a file without a name is accepted, or one with a name is not")
	}
}
