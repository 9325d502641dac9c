// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"fmt"
	"testing"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
	"iotupd/sender"
)

// component is a change of a manifest.
func component(name string, n uint64) func(m *proto.Manifest) {
	return func(m *proto.Manifest) { m.Component, m.Sequence = name, n }
}

// rollbackColumns are the releases that are sent after release 7 was installed.
var rollbackColumns = []struct {
	name     string
	sequence uint64
	other    bool // than the object that was installed
}{
	{"older", 6, true},
	{"older, of the same object", 6, false},
	{"equal, of the same object", 7, false},
	{"equal, of another object", 7, true},
	{"newer", 8, true},
}

// rollbackMatrix has what becomes of them, in that order.
var rollbackMatrix = []struct {
	installed, sent string // components
	want            map[string]string
}{
	{"", "", refusedBelow},
	{"boot", "boot", refusedBelow},
	{"boot", "app", taken},
	{"app", "boot", taken},
	{"", "boot", taken},
	{"boot", "", taken},
}

// What becomes of releases, whichever of the trusted keys has signed which of the two.
var (
	refusedBelow = map[string]string{
		"older": "rollback", "older, of the same object": "rollback",
		"equal, of the same object": "", "equal, of another object": "rollback",
		"newer": "",
	}
	taken = map[string]string{
		"older": "", "older, of the same object": "", "equal, of the same object": "", "equal, of another object": "", "newer": "",
	}
)

// "It MUST refuse a manifest ... whose sequence is lower than the highest sequence of its
// component that was installed with a signature of any of its keys, or is equal to that,
// with another object." "Manifests without a component have one in common, which is none
// of the others." spec.md 5.5
func TestTheRollbackMatrix(t *testing.T) {
	one, two := keys.Generate(), keys.Generate()
	src := newTree(t, "", 30*512, small(proto.CodeLeopard8, 10, 10))
	cells := 0
	for _, row := range rollbackMatrix {
		for by, key := range map[string]keys.SecretKey{"the same key": one, "the other key": two} {
			for _, column := range rollbackColumns {
				name := fmt.Sprintf("installed %q, sent %q by %s, %s", row.installed, row.sent, by, column.name)
				t.Run(name, func(t *testing.T) {
					want, ok := row.want[column.name]
					if !ok {
						t.Fatal("no result is stated")
					}
					cells++
					last := receiver.Release{Sequence: 7, Object: src.id}
					if column.other {
						last.Object = proto.ObjectID{1}
					}
					policy := trusting(one, two)
					policy.Installed = map[receiver.Series]receiver.Release{{Key: one.ID, Component: row.installed}: last}
					tr := src.receive(receiver.Config{Trust: policy})
					sent := src.signed(key, component(row.sent, column.sequence))
					if want == "" {
						tr.hearAll(sent)
						tr.wantCertified(src)
						return
					}
					tr.wantRefused(proto.Reason(want), sent)
					if tr.r.Progress().Object != (proto.ObjectID{}) {
						t.Error("it is received all the same")
					}
				})
			}
		}
	}
	if want := len(rollbackMatrix) * 2 * len(rollbackColumns); cells != want {
		t.Errorf("%d cells were tried, want %d", cells, want)
	}
}

// "a manifest to follow of the same component with a higher sequence takes the place of
// the object that is being received" spec.md 7.2
func TestANewerReleaseTakesOverWithinItsComponentOnly(t *testing.T) {
	for _, test := range []struct {
		chosen, sent string
		sequence     uint64
		takesOver    bool
	}{
		{"boot", "boot", 6, true},
		{"boot", "boot", 5, false},
		{"boot", "app", 6, false},
		{"boot", "", 6, false},
		{"", "app", 6, false},
		{"", "", 6, true},
	} {
		for _, other := range []bool{false, true} {
			t.Run(fmt.Sprintf("%q while %q is received, sequence %d, other key %t", test.sent, test.chosen, test.sequence, other), func(t *testing.T) {
				one, two := keys.Generate(), keys.Generate()
				by := one
				if other {
					by = two
				}
				a, b := twoSources(t)
				want := a
				if test.takesOver {
					want = b
				}
				tr := want.receive(receiver.Config{Trust: trusting(one, two)})
				tr.hearAll(a.signed(one, component(test.chosen, 5)))
				tr.wantCertified(a)
				sent := b.signed(by, component(test.sent, test.sequence))
				if test.takesOver {
					tr.hearAll(sent)
				} else {
					tr.wantRefused(receiver.ReasonOtherObject, sent)
				}
				tr.wantCertified(want)
				tr.run(nothing, want.sender(sender.Config{}))
				tr.wantFile()
			})
		}
	}
}

// A receiver that accepts some components ignores releases of others, whatever else
// speaks against them: these are not what it waits for.
func TestAReceiverAcceptsTheComponentsThatItIsGiven(t *testing.T) {
	key := keys.Generate()
	for _, test := range []struct {
		accepted []string
		sent     string
		want     proto.Reason
	}{
		{nil, "boot", ""},
		{nil, "", ""},
		{[]string{"boot"}, "boot", ""},
		{[]string{"app", "boot"}, "boot", ""},
		{[]string{"app"}, "boot", receiver.ReasonOtherObject},
		{[]string{"app"}, "", receiver.ReasonOtherObject},
		{[]string{""}, "", ""},
		{[]string{""}, "boot", receiver.ReasonOtherObject},
	} {
		for _, signed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%q of %q, signed %t", test.sent, test.accepted, signed), func(t *testing.T) {
				src := newTree(t, "", 30*512, small(proto.CodeLeopard8, 10, 10))
				cfg := receiver.Config{Components: test.accepted}
				sent := src.manifestWith(component(test.sent, 0))
				if signed {
					policy := trusting(key)
					policy.Components = test.accepted
					policy.Installed = map[receiver.Series]receiver.Release{{Key: key.ID, Component: "boot"}: {Sequence: 7}}
					cfg = receiver.Config{Trust: policy}
					n := uint64(8)
					if test.want != "" {
						n = 6 // older, which is not the reason that is reported
					}
					sent = src.signed(key, component(test.sent, n))
				}
				tr := src.receive(cfg)
				if test.want != "" {
					tr.wantRefused(test.want, sent)
					return
				}
				tr.hearAll(sent)
				tr.wantCertified(src)
			})
		}
	}
}

// The release that runs is a floor of its component, and an equal one is accepted.
func TestTheSequenceThatRunsIsAFloorOfItsComponent(t *testing.T) {
	key := keys.Generate()
	src := newTree(t, "", 30*512, small(proto.CodeLeopard8, 10, 10))
	policy := trusting(key)
	policy.Running = map[string]uint64{"boot": 7}
	for _, test := range []struct {
		sent     string
		sequence uint64
		want     proto.Reason
	}{
		{"boot", 6, receiver.ReasonRollback}, {"boot", 7, ""}, {"app", 6, ""}, {"", 6, ""},
	} {
		tr := src.receive(receiver.Config{Trust: policy})
		sent := src.signed(key, component(test.sent, test.sequence))
		if test.want != "" {
			tr.wantRefused(test.want, sent)
			continue
		}
		tr.hearAll(sent)
		tr.wantCertified(src)
	}
}
