// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/fec"
	"iotupd/proto"
	"iotupd/receiver"
)

// ignoring is the status of a receiver that ignored packets for each of the
// reasons.
func ignoring(packets uint64, reasons ...proto.Reason) receiver.Status {
	s := receiver.Status{Ignored: make(map[proto.Reason]uint64)}
	for _, r := range reasons {
		s.Ignored[r] = packets
	}
	return s
}

func TestGivingUpSaysWhatWasHeardInstead(t *testing.T) {
	tests := []struct {
		ignored []proto.Reason
		code    int
		text    string
	}{
		{nil, cli.ExitSilence, "was heard within 3 s on " + loopback()},
		{[]proto.Reason{receiver.ReasonOtherObject, receiver.ReasonManifest}, cli.ExitSilence, "only other objects than the wanted one are sent here"},
		{[]proto.Reason{receiver.ReasonManifest}, cli.ExitSilence, "was heard within 3 s"},
		{[]proto.Reason{receiver.ReasonTooLarge}, cli.ExitPolicy, "the file on the air is larger than --max-size"},
		{[]proto.Reason{receiver.ReasonSealed}, cli.ExitSilence, "sealed with a group key that is not here"},
		{[]proto.Reason{receiver.ReasonSignature}, cli.ExitAuthenticity, "not signed by a key of --trust"},
		{[]proto.Reason{receiver.ReasonRollback}, cli.ExitPolicy, "older than what was installed last"},
		{[]proto.Reason{receiver.ReasonExpired}, cli.ExitPolicy, "for a time that is over"},
		{[]proto.Reason{receiver.ReasonTarget}, cli.ExitPolicy, "for other hardware"},
		{[]proto.Reason{receiver.ReasonChannel}, cli.ExitPolicy, "for another channel"},
		{[]proto.Reason{receiver.ReasonSignature, receiver.ReasonChannel}, cli.ExitPolicy, "for another channel"}, // the only one that was signed
	}
	for _, test := range tests {
		for _, trusted := range []*trust{nil, {}} {
			p := newPatient(t, recvOptions{timeout: 3 * time.Second})
			p.view.trust = trusted
			p.wantError(p.until(4*time.Second, ignoring(1, test.ignored...)), test.code, test.text)
		}
		p := newPatient(t, recvOptions{})
		check(t, p.until(20*time.Second, ignoring(1, test.ignored...))) // who has no timeout waits on
	}
}

// Data that anybody can send is no reason to wait for a signature for ever.
func TestWithTrustOnlyASignedObjectIsHeard(t *testing.T) {
	p := newPatient(t, recvOptions{timeout: 3 * time.Second, stall: time.Second})
	p.view.trust = &trust{}
	unsigned := ignoring(1, receiver.ReasonSignature)
	for n := uint64(1); p.at < 2900*time.Millisecond; n++ {
		unsigned.Progress = receiving(n, n).Progress
		check(t, p.until(p.at, unsigned))
	}
	p.wantError(p.until(3*time.Second, unsigned), cli.ExitAuthenticity, "gave up after 3 s on "+loopback()+": the file on the air is not signed")

	p = newPatient(t, recvOptions{stall: 3 * time.Second})
	p.view.trust = &trust{}
	p.wantError(p.until(4*time.Second, unsigned), cli.ExitAuthenticity, "the stream has been silent for 3 s: the file on the air is not signed")

	// "The stream went silent for --stall before the file was complete": exit.go.
	p = newPatient(t, recvOptions{stall: 3 * time.Second})
	p.view.trust = &trust{}
	p.wantError(p.until(4*time.Second, receiving(1, 1)), cli.ExitIncomplete, "nothing that is signed was heard, and the stream has been silent for 3 s")

	signed := receiving(1, 1)
	signed.Certified = true
	p = newPatient(t, recvOptions{timeout: 3 * time.Second})
	p.view.trust = &trust{}
	check(t, p.until(20*time.Second, signed))
}

