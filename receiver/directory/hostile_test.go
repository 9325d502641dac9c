// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"iotupd/proto/archive"
)

// encode encodes entries without any check, in the order in which they are.
func encode(entries ...archive.Entry) []byte {
	b := append([]byte("IUI1"), 0, 0, 0, byte(len(entries)))
	before := ""
	for i := range entries {
		e := &entries[i]
		first := byte(e.Type)
		if e.Owned {
			first |= 0x10
		}
		if len(e.Xattrs) > 0 {
			first |= 0x20
		}
		shared := 0
		for shared < min(len(before), len(e.Path)) && before[shared] == e.Path[shared] {
			shared++
		}
		b = binary.AppendUvarint(append(b, first), uint64(shared))
		b = text(b, e.Path[shared:])
		before = e.Path
		if e.Type == archive.HardLink {
			b = binary.AppendUvarint(b, uint64(e.LinkedTo))
			continue
		}
		b = encodeAttributes(b, e)
	}
	return b
}

func text(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func encodeAttributes(b []byte, e *archive.Entry) []byte {
	b = binary.AppendUvarint(b, uint64(e.Mode))
	b = binary.AppendVarint(b, e.Seconds)
	b = binary.AppendUvarint(b, uint64(e.Nanoseconds))
	if e.Owned {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(e.User)), uint64(e.Group))
	}
	if len(e.Xattrs) > 0 {
		b = binary.AppendUvarint(b, uint64(len(e.Xattrs)))
		for _, x := range e.Xattrs {
			b = text(text(b, x.Name), x.Value)
		}
	}
	switch e.Type {
	case archive.Symlink:
		return text(b, e.Target)
	case archive.CharDevice, archive.BlockDevice:
		return binary.AppendUvarint(binary.AppendUvarint(b, uint64(e.Major)), uint64(e.Minor))
	case archive.File:
		b = binary.AppendUvarint(b, e.Size)
	case archive.SparseFile:
		b = binary.AppendUvarint(binary.AppendUvarint(b, e.Size), uint64(len(e.Extents)))
		end := uint64(0)
		for _, x := range e.Extents {
			b = binary.AppendUvarint(binary.AppendUvarint(b, x.Offset-end), x.Length)
			end = x.Offset + x.Length
		}
	}
	if e.Stored() > 0 {
		b = append(b, e.SHA256[:]...)
	}
	return b
}

// An attack is a directory that does damage if it is received without care.
type attack struct {
	name string
	cfg  Config
	sent *sent
	want string // in the error; empty: it is received, and does no damage
	or   string // in an error that some file systems cause
}

// canaries are files outside of the place, which nothing may change.
func canaries(t *testing.T, dir string) (snapshot func() string) {
	check(t, os.MkdirAll(filepath.Join(dir, "canary", "inside"), 0o755))
	for _, name := range []string{"x", "canary/x", "canary/inside/x", "canary/file"} {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte("do not touch "+name), 0o640))
	}
	return func() string {
		var b strings.Builder
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if path == filepath.Join(dir, "place") {
				return fs.SkipDir
			}
			info, err := os.Lstat(path)
			content, _ := os.ReadFile(path)
			if path == dir {
				fmt.Fprintf(&b, "%s %v %v\n", path, info.Mode(), err) // its time changes with the place
				return nil
			}
			fmt.Fprintf(&b, "%s %v %v %x %v\n", path, info.Mode(), info.ModTime(), sha256.Sum256(content), err)
			return nil
		})
		return b.String()
	}
}

// "refused with a clear error, nothing outside touched"
func TestHostileDirectories(t *testing.T) {
	all := slices.Concat(hostilePaths(t), hostileLinks(t), hostileSizes(t), hostileAttributes(t), hostileEncodings(t), hostileArchives(t), oddDirectories(t))
	names := make(map[string]bool)
	for _, a := range all {
		if names[a.name] {
			t.Fatalf("%s comes twice", a.name)
		}
		names[a.name] = true
		t.Run(a.name, func(t *testing.T) { a.run(t) })
	}
	t.Logf("%d hostile directories", len(all))
}

