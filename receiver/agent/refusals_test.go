// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"slices"
	"testing"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/layers"
)

func TestGivingUpSaysWhatWasHeardInstead(t *testing.T) {
	tests := []struct {
		ignored []proto.Reason
		want    proto.Reason
	}{
		{nil, ""},
		{[]proto.Reason{receiver.ReasonOtherObject, receiver.ReasonManifest}, receiver.ReasonManifest},
		{[]proto.Reason{receiver.ReasonManifest}, receiver.ReasonManifest},
		{[]proto.Reason{receiver.ReasonTooLarge}, receiver.ReasonTooLarge},
		{[]proto.Reason{receiver.ReasonSealed}, receiver.ReasonSealed},
		{[]proto.Reason{receiver.ReasonSignature}, receiver.ReasonSignature},
		{[]proto.Reason{receiver.ReasonRollback}, receiver.ReasonRollback},
		{[]proto.Reason{receiver.ReasonSignature, receiver.ReasonChannel}, receiver.ReasonChannel}, // the only one that was signed
	}
	for _, test := range tests {
		for _, signed := range []bool{false, true} {
			p := newStub(t, Config{Timeout: 3 * time.Second})
			p.signed = signed
			p.wantSilence(p.until(4*time.Second, ignoring(1, test.ignored...)), Instead{Reason: test.want})
		}
		p := newStub(t, Config{})
		check(t, p.until(20*time.Second, ignoring(1, test.ignored...))) // who has no timeout waits on
	}
}

// Data that anybody can send does not make the receiver wait for a manifest
// without end.
func TestPacketsWithoutAManifestDoNotBeginATransfer(t *testing.T) {
	p := newStub(t, Config{Timeout: 3 * time.Second, Stall: time.Second})
	p.signed = true
	unsigned := ignoring(1, receiver.ReasonSignature)
	for n := uint64(1); p.at < 2900*time.Millisecond; n++ {
		unsigned.Waiting = n
		check(t, p.until(p.at, unsigned))
	}
	p.wantSilence(p.until(3*time.Second, unsigned), Instead{Reason: receiver.ReasonSignature})

	stalled := StalledError{NoManifest: true, NoDigests: true}
	p = newStub(t, Config{Stall: 3 * time.Second})
	p.wantStalled(p.until(4*time.Second, waiting(1)), stalled)

	p = newStub(t, Config{Stall: 3 * time.Second})
	stalled.Instead.Reason = receiver.ReasonSignature
	p.wantStalled(p.until(4*time.Second, unsigned), stalled)

	p = newStub(t, Config{Stall: 3 * time.Second})
	p.following = true // what is installed already is sent no more
	check(t, p.until(20*time.Second, unsigned))

	p = newStub(t, Config{Timeout: 3 * time.Second})
	check(t, p.until(20*time.Second, receiving(1, 1)))
}

// Packets that wait for their manifest are heard: senders at a low rate repeat it
// after 10 s.
func TestWaitingPacketsDoNotCountAsSilence(t *testing.T) {
	p := newStub(t, Config{Stall: 3 * time.Second})
	for n := uint64(1); p.at < 10*time.Second; n++ {
		check(t, p.until(p.at+time.Second, waiting(n)))
	}
	p.wantNothing()
}

// waiting is the status of a receiver that has heard so many packets and no manifest.
func waiting(packets uint64) receiver.Status {
	return receiver.Status{Progress: receiver.Progress{Waiting: packets}}
}

func TestWhatIsRefusedIsReportedOnce(t *testing.T) {
	p := newStub(t, Config{})
	p.observes(receiver.Refused{Object: proto.ObjectID{1}, Name: "fw.bin", Why: receiver.ReasonRollback})
	p.observes(receiver.Refused{Object: proto.ObjectID{3}, Why: receiver.ReasonOtherObject})
	got := p.took()
	if len(got) != 2 || got[0] != Event(Rejected{Reason: receiver.ReasonRollback, Object: proto.ObjectID{1}, Name: "fw.bin"}) || got[1] != Event(AlsoSent{Object: proto.ObjectID{3}}) {
		t.Errorf("got %+v", got)
	}

	check(t, p.until(time.Second, ignoring(aFewPackets-1, receiver.ReasonTooLarge)))
	p.wantNothing()
	check(t, p.until(4*time.Second, ignoring(aFewPackets, receiver.ReasonTooLarge)))
	for n := uint64(aFewPackets); p.at < 20*time.Second; n++ {
		check(t, p.until(p.at, ignoring(n, receiver.ReasonTooLarge)))
	}
	if got := p.took(); len(got) != 1 || got[0] != Event(Rejected{Reason: receiver.ReasonTooLarge}) {
		t.Errorf("got %+v, want one report and nothing else", got)
	}
}

func TestOtherFilesAreNamed(t *testing.T) {
	p := newStub(t, Config{Timeout: 10 * time.Second})
	p.observes(receiver.Refused{Name: "other.bin", Why: receiver.ReasonOtherObject})
	p.took()
	err := p.until(20*time.Second, ignoring(aFewPackets, receiver.ReasonOtherObject))
	p.wantSilence(err, Instead{Reason: receiver.ReasonOtherObject, Others: []string{"other.bin"}})
	if got := p.took(); len(got) == 0 || got[0].(OnlyOthers).Instead.Others[0] != "other.bin" {
		t.Errorf("got %+v, want one report of the other file", got)
	}
}

