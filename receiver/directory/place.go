// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/proto/archive"
)

// DefaultEntries is how many entries a directory may have if [Config] does not say.
const DefaultEntries = 1_000_000

// A Config says what may be received, and how.
type Config struct {
	// Replace allows to replace a directory that iotupd did not make, or in which
	// something was changed.
	Replace bool

	// Link makes NAME a symbolic link to a directory beside it. Then an update is one
	// rename, on any file system.
	Link bool

	Preserve   archive.Preserve
	MaxEntries int      // of a directory; 0: DefaultEntries
	MaxFile    uint64   // bytes of one file, with its zeros; 0: no limit
	Reuse      []string // older directories that files may be taken from

	// Observe is called often, by several goroutines, and must not wait. It may be nil.
	Observe func(Progress)
}

// A Phase is what is done with a directory.
type Phase uint8

// Phases.
const (
	Hashing    Phase = iota + 1 // of old files
	Extracting                  // files out of the archive
	Removing                    // the old directory
)

func (p Phase) String() string { return [...]string{"", "hashing", "extracting", "removing"}[p] }

// Progress is how far a phase is. What is not known is 0.
type Progress struct {
	Phase           Phase
	Files, AllFiles int
	Bytes, AllBytes uint64

	// Reused is how many bytes of the archive are in files that were hashed.
	Reused uint64
}

// A Place is a directory DIR that directories are received into, each as DIR/NAME. Its
// methods may be called by several goroutines; Prepare first.
type Place struct {
	path string
	cfg  Config

	dir     *os.Root
	longest int // name here, in bytes

	mu      sync.Mutex
	learned map[string]*learned // by the name of the directory

	running context.Context    // of removals
	stop    context.CancelFunc // ends them
	removal sync.WaitGroup

	step func(name string) // called at each step, by tests; nil: nobody
	swap func(dir *os.Root, a, b string) error
}

// Open returns the place at path. Nothing happens before Prepare.
func Open(path string, cfg Config) *Place {
	if cfg.MaxEntries <= 0 {
		cfg.MaxEntries = DefaultEntries
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Progress) {}
	}
	return &Place{path: path, cfg: cfg, learned: make(map[string]*learned), step: func(string) {}, swap: exchange}
}

// An Error says what failed in a place.
type Error struct {
	Path string
	Err  error
}

// Error implements error.
func (e *Error) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// A RefusedError says that a directory has something that [Config] does not allow.
type RefusedError struct{ Why string }

// Error implements error.
func (e *RefusedError) Error() string { return e.Why }

// Errors of a place; the text says more.
var (
	// ErrInUse says that another process receives the same directory.
	ErrInUse = errors.New("another iotupd receives the same directory")

	// ErrNotOurs says that a directory is kept because iotupd did not make all of it.
	ErrNotOurs = errors.New("it is not replaced without --replace")

	// ErrDisagrees says that an archive is not what its inventory says.
	ErrDisagrees = errors.New("the inventory disagrees with the archive")
)

// Prepare opens the directory, and finishes or removes what a process has left that was
// killed. Directories are removed in the background. It may be called again.
func (p *Place) Prepare() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir != nil {
		return nil
	}
	dir, err := os.OpenRoot(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("directory %s does not exist; make it first", p.path)
	}
	if err != nil {
		return fmt.Errorf("directory %s: %w", p.path, cause(err))
	}
	for _, path := range p.cfg.Reuse {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			dir.Close()
			return fmt.Errorf("reuse %s: %w", path, cmp.Or(cause(err), errors.New("it is not a directory")))
		}
	}
	p.dir, p.longest = dir, durable.LongestName(dir)
	p.running, p.stop = context.WithCancel(context.Background())
	if err := p.recoverAll(); err != nil {
		p.close()
		return err
	}
	return nil
}

// Wait waits until the old directories are removed, which is done in the background, or until
// ctx ends.
func (p *Place) Wait(ctx context.Context) {
	removed := make(chan struct{})
	go func() { p.removal.Wait(); close(removed) }()
	select {
	case <-removed:
	case <-ctx.Done():
	}
}

// Close ends what is done in the background. What is then left is removed by the next
// Prepare. It may be called again.
func (p *Place) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir != nil {
		p.close()
	}
}

func (p *Place) close() {
	p.stop()
	p.removal.Wait()
	for name, l := range p.learned {
		l.leave()
		delete(p.learned, name)
	}
	p.dir.Close()
	p.dir = nil
}

// PathOf returns the path that the directory of m gets.
func (p *Place) PathOf(m *proto.Manifest) string { return p.at(m.DirectoryName()) }

func (p *Place) at(name string) string { return filepath.Join(p.path, name) }

func (p *Place) hidden(name string) hidden { return hidden{durable.ShortName(name, p.longest-beside)} }

// fail returns an error of something in DIR.
func (p *Place) fail(name string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Path: p.at(name), Err: err}
}

// cause strips what package os puts around an error, where the message names the file
// already. Unlike [durable.Cause], it keeps words of this package around that.
func cause(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return e.Err
	case *os.LinkError:
		return e.Err
	case *os.SyscallError:
		return e.Err
	}
	return err
}

// possible reports why no directory can have a name here.
func (p *Place) possible(name string) error {
	switch {
	case proto.CheckName(name) != nil:
		return proto.CheckName(name)
	case name != filepath.Base(name) || !filepath.IsLocal(name):
		return p.fail(name, errors.New("no directory can have this name here"))
	case len(name) > p.longest:
		return p.fail(name, fmt.Errorf("the name has %d bytes, and the file system has room for %d", len(name), p.longest))
	}
	return p.fail(name, durable.Replaceable(p.dir, name))
}

// Has returns the path of the directory of m if it is there and unchanged; then there is
// nothing to receive. An error says why Commit could not succeed.
func (p *Place) Has(ctx context.Context, m *proto.Manifest) (path string, err error) {
	name := m.DirectoryName()
	if err := p.possible(name); err != nil {
		return "", err
	}
	now, err := p.inspect(ctx, name, m)
	switch {
	case ctx.Err() != nil:
		return "", nil // it is not known
	case err != nil:
		return "", err
	}
	defer now.close()
	if now.intact {
		return p.at(name), nil
	}
	return "", p.fail(name, now.refusal(p.cfg.Replace))
}