func (a *attack) run(t *testing.T) {
	r := newReceiver(t, a.cfg)
	snapshot := canaries(t, filepath.Dir(r.Place.path))
	before := snapshot()
	err := r.try(a.sent)
	if err != nil && a.or != "" {
		a.want = a.or
	}
	switch {
	case a.want == "" && err != nil:
		t.Fatalf("got %v, want no error", err)
	case a.want != "":
		r.wantError(err, a.want)
		r.Place.Close()
		r.wantFiles()
	}
	if after := snapshot(); after != before {
		t.Errorf("before:\n%safter:\n%s", before, after)
	}
	if used, most := usedBy(t, r.Place.path), uint64(len(a.sent.archive)+len(a.sent.inventory))*2+1<<20; used > most {
		t.Errorf("it takes %d bytes, more than %d", used, most)
	}
	if a.want != "" {
		return
	}
	r.wantHas(a.sent, true)
	if runtime.GOOS != "windows" && !strings.Contains(a.name, "time") && !strings.HasPrefix(a.name, "a path of") {
		r.wantContent(r.in("tree"), a.sent)
	}
}

// raw is an attack by an inventory, and an archive that does not matter.
func raw(name, want string, entries ...archive.Entry) attack {
	return attack{name: name, want: want, sent: objectsOf("tree", encode(entries...), make([]byte, 4096))}
}

func entry(i item) archive.Entry { return i.Entry }

func root() archive.Entry { return entry(directory("")) }

// empty is a file without content.
func empty(path string) archive.Entry { return entry(file(path, "")) }

func hostilePaths(t *testing.T) []attack {
	deep := func(n int) (all []archive.Entry) {
		all = []archive.Entry{root()}
		for i := range n {
			all = append(all, entry(directory(strings.Repeat("d/", i)+"d")))
		}
		return all
	}
	long := func(last int) (all []archive.Entry) {
		all = []archive.Entry{root()}
		path := ""
		for range 15 {
			path += strings.Repeat("n", 255)
			all = append(all, entry(directory(path)))
			path += "/"
		}
		return append(all, empty(path+strings.Repeat("f", last)))
	}
	return []attack{
		raw("traversal", `has the component ".."`, root(), empty("../x")),
		raw("traversal from within", `has the component ".."`, root(), entry(directory("a")), empty("a/../../x")),
		raw("traversal at the end", `has the component ".."`, root(), entry(directory("a")), entry(directory("a/.."))),
		raw("the parent directory", `has the component ".."`, root(), entry(directory(".."))),
		raw("an absolute path", "empty component", root(), empty("/etc/x")),
		raw("the component .", `has the component "."`, root(), empty("./x")),
		raw("an empty component", "empty component", root(), entry(directory("a")), empty("a//b")),
		raw("a slash at the end", "empty component", root(), empty("a/")),
		raw("a byte of zero", "byte of zero", root(), empty("a\x00b")),
		raw("the directory itself twice", "comes twice", root(), root()),
		raw("the same path twice", "comes twice", root(), empty("a"), empty("a")),
		raw("a file and a directory of the same path", "comes twice", root(), empty("a"), entry(directory("a"))),
		raw("another order", "not in its place", root(), empty("b"), empty("a")),
		raw("no parent", "not a directory of the inventory", root(), empty("a/b")),
		raw("a file in a file", "not a directory of the inventory", root(), empty("a"), empty("a/b")),
		raw("a component of 256 bytes", "at most 255 are possible", root(), empty(strings.Repeat("n", 256))),
		raw("256 components", "at most 255 are possible", deep(256)[:1]...).withEntries(deep(256)),
		raw("a path of 4096 bytes", "", root()).withEntries(long(256)).expecting("invalid inventory"),
		{name: "255 components", sent: sendEntries(t, deep(255))},
		{name: "a path of 4095 bytes", sent: sendEntries(t, long(255))},
		{name: "a component of 255 bytes", sent: send(t, "tree", file(strings.Repeat("n", 255), "x"))},
		named("the name .", "."), named("the name ..", ".."), named("a name with a slash", "a/b"), named("no name", ""),
		named("a hidden name", ".ssh"), named("a name with an escape sequence", "a\x1bb"),
	}
}