// What is installed may well be sent, and a follower waits for something newer.
func TestAFollowerGetsNoReportOfInstalledReleases(t *testing.T) {
	p := newStub(t, Config{})
	p.following = true
	p.observes(receiver.Refused{Object: proto.ObjectID{1}, Name: "fw.bin", Why: receiver.ReasonRollback})
	if got := p.took(); len(got) != 1 || got[0] != Event(AlsoSent{Object: proto.ObjectID{1}, Name: "fw.bin"}) {
		t.Errorf("got %+v, want no more than that it is sent", got)
	}
	for n := uint64(1); p.at < 20*time.Second; n++ {
		check(t, p.until(p.at, ignoring(100*n, receiver.ReasonRollback)))
	}
	p.wantNothing()
}

// "Layer 0 is received in any case": layers.Config.MaxRate.
func TestALowestLayerOverTheLimitIsReportedOnce(t *testing.T) {
	for _, test := range []struct {
		limit int64
		s     receiver.Stream
		want  int
	}{
		{1e6, receiver.Stream{Rate: proto.RateCodeOf(20e6)}, 1},
		{20e6, receiver.Stream{Rate: proto.RateCodeOf(20e6)}, 0},
		{19e6, receiver.Stream{Rate: proto.RateCodeOf(19e6)}, 0}, // which is stated as a little more
		{0, receiver.Stream{Rate: proto.RateCodeOf(20e6)}, 0},
		{1e6, receiver.Stream{}, 0}, // not stated
		{1e6, receiver.Stream{Layer: 1, Rate: proto.RateCodeOf(20e6)}, 0},
	} {
		a, err := New(Config{Channel: "test", DryRun: true, Layers: layers.Config{MaxRate: test.limit}})
		check(t, err)
		tr := newTransfer(a, &fakeListener{})
		for range 3 {
			tr.heard(epoch, []receiver.Heard{{Stream: &test.s}, {Stream: &test.s}})
		}
		if got := len(tr.news.news); got != test.want {
			t.Errorf("limit %v, %+v: got %d reports, want %d", test.limit, test.s, got, test.want)
		}
	}
}

// An unsigned sender was started again with another version of the file.
func TestAnotherVersionOfTheFileIsNamed(t *testing.T) {
	v1 := &proto.Manifest{Name: "fw.bin"}
	for name, want := range map[string]int{"fw.bin": 1, "other.bin": 0} {
		p := newStub(t, Config{})
		p.observes(receiver.Certified{Manifest: v1})
		old := receiving(100, 1)
		check(t, p.until(time.Second, old))
		p.observes(receiver.Refused{Object: proto.ObjectID{2}, Name: name, Size: 7, Why: receiver.ReasonOtherObject})
		old.Ignored = map[proto.Reason]uint64{receiver.ReasonOtherObject: aFewPackets}
		for p.at < 30*time.Second {
			old.Ignored[receiver.ReasonOtherObject]++
			check(t, p.until(p.at, old))
		}
		got := 0
		for _, e := range p.took() {
			if e, ok := e.(OtherVersion); ok {
				got++
				if e != (OtherVersion{proto.ObjectID{2}, "fw.bin", 7}) {
					t.Errorf("got %+v", e)
				}
			}
			if s, ok := e.(Silent); ok && want > 0 {
				t.Errorf("got %+v, which is explained", s)
			}
		}
		if got != want {
			t.Errorf("%s: got %d events, want %d", name, got, want)
		}
	}
}

// Which of two unsigned files is received is decided by which manifest comes first.
func TestTheChoiceBetweenTwoFilesIsReportedOnce(t *testing.T) {
	for _, test := range []struct {
		cfg    Config
		signed bool
		want   bool
	}{{Config{}, false, true}, {Config{}, true, false}, {Config{Object: proto.ObjectID{1}}, false, false}, {Config{Name: func(string) bool { return true }}, false, false}} {
		p := newStub(t, test.cfg)
		p.signed = test.signed
		check(t, p.until(time.Second, receiving(100, 1)))
		p.took()
		for id := range byte(3) {
			p.observes(receiver.Refused{Object: proto.ObjectID{2 + id}, Name: "fw.bin", Size: 7, Why: receiver.ReasonOtherObject})
		}
		var choices []bool
		for _, e := range p.took() {
			if e, ok := e.(AlsoSent); ok {
				choices = append(choices, e.Choice)
			}
		}
		if !slices.Equal(choices, []bool{test.want, false, false}) {
			t.Errorf("signed %v, object %v: got %v", test.signed, test.cfg.Object, choices)
		}
	}
}

// All shards may be there, and a receiver waits for a manifest that it can read.
func TestAManifestThatCannotBeUnderstoodIsReported(t *testing.T) {
	p := newStub(t, Config{Timeout: 30 * time.Second})
	err := p.until(40*time.Second, ignoring(aFewPackets, receiver.ReasonManifest))
	p.wantSilence(err, Instead{Reason: receiver.ReasonManifest})
	if got := p.took(); len(got) == 0 || got[0] != Event(Rejected{Reason: receiver.ReasonManifest}) {
		t.Errorf("got %+v, want a report of it first", got)
	}
}
