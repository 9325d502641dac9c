// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"iotupd/internal/jsonschema"
)

// A process is an iotupd that runs on a host. It ends with the test.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	started time.Time
	events  chan event    // those not waited for yet; closed at the end
	exited  chan struct{} // closed at the end
	awaited bool          // the test knows that it has ended

	mu     sync.Mutex
	stdout bytes.Buffer // for the log of a failed test
	stderr bytes.Buffer
}

// An event is a line of --json: the fields that the tests look at, of all types.
type event struct {
	Type string `json:"type"`

	Object    string `json:"object"`
	Name      string `json:"name"`
	Bytes     uint64 `json:"bytes"`
	K         uint64 `json:"k"`
	M         uint64 `json:"m"`
	From      string `json:"from"`
	Interface string `json:"interface"`
	FECCode   string `json:"fec_code"`
	Code      string `json:"code"` // of a warning
	Text      string `json:"text"`

	Layers  int      `json:"layers_joined"`
	Port    int      `json:"port"` // that is listened on
	Sources []string `json:"sources"`

	Held      uint64  `json:"shards_held"`
	Needed    uint64  `json:"shards_needed"`
	Rebuilt   uint64  `json:"shards_rebuilt"`
	Sent      uint64  `json:"packets_sent"`
	Lost      uint64  `json:"packets_lost"`
	OwnDrops  uint64  `json:"own_drops"`
	Seconds   float64 `json:"seconds"`
	Collected float64 `json:"seconds_collected"`

	// Of packets of the object that arrived.
	Data      uint64 `json:"data_received"`
	Parity    uint64 `json:"parity_received"`
	Digests   uint64 `json:"digests_received"`
	Outlines  uint64 `json:"outlines_received"`
	Manifests uint64 `json:"manifests_received"`

	Resumed uint64 `json:"shards_resumed"`
	Reused  uint64 `json:"shards_reused"`
	Forged  uint64 `json:"shards_forged"`

	Verified bool   `json:"verified"`
	SignedBy string `json:"signed_by"`
	Sequence uint64 `json:"sequence"`

	Packets  uint64            `json:"packets"` // by the sender, since its start
	Loop     int               `json:"loop"`
	Fraction float64           `json:"fraction"`
	Ignored  map[string]uint64 `json:"ignored"`
}

// send starts a sender of a file.
func (h *host) send(file string, flags ...string) *process {
	h.t.Helper()
	return h.start(append([]string{"send", file}, flags...)...)
}

// recv starts a receiver, and waits until it listens.
func (h *host) recv(target string, flags ...string) *process {
	h.t.Helper()
	p := h.start(append([]string{"recv", "-o", target}, flags...)...)
	p.wait("listening")
	return p
}

// start starts iotupd on a host.
func (h *host) start(args ...string) *process {
	h.t.Helper()
	program := h.runs
	if program == nil {
		program = []string{binary}
	}
	args = slices.Concat(program, args, []string{"--json", "--stats", "100ms"})
	if h.cgroup == "" {
		args = slices.Concat([]string{"ip", "netns", "exec", h.name}, args)
	} else { // which ip would hide, with a /sys of its own
		args = slices.Concat([]string{"sh", "-c", `echo $$ > "$0"/cgroup.procs && exec nsenter --net=/run/netns/"$@"`, h.cgroup, h.name}, args)
	}
	p := &process{
		t:      h.t,
		cmd:    exec.Command(args[0], args[1:]...),
		events: make(chan event, 1<<13),
		exited: make(chan struct{}),
	}
	p.cmd.Stderr = lockedWriter{&p.mu, &p.stderr}
	p.cmd.Env = append(os.Environ(), "TMPDIR="+runDir)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // also if the test is killed
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		defer close(p.events)
		p.read(bufio.NewScanner(stdout))
		p.cmd.Wait()
	}()
	h.t.Cleanup(func() {
		select {
		case <-p.exited:
			if !p.awaited {
				h.t.Errorf("ended before its time: %v", p.cmd.ProcessState)
			}
		default:
			p.kill()
		}
		if h.t.Failed() {
			h.t.Logf("%s\n%s%s", strings.Join(args, " "), withoutProgress(p.stdout.String()), p.stderr.String())
		}
	})
	return p
}

func (p *process) read(lines *bufio.Scanner) {
	for lines.Scan() {
		p.mu.Lock()
		fmt.Fprintln(&p.stdout, lines.Text())
		p.mu.Unlock()
		var e event
		if err := cmp.Or(json.Unmarshal(lines.Bytes(), &e), fitsSchema(lines.Bytes())); err != nil {
			p.t.Errorf("not an event: %q: %v", lines.Text(), err)
		}
		p.events <- e
	}
}

// eventsSchema describes a line of --json.
var eventsSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	b, err := os.ReadFile("../../docs/events.schema.json")
	if err != nil {
		return nil, err
	}
	return jsonschema.Parse(b)
})