func (a attack) withEntries(entries []archive.Entry) attack {
	b := encode(entries...)
	binary.BigEndian.PutUint32(b[4:], uint32(len(entries)))
	a.sent = objectsOf("tree", b, make([]byte, 4096))
	return a
}

func (a attack) expecting(text string) attack {
	a.want = text
	return a
}

// named is a directory whose name is not allowed, although no parser lets such a manifest
// through.
func named(name, directory string) attack {
	s := objectsOf("tree", encode(root()), make([]byte, 1536))
	s.m.Name = directory + ".tar"
	return attack{name: name, sent: s, want: "file name"}
}

func sendEntries(t *testing.T, entries []archive.Entry) *sent {
	var items []item
	for _, e := range entries {
		items = append(items, item{Entry: e})
	}
	return send(t, "tree", items...)
}

func hostileLinks(t *testing.T) []attack {
	canary := entry(link("l", "../../canary"))
	hard := func(path string, to int) archive.Entry {
		return archive.Entry{Path: path, Type: archive.HardLink, LinkedTo: to}
	}
	return []attack{
		raw("a file through a symbolic link", "not a directory of the inventory", root(), canary, empty("l/x")),
		raw("a directory in the place of a symbolic link", "comes twice", root(), canary, entry(directory("l")), empty("l/x")),
		raw("a hard link to the directory", "hard link to something that is not a file", root(), hard("a", 0)),
		raw("a hard link to a directory", "hard link to something that is not a file", root(), entry(directory("a")), hard("b", 1)),
		raw("a hard link to a symbolic link", "hard link to something that is not a file", root(), canary, hard("m", 1)),
		raw("a hard link to a later file", "hard link to something that is not a file", root(), hard("a", 2), empty("b")),
		raw("a hard link to itself", "hard link to something that is not a file", root(), hard("a", 1)),
		raw("a hard link to no entry", "hard link to something that is not a file", root(), hard("a", 77)),
		raw("a hard link to a hard link", "hard link to something that is not a file", root(), empty("a"), hard("b", 1), hard("c", 2)),
		raw("a hard link to ..", `has the component ".."`, root(), empty("../x"), hard("a", 1)),
		raw("a link that leads to nothing", "out of its limits", root(), entry(link("l", ""))),
		raw("a link with a byte of zero", "out of its limits", root(), entry(link("l", "a\x00b"))),
		raw("a link of 5000 bytes", "invalid inventory", root(), entry(link("l", strings.Repeat("t", 5000)))),
		{name: "a link of 4095 bytes", or: "a symbolic link of 4095 bytes cannot be made here", sent: send(t, "tree", link("l", strings.Repeat("t", 4095)))},
		{name: "links to the outside", sent: send(t, "tree", link("absolute", "/etc/passwd"), link("up", ".."), link("canary", "../../canary/x"), file("z", "z"))},
		{name: "links in circles", sent: send(t, "tree", link("a", "b"), link("b", "a"), link("self", "self"), link("here", "."), directory("d"), link("d/up", ".."), file("d/z", "z"))},
		{name: "many hard links", sent: send(t, "tree", file("a", "x"), hardLink("b", "a"), hardLink("c", "a"), directory("d"), hardLink("d/d", "a"))},
	}
}

