// SPDX-License-Identifier: GPL-2.0-or-later

package live

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// lookEvery is the time between two looks at the memory of a process.
const lookEvery = 50 * time.Millisecond

// A process is an iotupd with --json. When its context ends, it is killed.
type process struct {
	what string // for messages
	cmd  *exec.Cmd

	listening chan struct{} // closed when it does
	exited    chan struct{} // closed at the end, and then the rest may be read

	events map[string]event // the last one of each type
	peak   uint64           // most memory in bytes that was seen; zero: unknown
	err    error            // of Wait
	stderr bytes.Buffer
}

// An event is a line of --json: the fields that are needed, of all types.
type event struct {
	Type string `json:"type"`
	Text string `json:"text"` // of an error

	Preparing float64 `json:"seconds_preparing"`

	Data      uint64  `json:"data_received"`
	Parity    uint64  `json:"parity_received"`
	Manifests uint64  `json:"manifests_received"`
	Spanned   uint64  `json:"packets_sent"`
	Lost      uint64  `json:"packets_lost"`
	Rebuilt   uint64  `json:"shards_rebuilt"`
	OwnDrops  uint64  `json:"own_drops"`
	Seconds   float64 `json:"seconds"`
	Collected float64 `json:"seconds_collected"`
}

// start starts a process. Messages call it what.
func start(ctx context.Context, what string, args []string) (*process, error) {
	p := &process{
		what:      what,
		cmd:       exec.CommandContext(ctx, args[0], args[1:]...),
		listening: make(chan struct{}),
		exited:    make(chan struct{}),
		events:    make(map[string]event),
	}
	p.cmd.Env = environment()
	p.cmd.SysProcAttr = detached()
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	go p.follow(stdout)
	return p, nil
}

// follow reads what a process prints, until it ends.
func (p *process) follow(stdout io.Reader) {
	defer close(p.exited)
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			lines <- bytes.Clone(s.Bytes())
		}
	}()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for open := true; open; {
		var line []byte
		select {
		case line, open = <-lines:
		case <-tick.C:
		}
		p.peak = max(p.peak, peakMemory(p.cmd.Process.Pid)) // which is ours until Wait
		p.note(line)
	}
	p.err = p.cmd.Wait()
}

// note keeps an event. Other output is ignored: missing events are reported later.
func (p *process) note(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		return
	}
	if _, again := p.events[e.Type]; e.Type == "listening" && !again {
		close(p.listening)
	}
	p.events[e.Type] = e
}

// environment is ours without what would set flags of iotupd.
func environment() (env []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "IOTUPD_") {
			env = append(env, v)
		}
	}
	return env
}

// failure says why a process ended that should not have.
func (p *process) failure() error {
	text := p.events["error"].Text
	if text == "" {
		text = strings.TrimSpace(p.stderr.String())
	}
	if text == "" {
		text = fmt.Sprint(p.err)
	}
	return fmt.Errorf("%s failed: %s", p.what, text)
}

// kill ends a process, if it has not ended yet, and waits for its end.
func (p *process) kill() {
	p.cmd.Process.Kill() // an error: it has
	<-p.exited
}

// cpu returns the seconds of all processors that an ended process took.
func (p *process) cpu() float64 {
	s := p.cmd.ProcessState
	return (s.UserTime() + s.SystemTime()).Seconds()
}

// memory returns the most bytes of memory that an ended process had. The
// system's own figure comes second: it is never less than what this process
// has, of which the other one is a copy for a moment.
func (p *process) memory() uint64 {
	if p.peak > 0 {
		return p.peak
	}
	return maxRSS(p.cmd.ProcessState)
}
