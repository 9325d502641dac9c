// SPDX-License-Identifier: GPL-2.0-or-later

// Package arch holds what is true of all packages together.
package arch

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "iotupd/"

// maxLines is the length of a file that one still reads.
const maxLines = 500

// arrows says what the packages of a folder may import, beside the standard
// library: packages of this module, "x/..." for all below x, and other modules.
// Every folder has a line of its own.
var arrows = map[string][]string{
	"bench": {
		"bench/model", "bench/orders", "bench/simnet", "bench/stats", "fec", "internal/quantity", "proto",
		"receiver", "receiver/layers", "sender",
	},
	"bench/live":   {"bench", "internal/netif", "internal/quantity", "bench/simnet", "golang.org/x/sys/..."}, // real processes and sockets
	"bench/model":  {"bench/stats"},
	"bench/orders": {"proto", "sender"},
	"bench/report": {"bench"},
	"bench/simnet": {},
	"bench/stats":  {},

	"cmd/iotupd": {"cmd/iotupd/internal/...", "internal/printable"},
	"cmd/iotupd/internal/bench": {
		"bench", "bench/live", "bench/report", "bench/simnet", "cmd/iotupd/internal/cli",
		"cmd/iotupd/internal/encode", "internal/durable", "internal/quantity", "proto", "sender",
		"cmd/iotupd/internal/cobra", "github.com/spf13/pflag", "golang.org/x/term",
	},
	"cmd/iotupd/internal/cli": {
		"bench/simnet", "internal/durable", "internal/netif", "internal/printable", "internal/reason", "internal/sdnotify", "proto", "proto/archive", "proto/keys", "proto/manifestfile",
		"proto/seal", "receiver", "receiver/agent", "receiver/directory", "receiver/filestore", "receiver/installed", "receiver/installed/state",
		"receiver/multicast", "sender/agent", "sender/filesource", "sender/multicast",
		"cmd/iotupd/internal/cobra", "github.com/spf13/pflag", "golang.org/x/sys/unix", "golang.org/x/term",
	},
	"cmd/iotupd/internal/cobra":       {"cmd/iotupd/internal/cobra/small", "github.com/spf13/cobra"},
	"cmd/iotupd/internal/cobra/small": {"github.com/spf13/pflag"},
	"cmd/iotupd/internal/describe":    {"cmd/iotupd/internal/cli", "internal/printable", "internal/quantity", "proto", "receiver", "receiver/agent"},
	"cmd/iotupd/internal/encode": {
		"cmd/iotupd/internal/cli", "cmd/iotupd/internal/describe", "fec", "internal/quantity", "internal/reason", "proto", "proto/archive", "proto/manifestfile", "sender", "sender/directory", "sender/filesource",
		"cmd/iotupd/internal/cobra", "github.com/spf13/pflag",
	},
	"cmd/iotupd/internal/inspect": {
		"cmd/iotupd/internal/cli", "cmd/iotupd/internal/describe", "cmd/iotupd/internal/listen",
		"internal/durable", "internal/netif", "internal/printable", "internal/quantity", "proto", "proto/archive", "proto/manifestfile", "receiver",
		"receiver/filestore", "receiver/monitor", "receiver/multicast",
		"cmd/iotupd/internal/cobra", "github.com/spf13/pflag",
	},
	"cmd/iotupd/internal/installing": {
		"cmd/iotupd/internal/cli", "internal/printable", "internal/quantity", "proto", "receiver/filestore", "receiver/installed",
		"receiver/installed/state", "cmd/iotupd/internal/cobra", "github.com/spf13/pflag",
	},
	"cmd/iotupd/internal/listen": {
		"cmd/iotupd/internal/cli", "internal/mcast", "internal/quantity", "receiver/multicast",
		"github.com/spf13/pflag",
	},
	"cmd/iotupd/internal/recv": {
		"bench/simnet", "cmd/iotupd/internal/cli", "cmd/iotupd/internal/describe", "cmd/iotupd/internal/listen",
		"internal/diagnose", "internal/discover", "internal/durable", "internal/memlimit", "internal/netif",
		"internal/quantity",
		"internal/reason", "internal/seqno", "proto", "proto/archive", "proto/seal", "receiver", "receiver/agent", "receiver/directory", "receiver/filestore",
		"receiver/installed", "receiver/installed/state", "receiver/layers", "receiver/multicast",
		"cmd/iotupd/internal/cobra", "github.com/spf13/pflag",
	},
	"cmd/iotupd/internal/send": {
		"cmd/iotupd/internal/cli", "cmd/iotupd/internal/describe", "cmd/iotupd/internal/encode", "fec",
		"internal/discover", "internal/netif", "internal/printable", "internal/qdisc", "internal/quantity", "internal/reason", "proto", "proto/archive", "proto/manifestfile", "sender", "sender/agent",
		"sender/directory", "sender/filesource", "sender/multicast",
		"cmd/iotupd/internal/cobra", "github.com/spf13/pflag",
	},
	"cmd/iotupd/internal/sign": {
		"cmd/iotupd/internal/cli", "cmd/iotupd/internal/describe", "cmd/iotupd/internal/encode",
		"fec", "internal/durable", "internal/quantity", "proto", "proto/archive", "proto/keys", "proto/manifestfile", "proto/seal",
		"sender/agent", "sender/directory", "sender/filesource",
		"cmd/iotupd/internal/cobra", "github.com/spf13/pflag",
	},

	"fec":         {"proto", "fec/leopard", "github.com/klauspost/reedsolomon"},
	"fec/leopard": {"golang.org/x/sys/cpu"},

	"internal/barepath":         {"golang.org/x/net/...", "golang.org/x/sys/unix"},
	"internal/boot":             {"golang.org/x/sys/unix"},
	"internal/clock":            {"golang.org/x/sys/..."},
	"internal/demo":             {},
	"internal/diagnose":         {"internal/quantity", "internal/reason", "proto"},
	"internal/discover":         {"proto", "golang.org/x/net/dns/..."},
	"internal/durable":          {"internal/quantity", "golang.org/x/sys/..."},
	"internal/takeover":         {"internal/durable", "golang.org/x/sys/..."},
	"internal/e2e":              {},
	"internal/golden":           {},
	"internal/hook":             {"internal/printable"},
	"internal/jsonschema":       {},
	"internal/jsonschema/check": {"internal/jsonschema"},
	"internal/leak":             {},
	"internal/listeners":        {"internal/diagnose", "internal/netif", "golang.org/x/net/bpf", "golang.org/x/sys/..."},
	"internal/memlimit":         {"golang.org/x/sys/unix"},
	"internal/mcast":            {"internal/netif", "golang.org/x/net/...", "golang.org/x/sys/..."},
	"internal/mcast/mcasttest":  {"internal/leak", "internal/mcast", "golang.org/x/sys/..."},
	"internal/netif":            {"golang.org/x/sys/..."},
	"internal/printable":        {},
	"internal/qdisc":            {"golang.org/x/sys/unix"},
	"internal/quantity":         {},
	"internal/reason":           {"proto", "proto/seal", "receiver"},
	"internal/sdnotify":         {"internal/printable"},
	"internal/samedir":          {"golang.org/x/sys/unix"},
	"internal/samedir/check":    {"internal/samedir"},
	"internal/seqno":            {},
	"internal/sha256pair":       {},

	"proto":              {"internal/sha256pair"}, // assembler, which is not for others
	"proto/archive":      {"proto"},
	"proto/keys":         {"proto", "golang.org/x/crypto/...", "proto/seal"},
	"proto/manifestfile": {"internal/durable", "proto", "proto/keys", "proto/seal"},
	"proto/seal":         {"proto", "golang.org/x/crypto/..."},

	"receiver": {"proto", "fec", "proto/seal", "internal/seqno"},
	"receiver/agent": {
		"internal/diagnose", "internal/durable", "internal/hook", "internal/quantity", "internal/takeover", "internal/reason", "proto", "proto/archive", "proto/manifestfile", "proto/seal",
		"receiver", "receiver/directory", "receiver/filestore", "receiver/installed", "receiver/installed/state", "receiver/layers", "receiver/multicast",
	},
	"receiver/directory":       {"internal/durable", "internal/quantity", "proto", "proto/archive", "golang.org/x/sys/..."},
	"receiver/filestore":       {"internal/durable", "internal/quantity", "proto", "receiver"},
	"receiver/installed":       {"internal/boot", "internal/durable", "proto", "receiver", "receiver/installed/state", "golang.org/x/sys/unix"},
	"receiver/installed/state": {},
	"receiver/layers":          {"proto", "receiver"},
	"receiver/monitor":         {"internal/seqno", "proto", "proto/archive", "proto/seal", "receiver", "receiver/multicast"},
	"receiver/multicast":       {"internal/discover", "internal/mcast", "proto", "receiver"},

	"sender":            {"proto", "fec", "proto/seal"},
	"sender/agent":      {"fec", "internal/clock", "proto", "proto/archive", "sender", "sender/directory", "sender/filesource", "sender/multicast"},
	"sender/directory":  {"internal/durable", "proto", "proto/archive", "sender/filesource", "golang.org/x/sys/unix"},
	"sender/filesource": {"internal/durable", "proto", "sender", "golang.org/x/sys/..."},
	"sender/multicast":  {"internal/listeners", "internal/mcast", "internal/netif", "proto", "sender"},
}