func hostileSizes(t *testing.T) []attack {
	sparse := func(size uint64, extents ...archive.Extent) archive.Entry {
		return archive.Entry{Path: "s", Type: archive.SparseFile, Mode: 0o644, Size: size, Extents: extents}
	}
	sized := func(path string, size uint64) archive.Entry {
		return archive.Entry{Path: path, Type: archive.File, Mode: 0o644, Size: size}
	}
	full := raw("a file of 100 TB", "are free: make room for", root(), sized("a", 100e12))
	inv, err := archive.Parse(full.sent.inventory, 2)
	check(t, err)
	full.sent.m.Descriptor.Size = inv.ArchiveSize()
	claimed := raw("ten million names claimed", "invalid inventory", root())
	binary.BigEndian.PutUint32(claimed.sent.inventory[4:], 10_000_000)
	few := Config{MaxEntries: 3}
	many := append([]archive.Extent(nil), make([]archive.Extent, 1<<16+1)...)
	for i := range many {
		many[i] = archive.Extent{Offset: uint64(2 * i), Length: 1}
	}
	return []attack{
		full, claimed,
		raw("a file of 2^62 bytes", "out of its limits", root(), sized("a", 1<<62)),
		raw("a file of 2^64-1 bytes", "out of its limits", root(), sized("a", 1<<64-1)),
		raw("files of 2^62 bytes together", "the archive has 2^62 bytes or more", root(), sized("a", 1<<61), sized("b", 1<<61)),
		raw("a file that is larger than the archive", "disagrees with the archive", root(), sized("a", 1<<40)),
		raw("overlapping extents", "out of its limits", root(), sparse(1<<20, archive.Extent{Offset: 0, Length: 1 << 19}, archive.Extent{Offset: 1 << 18, Length: 1})),
		raw("touching extents", "out of its limits", root(), sparse(1<<20, archive.Extent{Offset: 0, Length: 5}, archive.Extent{Offset: 5, Length: 5})),
		raw("an extent behind the end", "out of its limits", root(), sparse(1<<20, archive.Extent{Offset: 1 << 20, Length: 1})),
		raw("an empty extent", "out of its limits", root(), sparse(1<<20, archive.Extent{Offset: 5, Length: 0})),
		raw("a sparse file without zeros", "out of its limits", root(), sparse(5, archive.Extent{Offset: 0, Length: 5})),
		raw("65537 extents", "out of its limits", root(), sparse(1<<20, many...)),
		{name: "1 TB of zeros, which are not allowed", want: "and at most 1.0 GiB are allowed", cfg: Config{MaxFile: 1 << 30}, sent: sendEntries(t, []archive.Entry{root(), sparse(1 << 40)})},
		{name: "more entries than allowed", want: "it has 4 files and directories, and at most 3 are allowed", cfg: few, sent: send(t, "tree", file("a", ""), file("b", ""), file("c", ""))},
		{name: "as many entries as allowed", cfg: few, sent: send(t, "tree", file("a", ""), file("b", ""))},
		{name: "64 MB of zeros", sent: sendEntries(t, []archive.Entry{root(), sparse(64 << 20)})},
	}
}

// with returns an empty file that change has changed.
func with(change func(*archive.Entry)) archive.Entry {
	e := empty("a")
	change(&e)
	return e
}

func xattr(names ...string) archive.Entry {
	return with(func(e *archive.Entry) {
		for _, name := range names {
			e.Xattrs = append(e.Xattrs, archive.Xattr{Name: name, Value: "v"})
		}
	})
}

