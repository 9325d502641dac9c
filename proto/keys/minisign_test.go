// SPDX-License-Identifier: GPL-2.0-or-later

package keys

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A minisign runs the real one in a directory of its own.
type minisign struct {
	*testing.T
	dir string
}

func newMinisign(t *testing.T) minisign {
	needMinisign(t)
	return minisign{t, t.TempDir()}
}

// run types input and returns whether it succeeded. minisign asks even for what
// it then does not use.
func (m minisign) run(input string, args ...string) bool {
	m.Helper()
	cmd := exec.Command("minisign", args...)
	cmd.Dir, cmd.Stdin = m.dir, strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	m.Logf("minisign %s: %v\n%s", strings.Join(args, " "), err, out)
	return err == nil
}

func (m minisign) must(input string, args ...string) {
	m.Helper()
	if !m.run(input, args...) {
		m.Fatal("minisign failed")
	}
}

func (m minisign) write(name string, content []byte) { write(m, filepath.Join(m.dir, name), content) }

func (m minisign) read(name string) []byte {
	m.Helper()
	b, err := os.ReadFile(filepath.Join(m.dir, name))
	check(m, err)
	return b
}

func TestWhatMinisignMakesIsRead(t *testing.T) {
	m := newMinisign(t)
	m.must("", "-G", "-W", "-p", "k.pub", "-s", "k.key")
	public, comment, err := ParsePublicKey(m.read("k.pub"))
	if err != nil || !strings.HasPrefix(comment, "minisign public key ") {
		t.Fatalf("public key: got comment %q, error %v", comment, err)
	}
	secret, err := ParseSecretKey(m.read("k.key"), noPassword(t))
	if err != nil || secret.Public() != public {
		t.Fatalf("secret key: got one of %v, error %v, want that of %v", secret.Public().ID, err, public.ID)
	}
	// What is in the file is the key that minisign signs with.
	m.write("file", []byte("content"))
	m.must("", "-S", "-l", "-W", "-s", "k.key", "-m", "file")
	signature, err := base64.StdEncoding.DecodeString(strings.Split(string(m.read("file.minisig")), "\n")[1])
	check(t, err)
	if !bytes.Equal(signature[2:10], public.ID[:]) || !ed25519.Verify(public.Key[:], []byte("content"), signature[10:]) {
		t.Error("the key does not verify what minisign signed")
	}
}

func TestMinisignReadsWhatWeMake(t *testing.T) {
	costs := map[string]scryptCost{
		"unencrypted":     {},
		"interactive":     {1 << 19, 1 << 24},
		"memory to spare": {1 << 16, 1 << 30},
		"work to spare":   {1 << 20, 1 << 20},
		"odd":             {70001, 3<<20 + 1},
	}
	for name, cost := range costs {
		t.Run(name, func(t *testing.T) {
			m := newMinisign(t)
			key := Generate()
			text := key.AppendText(nil, nil)
			if cost.operations > 0 {
				text = key.appendText(nil, []byte("secret words"), cost)
			}
			m.write("k.key", text)
			m.write("k.pub", AppendPublicKey(nil, key.Public()))
			m.write("file", []byte("content"))
			m.must("secret words\n", "-S", "-s", "k.key", "-m", "file")
			m.must("", "-V", "-p", "k.pub", "-m", "file")
			m.must("secret words\n", "-R", "-s", "k.key", "-p", "again.pub")
			if again, _, err := ParsePublicKey(m.read("again.pub")); err != nil || again != key.Public() {
				t.Errorf("minisign made %v of it, %v, want %v", again, err, key.Public())
			}
			if cost.operations > 0 && m.run("other words\n", "-S", "-s", "k.key", "-m", "file") {
				t.Error("minisign took a wrong password")
			}
		})
	}
}

func TestFilesThatMinisignMade(t *testing.T) {
	for name, ask := range map[string]func() ([]byte, error){
		"plain":     noPassword(t),
		"decrypted": noPassword(t),
		"encrypted": password("pw"),
	} {
		if name == "encrypted" && testing.Short() {
			continue // it takes a gigabyte of memory
		}
		public, comment, err := ParsePublicKey(readTestdata(t, strings.Replace(name, "decrypted", "encrypted", 1)+".pub"))
		check(t, err)
		// minisign shows an id as a little-endian number.
		shown := fmt.Sprintf("%02X", []byte{public.ID[7], public.ID[6], public.ID[5], public.ID[4], public.ID[3], public.ID[2], public.ID[1], public.ID[0]})
		if want := "minisign public key " + shown; comment != want {
			t.Errorf("%s: got comment %q, want %q", name, comment, want)
		}
		secret, err := ParseSecretKey(readTestdata(t, name+".key"), ask)
		if err != nil || secret.Public() != public {
			t.Errorf("%s: got the key of %v, %v, want that of %v", name, secret.ID, err, public.ID)
		}
	}
}
