// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// explain says more about an error of the entry at path.
func (x *extraction) explain(path string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, fs.ErrExist) {
		if same := x.sameFile(path); same != "" {
			return fmt.Errorf("%s: to this file system it is the same name as %s", shown(path), shown(same))
		}
		return fmt.Errorf("%s: to this file system it is the same name as another one in the directory", shown(path))
	}
	return fmt.Errorf("%s: %w", shown(path), cause(err))
}

// shown returns a path as errors have it: a path may have any bytes, and 4095 of them.
func shown(path string) string {
	const most = 200
	if path == "" {
		return "the directory itself"
	}
	if len(path) > most {
		return strconv.Quote(path[:most/2]) + "..." + strconv.Quote(path[len(path)-most/2:])
	}
	return strconv.Quote(path)
}

// sameFile returns the path of the entry whose name is the same to the file system.
func (x *extraction) sameFile(path string) string {
	info, err := x.root.Lstat(path)
	if err != nil {
		return ""
	}
	dir := path[:strings.LastIndexByte(path, '/')+1]
	for _, e := range x.inventory.All() {
		rest, ok := strings.CutPrefix(e.Path, dir)
		if !ok || rest == "" || strings.Contains(rest, "/") || e.Path == path {
			continue
		}
		if other, err := x.root.Lstat(e.Path); err == nil && os.SameFile(info, other) {
			return e.Path
		}
	}
	return ""
}
