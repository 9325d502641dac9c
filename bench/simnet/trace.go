// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
)

// Limits on a Trace, from a file or from the network. The text of the longest
// one is 20 MiB.
const (
	maxTraceRuns    = 1 << 21 // 16 MiB of memory
	maxTracePackets = 1 << 40
	maxTraceText    = 32 << 20 // bytes
	maxTraceLine    = 4096     // bytes
)

const (
	traceHeader  = "iotupd-trace 1"
	traceColumns = "# received lost"
)

// ErrTraceFull is returned for packets that a [Trace] has no room for.
var ErrTraceFull = errors.New("simnet: the trace is full: it holds at most 2^20 bursts and 2^40 packets")

// A Trace records which packets of a stream were lost, in 16 bytes a burst. The
// zero Trace is empty and ready to use. It is not safe for concurrent use.
type Trace struct {
	// ends holds for each run of packets of one fate how many packets there are
	// up to its end. Even runs are received, odd ones lost; only the first may be
	// empty.
	ends []uint64
	lost uint64
}

// AddReceived appends n packets that were received, or returns [ErrTraceFull]
// and appends none.
func (t *Trace) AddReceived(n uint64) error { return t.add(0, n) }

// AddLost appends n packets that were lost, or returns [ErrTraceFull] and
// appends none.
func (t *Trace) AddLost(n uint64) error {
	if err := t.add(1, n); err != nil {
		return err
	}
	t.lost += n
	return nil
}

// add appends n packets to a run whose number is even or odd as parity says.
func (t *Trace) add(parity int, n uint64) error {
	if n == 0 {
		return nil
	}
	if len(t.ends) == 0 {
		t.ends = append(t.ends, 0)
	}
	last := len(t.ends) - 1
	end := t.ends[last]
	switch {
	case n > maxTracePackets-end:
		return ErrTraceFull
	case last%2 == parity:
		t.ends[last] = end + n
	case len(t.ends) == maxTraceRuns:
		return ErrTraceFull
	default:
		t.ends = append(t.ends, end+n)
	}
	return nil
}

// Packets returns how many packets t holds, received and lost.
func (t *Trace) Packets() uint64 {
	if len(t.ends) == 0 {
		return 0
	}
	return t.ends[len(t.ends)-1]
}

// Lost returns how many packets of t were lost.
func (t *Trace) Lost() uint64 { return t.lost }

// runs yields the number and the length of each run; even numbers are received.
func (t *Trace) runs() iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		begin := uint64(0)
		for i, end := range t.ends {
			if !yield(i, end-begin) {
				return
			}
			begin = end
		}
	}
}

// AppendTo appends t to b as text: a header, then a line for each burst of
// losses with the number of packets received before it and of packets lost in
// it.
//
//	iotupd-trace 1
//	# received lost
//	1034 1
//	87 3
//	200 0
//
// The last line may have no loss. Lines that begin with # are comments, for what
// people want to add.
func (t *Trace) AppendTo(b []byte) []byte {
	b = append(b, traceHeader+"\n"+traceColumns+"\n"...)
	for i, n := range t.runs() {
		b = strconv.AppendUint(b, n, 10)
		b = append(b, " \n"[i%2])
	}
	if len(t.ends)%2 == 1 {
		b = append(b, "0\n"...)
	}
	return b
}

// ReadTrace reads what [Trace.AppendTo] wrote. It also takes runs of 0 packets
// and white space around numbers, and refuses files over 32 MiB and traces
// that do not fit into a [Trace].
func ReadTrace(r io.Reader) (*Trace, error) {
	limited := &io.LimitedReader{R: r, N: maxTraceText + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxTraceLine)
	t := new(Trace)
	number := 0
	for lines.Scan() {
		number++
		if err := t.addLine(number, lines.Text()); err != nil {
			return nil, fmt.Errorf("trace line %d: %w", number, err)
		}
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("trace: longer than %d MiB", maxTraceText>>20)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("trace line %d: %w", number+1, err)
	}
	if number == 0 {
		return nil, fmt.Errorf("trace: the file is empty: wants %q in the first line", traceHeader)
	}
	return t, nil
}

func (t *Trace) addLine(number int, line string) error {
	switch {
	case number == 1 && strings.TrimSpace(line) != traceHeader:
		return fmt.Errorf("wants %q, not %.40q", traceHeader, line)
	case number == 1, strings.HasPrefix(line, "#"):
		return nil
	}
	if numbers := strings.Fields(line); len(numbers) == 2 {
		received, err1 := strconv.ParseUint(numbers[0], 10, 64)
		lost, err2 := strconv.ParseUint(numbers[1], 10, 64)
		if err1 == nil && err2 == nil {
			if err := t.AddReceived(received); err != nil {
				return err
			}
			return t.AddLost(lost)
		}
	}
	return fmt.Errorf("wants the packets received and lost, as in 120 3, not %.40q", line)
}