// fitsSchema returns what is wrong with an event.
func fitsSchema(line []byte) error {
	schema, err := eventsSchema()
	if err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(line, &value); err != nil {
		return err
	}
	if wrong, unknown := schema.Check(value); len(wrong)+len(unknown) > 0 {
		return fmt.Errorf("it does not fit the schema: %q, not described: %q", wrong, unknown)
	}
	return nil
}

// withoutProgress removes progress lines from the output of a command.
func withoutProgress(s string) string {
	var rest strings.Builder
	for line := range strings.Lines(s) {
		if !strings.Contains(line, `"type":"progress"`) {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

type lockedWriter struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (w lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}

// messages is what the process has printed for people.
func (p *process) messages() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// wait waits for the next event of a type. Those before it are forgotten.
func (p *process) wait(typ string) event {
	p.t.Helper()
	return p.waitFor(typ, func(e event) bool { return e.Type == typ })
}

// waitUntilHeld waits until a receiver has that share of its file. It must not be
// able to have all of it meanwhile: see closeAfter.
func (p *process) waitUntilHeld(share float64) event {
	p.t.Helper()
	return p.waitFor("progress", func(e event) bool {
		return e.Type == "progress" && float64(e.Held) >= share*float64(e.Needed)
	})
}

func (p *process) waitFor(what string, match func(event) bool) event {
	p.t.Helper()
	timeout := time.After(waitLimit())
	for {
		select {
		case e, ok := <-p.events:
			if !ok {
				p.t.Fatalf("ended, waiting for %q: %v\n%s", what, p.cmd.ProcessState, p.messages())
			}
			if match(e) {
				return e
			}
		case <-timeout:
			p.t.Fatalf("no event %q for %v\n%s", what, waitLimit(), p.messages())
		}
	}
}

// exit waits for the end of the process and returns its exit code.
func (p *process) exit() int {
	p.t.Helper()
	p.awaited = true
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(waitLimit()):
		p.t.Fatalf("still running after %v\n%s", waitLimit(), p.messages())
		return -1
	}
}

// wantExit waits for the end of the process, which has to have that exit code,
// and to say why.
func (p *process) wantExit(code int, why string) {
	p.t.Helper()
	if got := p.exit(); got != code || !strings.Contains(p.messages(), why) {
		p.t.Errorf("got exit code %d and %q, want %d and %q", got, p.messages(), code, why)
	}
}

// done waits for a receiver that succeeds. Packets count until everything was
// collected.
func (p *process) done() event {
	p.t.Helper()
	var collected event
	e := p.waitFor("done", func(e event) bool {
		if e.Type == "collected" {
			collected = e
		}
		return e.Type == "done"
	})
	e.Data, e.Parity, e.Digests, e.Outlines, e.Manifests = collected.Data, collected.Parity, collected.Digests, collected.Outlines, collected.Manifests
	p.wantExit(0, "")
	return e
}

// wantRefused runs receivers until one gives up for a reason, and leaves the old
// file. A receiver that received nothing cannot give the reason; then the next
// one has twice the time.
func (h *host) wantRefused(code int, why string, flags ...string) {
	h.t.Helper()
	for timeout := time.Second; timeout < waitLimit(); timeout *= 2 {
		target := oldFile(h.t)
		r := h.recv(target, append(flags, "--timeout", timeout.String())...)
		got := r.exit()
		wantOld(h.t, target)
		if got == 4 && strings.Contains(r.messages(), " was heard within") {
			continue
		}
		if got != code || !strings.Contains(r.messages(), why) {
			h.t.Errorf("got exit code %d and %q, want %d and %q", got, r.messages(), code, why)
		}
		return
	}
	h.t.Errorf("nothing was heard within %v, want that it is refused: %q", waitLimit(), why)
}

// wantHeardNothing stops a receiver that must have received nothing.
func (p *process) wantHeardNothing() {
	p.t.Helper()
	if code := p.stop(); code != 130 {
		p.t.Errorf("exit code %d, want that it waits until it is stopped, 130", code)
	}
	for e := range p.events {
		if e.Type == "found" {
			p.t.Errorf("packets of %s were heard, want none", e.From)
		}
	}
}

// stop ends the process as Ctrl-C does.
func (p *process) stop() int {
	p.t.Helper()
	p.cmd.Process.Signal(os.Interrupt)
	return p.exit()
}

// kill ends the process without any warning, if it is not over yet.
func (p *process) kill() {
	p.awaited = true
	p.cmd.Process.Kill()
	<-p.exited
}

// latest returns the last event of a type so far, of those not waited for, and
// forgets the others. There may be none.
func (p *process) latest(typ string) (last event) {
	for {
		select {
		case e, ok := <-p.events:
			if !ok {
				return last
			}
			if e.Type == typ {
				last = e
			}
		default:
			return last
		}
	}
}