// cores decide and never wait. What touches the world is in their run.go.
// Folders below them are packages of their own.
var cores = append([]string{"fec", "fec/leopard"}, coresOfProtocol...)

// coresOfProtocol do not even start goroutines, as fec does for its work.
var coresOfProtocol = []string{"proto", "proto/archive", "proto/seal", "sender", "receiver", "receiver/layers", "receiver/installed/state"}

// shells are other folders whose run.go may read the clock.
var shells = []string{"bench", "internal/discover", "internal/listeners", "internal/netif", "receiver/monitor", "sender/multicast"}

// outside are packages that no core imports.
var outside = []string{"net", "os", "log", "log/slog", "syscall", "os/exec", "os/signal", "net/http"}

// clocks are folders that may ask what time it is, beside those of commands.
var clocks = []string{
	"bench/live", "internal/clock", "internal/mcast", "internal/mcast/mcasttest", "internal/diagnose", "internal/demo",
	"internal/barepath", "internal/discover", "internal/e2e", "internal/leak",
	"sender/agent",                   // how long it took
	"sender/filesource",              // the age of the file
	"sender/directory",               // likewise
	"receiver/agent", "sender/agent", // shells around everything
	"internal/boot",      // uptime
	"internal/hook",      // how long a command took
	"internal/sdnotify",  // when to say that a service is alive
	"receiver/directory", // the age of hashes
	"receiver/filestore", // the age of files
	"receiver/installed", // how long to wait for a lock
}