func hostileAttributes(t *testing.T) []attack {
	mode := func(bits uint32) archive.Entry { return with(func(e *archive.Entry) { e.Mode |= bits }) }
	setgid := entry(directory("d"))
	setgid.Mode |= archive.ModeSetgid
	device := archive.Entry{Path: "sda", Type: archive.BlockDevice, Mode: 0o666, Major: 8}
	fifo := archive.Entry{Path: "p", Type: archive.FIFO, Mode: 0o666, Seconds: someTime}
	capable := Config{Preserve: archive.Preserve{Xattrs: true}}
	return []attack{
		{name: "a block device", want: "a block device is received with --preserve special only", sent: sendEntries(t, []archive.Entry{root(), device})},
		{name: "a character device", want: "--preserve special", sent: sendEntries(t, []archive.Entry{root(), {Path: "mem", Type: archive.CharDevice, Mode: 0o666, Major: 1, Minor: 1}})},
		{name: "a FIFO", want: "--preserve special", sent: sendEntries(t, []archive.Entry{root(), fifo})},
		{name: "a setuid bit", want: "--preserve special", sent: sendEntries(t, []archive.Entry{root(), mode(archive.ModeSetuid)})},
		{name: "a setuid bit without its owner", want: "--preserve special,owners", cfg: Config{Preserve: archive.Preserve{Special: true}}, sent: sendEntries(t, []archive.Entry{root(), mode(archive.ModeSetuid)})},
		{name: "a setgid bit", want: "--preserve special", sent: sendEntries(t, []archive.Entry{root(), mode(archive.ModeSetgid)})},
		{name: "a setgid bit of a directory", want: "--preserve special", sent: sendEntries(t, []archive.Entry{root(), setgid})},
		{name: "capabilities", want: "--preserve special", cfg: capable, sent: sendEntries(t, []archive.Entry{root(), xattr("security.capability")})},
		{name: "capabilities that are not set", sent: sendEntries(t, []archive.Entry{root(), xattr("security.capability", "trusted.overlay.opaque", "user.x")})},
		{name: "owners that are not set", sent: sendEntries(t, []archive.Entry{root(), with(func(e *archive.Entry) { e.Owned, e.User, e.Group = true, 1<<32-2, 12345 })})},
		raw("a mode of 17 bits", "out of its limits", root(), mode(0o200000)),
		raw("the user 2^32-1", "out of its limits", root(), with(func(e *archive.Entry) { e.Owned, e.User = true, 1<<32-1 })),
		raw("10^9 nanoseconds", "out of its limits", root(), with(func(e *archive.Entry) { e.Nanoseconds = 1e9 })),
		raw("an extended attribute without a name", "out of its limits", root(), xattr("")),
		raw("an extended attribute with =", "out of its limits", root(), xattr("user.a=b")),
		raw("an extended attribute twice", "out of its limits", root(), xattr("user.a", "user.a")),
		raw("an extended attribute with a newline", "out of its limits", root(), xattr("user.\n")),
		raw("a socket", "of an unknown type", root(), archive.Entry{Path: "s", Type: 9, Mode: 0o666}),
		raw("an entry of type 0", "of an unknown type", root(), archive.Entry{Path: "s", Mode: 0o666}),
		raw("a device of a large number", "out of its limits", root(), archive.Entry{Path: "s", Type: archive.CharDevice, Mode: 0o600, Major: 1 << 12}),
		{name: "a FIFO that is allowed", cfg: Config{Preserve: archive.Preserve{Special: true}}, sent: sendEntries(t, []archive.Entry{root(), fifo})},
		{name: "a time at the end of all", sent: sendEntries(t, []archive.Entry{root(), with(func(e *archive.Entry) { e.Seconds = 1<<63 - 1 })})},
		{name: "a time before all", sent: sendEntries(t, []archive.Entry{root(), with(func(e *archive.Entry) { e.Seconds = -1 << 63 })})},
	}
}

func hostileEncodings(t *testing.T) []attack {
	inventory := func(name, want string, b []byte) attack {
		return attack{name: name, want: want, sent: objectsOf("tree", b, make([]byte, 4096))}
	}
	whole := encode(root(), empty("a"))
	longForm := append(slices.Clone(whole[:len(whole)-1]), 0x80, 0) // the size, which is the last
	flags := slices.Clone(whole)
	flags[8] |= 0x80
	shared := slices.Clone(whole)
	shared[9] = 5 // with the path before the first
	count := slices.Clone(whole)
	count[7] = 3
	return []attack{
		inventory("nothing", "invalid inventory", nil),
		inventory("another magic", "invalid inventory", append([]byte("IUI2"), whole[4:]...)),
		inventory("no entries", "invalid inventory", []byte("IUI1\x00\x00\x00\x00")),
		inventory("a byte more", "invalid inventory", append(slices.Clone(whole), 0)),
		inventory("a number in a long form", "out of its limits", longForm),
		inventory("an unknown flag", "unknown type", flags),
		inventory("more shared bytes than there are", "invalid inventory", shared),
		inventory("one entry more claimed", "invalid inventory", count),
		raw("a file instead of the directory", "the first entry is not the directory itself", empty("")),
		raw("no directory itself", "the first entry is not the directory itself", empty("a")),
		inventory("zeros", "invalid inventory", make([]byte, 1000)),
	}
}

