// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cowPiece is how much space is allocated at once on a file system that copies on write.
// Of a block that is written again, the old space is free only when all that was
// allocated at once with it has been written again: with one piece for all, a file whose
// gaps are filled later takes 1.6 times its size for good.
const cowPiece = 256 << 10

// Ballast takes space in dir for the time when the disk is full: on a file system that
// copies on write, the file of f can then be made to take less, by [Compact], which needs
// some. Closing the ballast frees it. It is nil where it is of no use, or where there is
// no room.
func Ballast(dir *os.Root, f *os.File, size int64) *os.File {
	if !CopiesOnWrite(f) {
		return nil
	}
	d, err := dir.Open(".")
	if err != nil {
		return nil
	}
	defer d.Close()
	fd, err := unix.Openat(int(d.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil
	}
	ballast := os.NewFile(uintptr(fd), "ballast")
	if fallocate(ballast, 0, min(4<<20, (size/4/cowPiece+8)*cowPiece)) != nil {
		ballast.Close()
		return nil
	}
	return ballast
}

// CopiesOnWrite reports whether f is on btrfs, where a block that is written again
// needs new space, also in a file whose space was allocated.
func CopiesOnWrite(f *os.File) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &fs) == nil && uint32(fs.Type) == unix.BTRFS_SUPER_MAGIC
}

// Compact frees the space of blocks of f that have been written again, where the file
// system keeps it: see [CopiesOnWrite]. The pieces that hold such blocks, of the first
// size bytes, are written once more as a whole. Nobody else may write to f meanwhile.
// Where that fails, as much is taken as before.
func Compact(f *os.File, size int64) {
	if !CopiesOnWrite(f) {
		return
	}
	unix.Syncfs(int(f.Fd())) // for what has been closed
	rewrite(f, size)
	unix.Syncfs(int(f.Fd()))
}

// rewrite writes the pieces of f again that hold blocks which were written again.
func rewrite(f *os.File, size int64) {
	free, _ := Free(f)
	commitEvery := max(cowPiece, free/2) // what was replaced is free after the next commit
	buffer := make([]byte, cowPiece)
	written := int64(0)
	for at := int64(0); at < size; at += cowPiece {
		piece := buffer[:min(cowPiece, size-at)]
		if inOnePiece(f, at, len(piece)) {
			continue
		}
		if _, err := f.ReadAt(piece, at); err != nil && err != io.EOF {
			return
		}
		_, err := f.WriteAt(piece, at)
		if written += int64(len(piece)); written >= commitEvery || err != nil {
			written = 0
			unix.Syncfs(int(f.Fd()))
		}
		if err != nil {
			if _, err := f.WriteAt(piece, at); err != nil {
				return
			}
		}
	}
}

// fsIocFiemap asks where a file lies on the disk, as linux/fiemap.h has it.
const fsIocFiemap = 0xc020660b

// A fiemap is the question and the answer.
type fiemap struct {
	start, length              uint64
	flags, mapped, count, zero uint32
	extents                    [cowPiece / 4096]struct {
		logical, physical, length uint64
		_                         [2]uint64
		flags                     uint32
		_                         [3]uint32
	}
}

// inOnePiece reports whether n bytes of f lie on the disk one after the other, as they
// do if nothing of them was written twice.
func inOnePiece(f *os.File, at int64, n int) bool {
	m := &fiemap{start: uint64(at), length: uint64(n), flags: 1 /* written before */}
	m.count = uint32(len(m.extents))
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), fsIocFiemap, uintptr(unsafe.Pointer(m))); e != 0 {
		return true
	}
	for i := 1; i < int(min(m.mapped, m.count)); i++ {
		if before := &m.extents[i-1]; before.physical+before.length != m.extents[i].physical {
			return false
		}
	}
	return true
}
