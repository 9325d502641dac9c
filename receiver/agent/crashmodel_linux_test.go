// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"bytes"
	"maps"
	"slices"
)

// A disk is what directories hold: content by path. nil is nothing.
type disk map[string][]byte

// crashStates returns what the disk may hold when a power cut comes after some
// operations: what was synced has happened. Of the rest, any creation, renaming and removal
// may have happened or not, and of any write nothing, a part, its length without
// its content, or all.
func crashStates(done []operation) (states []disk) {
	isSynced := make([]bool, len(done))
	for _, s := range done {
		for i, op := range done {
			isSynced[i] = isSynced[i] || op.ended < s.began && (s.kind == synced && op.isContent() && op.file == s.file ||
				s.kind == dirSynced && !op.isContent() && op.dir == s.dir)
		}
	}
	contents := make(map[int][][]byte) // of each file
	for i, op := range done {
		if op.kind == created {
			contents[op.file] = [][]byte{{}}
		}
		if !op.isContent() {
			continue
		}
		if all := contents[op.file]; isSynced[i] {
			contents[op.file] = [][]byte{op.on(all[0])}
		}
	}
	for file := range contents {
		contents[file] = contentsAfter(contents[file][0], done, isSynced, file)
	}
	for _, names := range namesAfter(done, isSynced) {
		states = append(states, withContents(names, contents)...)
	}
	return states
}

// isContent says that it is about what a file holds, not about its name.
func (op operation) isContent() bool { return op.kind == written || op.kind == truncated }

// on returns what the file holds after a write or a change of its size.
func (op operation) on(b []byte) []byte {
	if op.kind == truncated {
		return resized(b, op.offset)
	}
	offset := op.offset
	if offset < 0 {
		offset = int64(len(b))
	}
	b = resized(b, max(int64(len(b)), offset+int64(len(op.data))))
	copy(b[offset:], op.data)
	return b
}

func resized(b []byte, size int64) []byte {
	return append(bytes.Clone(b[:min(size, int64(len(b)))]), make([]byte, max(0, size-int64(len(b))))...)
}

// outcomes are what a power cut can make of an operation on b that was not synced.
func (op operation) outcomes(b []byte) [][]byte {
	all := [][]byte{b, op.on(b)}
	if op.kind == truncated {
		return all
	}
	if op.offset < 0 {
		op.offset = int64(len(b))
	}
	first, second, length := op, op, op
	half := len(op.data) / 2
	first.data = op.data[:half]
	second.data, second.offset = op.data[half:], op.offset+int64(half)
	length.data = make([]byte, len(op.data))
	return append(all, first.on(b), second.on(b), length.on(b))
}

// contentsAfter returns what a file can hold, of which base is synced. Of more than
// two operations that are not synced, each one can be the last, and each one can be missing.
func contentsAfter(base []byte, done []operation, isSynced []bool, file int) [][]byte {
	var pending []operation
	for i, op := range done {
		if op.isContent() && op.file == file && !isSynced[i] {
			pending = append(pending, op)
		}
	}
	all := [][]byte{base}
	if len(pending) <= 2 {
		for _, op := range pending {
			var next [][]byte
			for _, b := range all {
				next = append(next, op.outcomes(b)...)
			}
			all = next
		}
		return distinct(all)
	}
	for i, op := range pending {
		all = append(all, op.outcomes(base)...)
		without := base
		for _, later := range pending[i+1:] {
			without = later.on(without)
		}
		all = append(all, without)
		base = op.on(base)
	}
	return distinct(all)
}

func distinct(all [][]byte) [][]byte {
	slices.SortFunc(all, bytes.Compare)
	return slices.CompactFunc(all, bytes.Equal)
}

// namesAfter returns which files the paths can lead to.
func namesAfter(done []operation, isSynced []bool) []map[string]int {
	all := []map[string]int{{}}
	for i, op := range done {
		if op.isContent() || op.kind == synced || op.kind == dirSynced || op.kind == marked {
			continue
		}
		var next []map[string]int
		for _, names := range all {
			if !isSynced[i] {
				next = append(next, names)
			}
			next = append(next, op.onNames(names))
		}
		all = all[:0:0]
		for _, names := range next {
			if !slices.ContainsFunc(all, func(other map[string]int) bool { return maps.Equal(names, other) }) {
				all = append(all, names)
			}
		}
	}
	return all
}

func (op operation) onNames(names map[string]int) map[string]int {
	names = maps.Clone(names)
	path := op.dir + "/" + op.name
	switch op.kind {
	case created:
		names[path] = op.file
	case removed:
		delete(names, path)
	case renamed:
		if names[path] == op.file {
			delete(names, path)
		}
		names[op.dir+"/"+op.to] = op.file
	}
	return names
}

// withContents returns all that the files can hold.
func withContents(names map[string]int, contents map[int][][]byte) []disk {
	all := []disk{{}}
	for path, file := range names {
		var next []disk
		for _, d := range all {
			for _, content := range contents[file] {
				with := maps.Clone(d)
				with[path] = content
				next = append(next, with)
			}
		}
		all = next
	}
	return all
}
