// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"iotupd/internal/durable"
)

// A receiver that follows whatever component it hears first keeps to that one from then
// on. So a place for files has a file with its component.

func (m *Memory) keptName(place string) string {
	return channelPrefix(m.channel) + "kept-" + shortHash(place) + ".component"
}

// keptText is the whole content of the file. The checksum detects damage only.
func (m *Memory) keptText(place, component string) string {
	text := fmt.Sprintf("iotupd component v1\nchannel %q\nplace %q\ncomponent %q\n", m.channel, place, component)
	return text + fmt.Sprintf("checksum %08x\n", crc32.ChecksumIEEE([]byte(text)))
}

// maxKeptLen is more than any text has: a path has up to 4096 bytes, each of which takes up
// to four.
const maxKeptLen = 32 << 10

var errKept = errors.New("is damaged, so that it is not known of which component the releases at this place are: name it by --component, and remove this file")

// Kept returns the component to which a place for files keeps, and whether there is one.
// Errors are of type [*Error].
func (m *Memory) Kept(place string) (component string, known bool, err error) {
	name := m.keptName(place)
	f, err := durable.OpenRegularIn(m.dir, name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, &Error{Path: m.path(name), Err: durable.Cause(err)}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeptLen))
	if err != nil {
		return "", false, &Error{Path: m.path(name), Err: durable.Cause(err)}
	}
	_, rest, _ := strings.Cut(string(b), "\ncomponent ")
	quoted, _, _ := strings.Cut(rest, "\n")
	component, err = strconv.Unquote(quoted)
	if err != nil || m.keptText(place, component) != string(b) {
		return "", false, &Error{Path: m.path(name), Err: errKept}
	}
	return component, true, nil
}

// Keep has a place for files keep to a component. Errors are of type [*Error].
func (m *Memory) Keep(place, component string) error {
	if now, known, err := m.Kept(place); err == nil && known && now == component {
		return nil
	}
	name := m.keptName(place)
	if err := durable.Replace(m.dir, name, []byte(m.keptText(place, component)), 0o600); err != nil {
		return &Error{Path: m.path(name), Err: fmt.Errorf("the component cannot be remembered: %w", durable.Cause(err))}
	}
	return nil
}