// programs are other programs than iotupd, and what only tests run.
var programs = []string{"internal/barepath", "internal/demo", "internal/jsonschema/check", "internal/leak", "internal/mcast/mcasttest", "internal/samedir", "internal/samedir/check"}

// rules are held for the tree, and shown to bite.
var rules = map[string]rule{
	"imports are allowed":                     importsAreAllowed,
	"arrows are used":                         arrowsAreUsed,
	"senders and receivers never meet":        sendersAndReceiversNeverMeet,
	"cores touch nothing outside":             coresTouchNothingOutside,
	"cores start nothing":                     coresStartNothing,
	"only shells read the clock":              onlyShellsReadTheClock,
	"only commands know the terminal":         onlyCommandsKnowTheTerminal,
	"main is thin":                            mainIsThin,
	"public signatures name no internal type": publicSignaturesNameNoInternalType,
	"files are short, formatted and licensed": filesAreShortFormattedAndLicensed,
	"functions are short":                     functionsAreShort,
}

func TestTheTreeKeepsTheRules(t *testing.T) {
	files := goFiles(t)
	if len(files) < 50 {
		t.Fatalf("found %d files only", len(files))
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			for _, wrong := range rule(tree{files, arrows}) {
				t.Error(wrong)
			}
		})
	}
}

// A tree is what rules are about.
type tree struct {
	files  []*goFile
	arrows map[string][]string
}

// A goFile is a file of this module.
type goFile struct {
	path   string // from the root, with slashes
	dir    string
	test   bool
	source []byte
	*ast.File
	fset *token.FileSet
}

func newFile(name string, source []byte) (*goFile, error) {
	f := &goFile{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), source: source, fset: token.NewFileSet()}
	var err error
	f.File, err = parser.ParseFile(f.fset, name, source, parser.ParseComments)
	return f, err
}

// goFiles reads all Go files of the module.
func goFiles(t *testing.T) (files []*goFile) {
	t.Helper()
	root := os.DirFS("../..") // of the module
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f, err := newFile(name, source)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// imports returns the paths that f imports.
func (f *goFile) imports() (paths []string) {
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic(err)
		}
		paths = append(paths, p)
	}
	return paths
}

// nameOf returns the name under which f knows the package that it imports from
// a path, empty if it does not import it.
func (f *goFile) nameOf(imported string) string {
	i := slices.Index(f.imports(), imported)
	switch {
	case i < 0:
		return ""
	case f.Imports[i].Name != nil:
		return f.Imports[i].Name.Name
	}
	return path.Base(imported)
}

func TestContributingNamesEveryFolder(t *testing.T) {
	page, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	for dir := range arrows {
		name := "`" + dir + "`"
		if parent, base := path.Split(dir); parent == "cmd/iotupd/internal/" {
			name = "`" + base + "`" // several in a row
			if bytes.Contains(page, []byte("`"+dir+"`")) {
				continue
			}
		} else if dir == "internal/mcast/mcasttest" {
			continue // a part of the tests of internal/mcast
		}
		if !bytes.Contains(page, []byte(name)) {
			t.Errorf("CONTRIBUTING.md does not say what is in %s", dir)
		}
	}
}
