// SPDX-License-Identifier: GPL-2.0-or-later

package memlimit

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestTheLowestLimitCounts(t *testing.T) {
	const meminfo = "MemTotal: 8000000 kB\nMemAvailable:    1048576 kB\nBuffers: 1 kB\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  Limit
	}{
		{"nothing known", nil, Limit{}},
		{"a host", map[string]string{"proc/meminfo": meminfo}, Limit{1 << 30, "MemAvailable"}},
		{"garbage", map[string]string{
			"proc/meminfo":                     "MemAvailable: much kB\n",
			"proc/self/cgroup":                 "\nx\n0::/a\n",
			"sys/fs/cgroup/a/memory.max":       "lots",
			"sys/fs/cgroup/a/memory.high":      "-5",
			"sys/fs/cgroup/memory.max":         "",
			"sys/fs/cgroup/memory/memory.high": "7",
		}, Limit{}},
		{"version 2", map[string]string{
			"proc/meminfo":                 "MemAvailable: 1048576 kB\n",
			"proc/self/cgroup":             "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "67108864\n",
			"sys/fs/cgroup/a/memory.max":   "max\n",
		}, Limit{64 << 20, "memory.max of /a/b"}},
		{"version 2, an ancestor", map[string]string{
			"proc/meminfo":                   "MemAvailable: 1048576 kB\n",
			"proc/self/cgroup":               "0::/a/b/c\n",
			"sys/fs/cgroup/a/b/c/memory.max": "67108864\n",
			"sys/fs/cgroup/a/memory.max":     "33554432\n",
		}, Limit{32 << 20, "memory.max of /a"}},
		{"version 2, throttled before", map[string]string{
			"proc/meminfo":                "MemAvailable: 1048576 kB\n",
			"proc/self/cgroup":            "0::/a\n",
			"sys/fs/cgroup/a/memory.max":  "67108864\n",
			"sys/fs/cgroup/a/memory.high": "50000000\n",
		}, Limit{50000000, "memory.high of /a"}},
		{"version 1", map[string]string{
			"proc/meminfo":     "MemAvailable: 1048576 kB\n",
			"proc/self/cgroup": "9:name=systemd:/\n5:cpu,memory:/x/y\n0::/\n",
			"sys/fs/cgroup/memory/x/y/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes":   "33554432\n",
		}, Limit{32 << 20, "memory.limit_in_bytes of /x"}},
		{"a container that sees its own group as the root", map[string]string{
			"proc/meminfo":             "MemAvailable: 1048576 kB\n",
			"proc/self/cgroup":         "0::/docker/abc\n",
			"sys/fs/cgroup/memory.max": "67108864\n",
		}, Limit{64 << 20, "memory.max of /"}},
		{"less available than allowed", map[string]string{
			"proc/meminfo":               "MemAvailable: 20480 kB\n",
			"proc/self/cgroup":           "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "67108864\n",
		}, Limit{20 << 20, "MemAvailable"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tt.files {
				file := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if got := find(root); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestThisSystem(t *testing.T) {
	if got := Find(); runtime.GOOS == "linux" && got.Bytes < 1<<20 {
		t.Errorf("got %+v for a host that runs tests", got)
	}
}

func TestATmpfsIsMemory(t *testing.T) {
	const dir = "/dev/shm"
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil || !strings.Contains(string(mounts), " "+dir+" tmpfs ") {
		t.Skip("no tmpfs at " + dir)
	}
	if !IsMemory(dir) {
		t.Error(dir + " is said to be on a disk")
	}
	if IsMemory("/proc") || IsMemory("/not/there") {
		t.Error("/proc, or what is not there, is said to be a tmpfs")
	}
}
