// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"errors"
	"io/fs"

	"iotupd/internal/durable"
)

// errNoExchange says that the file system or the system cannot exchange two names.
var errNoExchange = errors.New("no exchange here")

// put gives the new directory, or the link to it, which has the name fresh, the name NAME.
// The old one is then called fresh, or old.
func (p *Place) put(name, fresh string) error {
	_, err := p.dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		p.step("rename")
		return p.rename(fresh, name)
	}
	if err != nil {
		return cause(err)
	}
	p.step("exchange")
	err = p.swap(p.dir, fresh, name)
	if err == nil {
		return durable.SyncDir(p.dir)
	}
	if !errors.Is(err, errNoExchange) {
		return cause(err)
	}
	return p.putByTwo(name, fresh)
}

// putByTwo does the same by two renames. Between them, nothing is called NAME.
func (p *Place) putByTwo(name, fresh string) error {
	old := p.hidden(name).with(oldSuffix)
	if err := p.trash(old); err != nil {
		return err
	}
	p.step("move the old one")
	if err := p.rename(name, old); err != nil {
		return err
	}
	p.step("move the new one")
	err := p.rename(fresh, name)
	if err != nil {
		p.rename(old, name)
	}
	return err
}

// replaceLink puts a link in the place of another one, in one step on any system.
func (p *Place) replaceLink(name, fresh string) error {
	p.step("flip")
	return p.rename(fresh, name)
}

// rename renames something in DIR, and makes that durable.
func (p *Place) rename(from, to string) error {
	if err := p.dir.Rename(from, to); err != nil {
		return cause(err)
	}
	return durable.SyncDir(p.dir)
}
