// SPDX-License-Identifier: GPL-2.0-or-later

// Package memlimit finds how much memory this process may take before the system
// ends it: the least of what its control groups allow and of what is available.
package memlimit

import (
	"bufio"
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// A Limit is a number of bytes, and what sets it.
type Limit struct {
	Bytes int64  // zero: none is known
	From  string // such as "memory.max of /system.slice", or "MemAvailable"
}

// Find returns the lowest limit of this process. It knows those of Linux.
func Find() Limit { return find("/") }

// find looks below root, which is for tests.
func find(root string) Limit {
	least := available(filepath.Join(root, "proc/meminfo"))
	groups, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return least
	}
	for line := range strings.Lines(string(groups)) {
		// proc(5): hierarchy, controllers, path; version 2 has hierarchy 0.
		field := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(field) != 3 {
			continue
		}
		mounts, files := []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"}, []string{"memory.max", "memory.high"}
		if field[0] != "0" {
			if !hasController(field[1], "memory") {
				continue
			}
			mounts, files = []string{"sys/fs/cgroup/memory"}, []string{"memory.limit_in_bytes"}
		}
		for _, mount := range mounts {
			least = lower(least, alongPath(filepath.Join(root, mount), field[2], files))
		}
	}
	return least
}

func hasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// alongPath returns the lowest limit in files of a group and its ancestors. A
// group that is not there, since a container sees part of the tree only, has the
// limits of the nearest ancestor that is.
func alongPath(mount, group string, files []string) (least Limit) {
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		for _, file := range files {
			if n, ok := number(filepath.Join(mount, group, file)); ok {
				least = lower(least, Limit{Bytes: n, From: file + " of " + group})
			}
		}
		if group == "/" {
			return least
		}
	}
}

// number reads a limit; "max", or in version 1 a number beyond any machine, means
// that there is no limit.
func number(file string) (int64, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
	return n, err == nil && n > 0 && n < 1<<50
}

func lower(a, b Limit) Limit {
	if a.Bytes == 0 || b.Bytes != 0 && b.Bytes < a.Bytes {
		return b
	}
	return a
}

// available returns what the system can give without swapping.
func available(meminfo string) Limit {
	f, err := os.Open(meminfo)
	if err != nil {
		return Limit{}
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "MemAvailable:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil && kib > 0 && kib < 1<<40 {
				return Limit{Bytes: kib << 10, From: "MemAvailable"}
			}
		}
	}
	return Limit{}
}