func hostileArchives(t *testing.T) []attack {
	change := func(name, want string, change func(s *sent)) attack {
		s := send(t, "tree", directory("d"), file("d/file", strings.Repeat("content", 100)), link("l", "x"))
		change(s)
		return attack{name: name, want: want, sent: s}
	}
	flip := func(at int) func(*sent) {
		return func(s *sent) {
			if at < 0 {
				s.archive[len(s.archive)+at] ^= 1
			} else {
				s.archive[at] ^= 1
			}
		}
	}
	return []attack{
		change("another name in a header", "disagrees with the archive", flip(512)),
		change("another type in a header", "disagrees with the archive", flip(512+156)),
		change("another size in a header", "disagrees with the archive", flip(1024+130)),
		change("other content", "disagrees with the archive about the content", flip(1536+10)),
		change("padding that is not zero", "disagrees with the archive", flip(1536+700+3)),
		change("another link", "disagrees with the archive", flip(2560+157)),
		change("an end that is not zero", "disagrees with the archive", flip(-1)),
		change("an archive that is longer than said", "disagrees with the archive", func(s *sent) { s.m.Descriptor.Size += 512 }),
		change("an archive that is shorter than said", "disagrees with the archive", func(s *sent) { s.m.Descriptor.Size -= 512 }),
		change("an archive that ends in a header", "which ends early", func(s *sent) { s.archive = s.archive[:700] }),
		change("an archive that ends in content", "which ends early", func(s *sent) { s.archive = s.archive[:1600] }),
		change("an inventory for another archive", "disagrees with the archive", func(s *sent) {
			*s = *objectsOf("tree", send(t, "tree", directory("d"), file("d/file", strings.Repeat("c0ntent", 100)), link("l", "x")).inventory, s.archive)
		}),
		change("a tar that is not ours", "disagrees with the archive", func(s *sent) { copy(s.archive[512:], bytes.Repeat([]byte("x"), 1000)) }),
	}
}

// oddDirectories are allowed.
func oddDirectories(t *testing.T) []attack {
	readOnly := directory("r")
	readOnly.Mode = 0o500
	closed := directory("z")
	closed.Mode = 0
	return []attack{
		{name: "a pair of upper and lower case", sent: send(t, "tree", file("A", "1"), file("a", "2"), directory("D"), directory("d"), file("d/x", "3"))},
		{name: "a pair of NFC and NFD", sent: send(t, "tree", file("\u00e9", "1"), file("e\u0301", "2"))},
		{name: "a read-only directory", sent: send(t, "tree", readOnly, file("r/x", "1"), directory("r/d"), file("r/d/y", "2"))},
		{name: "a closed directory", sent: send(t, "tree", closed)},
		{name: "our hidden names", sent: send(t, "tree", directory(".tree.iotupd-new"), file(".tree.iotupd-new/x", "x"), file(".tree.iotupd-directory", "x"), link(".tree.iotupd-extract", "../../canary"), file(".iotupd-all.lock", ""))},
		{name: "its own name inside", sent: send(t, "tree", directory("tree"), directory("tree/tree"), file("tree/tree/x", "1"))},
		{name: "names with control characters", sent: send(t, "tree", file("\x1b[2J", "1"), file("-rf", "2"), file("a\nb", "3"), file(" ", "4"), file("\xff\xfe", "5"))},
		{name: "nothing in it", sent: send(t, "tree")},
	}
}

// Each of the first bytes counts: an inventory that is cut off is refused.
func TestAnInventoryThatIsCutOffIsRefused(t *testing.T) {
	r := newReceiver(t, Config{})
	s := send(t, "tree", everything()...)
	for n := range len(s.inventory) {
		if _, err := r.Learn(r.Context(), s.m, s.inventory[:n]); err == nil {
			t.Fatalf("%d bytes of %d were accepted", n, len(s.inventory))
		}
	}
	r.wantFiles()
}

// "a receiver MUST refuse an archive that is not what its inventory says"
func TestEachByteOfAnArchiveIsCompared(t *testing.T) {
	r := newReceiver(t, Config{})
	r.receive(old(t))
	s := send(t, "tree", everything()...)
	positions := []int{len(s.archive) - 1, len(s.archive) - 1024, len(s.archive) - 1025}
	for at := 0; at < len(s.archive); at += 173 {
		positions = append(positions, at)
	}
	for _, at := range positions {
		changed := &sent{m: s.m, inventory: s.inventory, archive: slices.Clone(s.archive)}
		changed.archive[at] ^= 0x10
		r.wantError(r.try(changed), "the inventory disagrees with the archive")
		if t.Failed() {
			t.Fatalf("byte %d", at)
		}
	}
	r.wantFiles("tree")
	r.wantContent(r.in("tree"), old(t))
}
