// SPDX-License-Identifier: GPL-2.0-or-later

package mcasttest

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Forbidden is a system call that is not allowed in a sandbox when one of its
// arguments has a value.
type Forbidden struct {
	Call     uint32
	Argument uint32 // 0 is the first
	Value    uint32
	Kills    bool // instead of failing, it ends the process
}

// Netlink is how package net lists interfaces, and IndexByName how one does so by
// ioctls.
var (
	Netlink     = Forbidden{Call: unix.SYS_SOCKET, Argument: 0, Value: unix.AF_NETLINK}
	IndexByName = Forbidden{Call: unix.SYS_IOCTL, Argument: 1, Value: unix.SIOCGIFINDEX}
)

// Priority is how a thread asks for real-time priority, which ends the process.
var Priority = Forbidden{Call: unix.SYS_SCHED_SETATTR, Argument: 0, Value: 0, Kills: true}

// Exec executes a program, in place of this one, in a sandbox where system calls
// fail as where an address family is not supported. It returns only if that
// fails.
func Exec(path string, args, environment []string, forbidden ...Forbidden) error {
	runtime.LockOSThread() // which has the filter
	var filter []unix.SockFilter
	for _, f := range forbidden {
		verdict := unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)
		if f.Kills {
			verdict = unix.SECCOMP_RET_KILL_PROCESS
		}
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // number of the call, in struct seccomp_data
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: f.Call, Jf: 3},
			unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16 + 8*f.Argument + lowHalf()},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: f.Value, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: verdict},
		)
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return err
	}
	return unix.Exec(path, args, environment)
}

// lowHalf is where the lower half of a number of 64 bits is.
func lowHalf() uint32 {
	if one := uint64(1); *(*uint32)(unsafe.Pointer(&one)) == 1 {
		return 0
	}
	return 4
}
