// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryFileIsInTheReadingOrder(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if !strings.HasSuffix(name, "_test.go") && name != "doc.go" && !strings.Contains(string(doc), name) {
			t.Errorf("doc.go does not say where to read %s", name)
		}
	}
}