func TestWhatIsRefusedIsToldOnceAndWhatToDo(t *testing.T) {
	p := newPatient(t, recvOptions{})
	p.stderr.Reset()
	p.view.observe(epoch, receiver.Refused{Object: proto.ObjectID{1}, Name: "fw.bin", Why: receiver.ReasonRollback})
	p.want("", "warning: object 01000000... fw.bin is older than what was installed last or than --min-sequence, or is another file "+
		"with the same sequence number; sign it with a higher number, or take it by --allow-downgrade [rollback]\n")
	p.view.observe(epoch, receiver.Refused{Object: proto.ObjectID{2}, Why: receiver.ReasonSignature})
	p.want("", "warning: object 02000000... is not signed by a key of --trust; if it should be, look at it by iotupd inspect [signature]\n")
	p.view.observe(epoch, receiver.Refused{Object: proto.ObjectID{3}, Why: receiver.ReasonOtherObject})
	p.want("", "")

	check(t, p.until(time.Second, ignoring(aFewPackets-1, receiver.ReasonTooLarge)))
	p.want("", "")
	check(t, p.until(4*time.Second, ignoring(aFewPackets, receiver.ReasonTooLarge)))
	for n := uint64(aFewPackets); p.at < 20*time.Second; n++ {
		check(t, p.until(p.at, ignoring(n, receiver.ReasonTooLarge)))
	}
	if got := p.stderr.String(); strings.Count(got, "[too-large]") != 1 || strings.Contains(got, "nothing has arrived") {
		t.Errorf("got %q, want one warning and nothing else", got)
	}
}

func TestWhoStopsItIsToldWhatWasHeard(t *testing.T) {
	tests := []struct {
		opts   recvOptions
		status receiver.Status
		later  bool
		want   string
	}{
		{recvOptions{}, receiver.Status{}, false, "stopped; nothing was heard\n"},
		{recvOptions{}, ignoring(1, receiver.ReasonOtherObject), false, "stopped; only other files than the wanted one are sent here: other.bin\n"},
		{recvOptions{}, ignoring(1, receiver.ReasonExpired), false, "stopped; the file on the air was signed for a time that is over; "},
		{recvOptions{follow: true}, receiver.Status{}, false, "stopped; nothing was heard\n"},
		{recvOptions{follow: true}, ignoring(1, receiver.ReasonRollback), false, "stopped; no newer release was heard\n"},
		{recvOptions{follow: true}, receiver.Status{}, true, "stopped; no newer release was heard\n"},
	}
	for _, test := range tests {
		p := newPatient(t, test.opts)
		p.stderr.Reset()
		var err error
		p.view.core, err = receiver.New(receiver.Config{Open: openNothing})
		check(t, err)
		p.view.status, p.view.later = test.status, test.later
		p.view.observe(epoch, receiver.Refused{Name: "other.bin", Why: receiver.ReasonOtherObject})
		p.view.failure(cli.SignalError{Signal: syscall.SIGINT})
		if got := p.stderr.String(); !strings.HasPrefix(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// Between two reports there is news.
func TestWhoStopsItIsToldHowFarItIsNow(t *testing.T) {
	p := newPatient(t, recvOptions{output: "fw.bin"})
	p.stderr.Reset()
	var err error
	p.view.core, err = receiver.New(receiver.Config{Open: openNothing})
	check(t, err)
	params, err := fec.Policy{}.Params(100_000)
	check(t, err)
	h := proto.Header{Type: proto.TypeData, Object: proto.ObjectID{1}, Params: params}
	datagram := append(h.AppendTo(nil), make([]byte, params.ShardSize)...)
	proto.PutChecksum(datagram)
	check(t, p.view.core.Handle(epoch, receiver.Origin{}, datagram))
	p.view.failure(cli.SignalError{Signal: syscall.SIGINT})
	if got := p.stderr.String(); !strings.HasPrefix(got, "stopped with 1 of 87 shards") {
		t.Errorf("got %q", got)
	}
}

// A nowhere is a Store that keeps nothing.
type nowhere struct{}

func openNothing(proto.ObjectID, proto.Params) (receiver.Store, error) { return nowhere{}, nil }

func (nowhere) ReadAt([]byte, int64) (int, error)      { return 0, io.EOF }
func (nowhere) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (nowhere) Found() int64                           { return 0 }
func (nowhere) Reserve(int64) error                    { return nil }
func (nowhere) Sync() error                            { return nil }
func (nowhere) Discard() error                         { return nil }
