// SPDX-License-Identifier: GPL-2.0-or-later

package listeners

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// A link is a membership table and its clock.
type link struct {
	t   *testing.T
	now time.Time
	table
}

func newLink(t *testing.T) *link { return &link{t: t, now: time.Unix(1_000_000, 0)} }

var alice, bob = netip.MustParseAddr("fe80::a"), netip.MustParseAddr("fe80::b")

func (l *link) joins(who netip.Addr)  { l.update(l.now, message{kind: joined, from: who}) }
func (l *link) leaves(who netip.Addr) { l.update(l.now, message{kind: left, from: who}) }
func (l *link) isAsked()              { l.update(l.now, message{kind: askedAll, within: 10 * time.Second}) }
func (l *link) after(d time.Duration) { l.now = l.now.Add(d) }

func (l *link) want(why string, listens bool) {
	l.t.Helper()
	if got := l.listens(l.now); got != listens {
		l.t.Fatalf("%s: listens = %v, want %v", why, got, listens)
	}
}

// wantEnd checks that the last listener is gone after just that time.
func (l *link) wantEnd(why string, after time.Duration) {
	l.t.Helper()
	end := l.now.Add(after)
	for at := l.wake(); !at.IsZero() && at.Before(end); at = l.wake() {
		l.now = at
		l.want(why+", too early", true)
	}
	if at := l.wake(); !at.Equal(end) {
		l.t.Fatalf("%s: wakes at %v, want %v", why, at, end)
	}
	l.now = end.Add(-1)
	l.want(why+", just before", true)
	l.now = end
	l.want(why, false)
}

func (l *link) wantNoEnd(why string) {
	l.t.Helper()
	l.want(why, true)
	if at := l.wake(); !at.IsZero() {
		l.t.Fatalf("%s: wakes at %v, want never", why, at)
	}
}

func TestAJoinIsHeardAtOnceAndALeaveAfterTwoSeconds(t *testing.T) {
	// "a leave is heard at once, and counts after two seconds, in which the querier
	// asks who else is there"
	l := newLink(t)
	l.want("at the start", false)
	l.joins(alice)
	l.wantNoEnd("one has joined")
	l.leaves(alice)
	l.after(time.Second)
	l.leaves(alice) // everything is said twice
	l.wantEnd("the only one left", time.Second)
}

func TestOneLeavesAndAnotherStays(t *testing.T) {
	l := newLink(t)
	l.joins(alice)
	l.joins(bob)
	l.leaves(alice)
	l.after(time.Hour)
	l.wantNoEnd("one is still there")
	l.leaves(bob)
	l.wantEnd("both left", leaveTime)
}

func TestAHostThatWasQuietAnswersForItself(t *testing.T) {
	// By IGMPv2 and MLDv1 one host answers for all; the others answer when it left.
	l := newLink(t)
	l.joins(alice)
	l.leaves(alice)
	l.update(l.now, message{kind: askedUs, within: time.Second})
	l.after(900 * time.Millisecond)
	l.joins(bob)
	l.after(time.Minute)
	l.wantNoEnd("another one answered")
}

func TestALeaveThatWasMissedShowsInTheQuestion(t *testing.T) {
	l := newLink(t)
	l.joins(alice)
	l.update(l.now, message{kind: askedUs, within: time.Second})
	l.wantEnd("nobody answered", leaveTime)
	l.joins(alice)
	l.update(l.now, message{kind: askedUs})
	l.wantEnd("the time to answer was zero", leaveTime)
}

func TestAHostThatVanishesHasLeftAfterTwoQueries(t *testing.T) {
	// "a host that vanishes without a word has left when it answered neither of two
	// queries in a row. Without a querier it never has"
	l := newLink(t)
	l.joins(alice)
	l.after(1000 * time.Hour)
	l.wantNoEnd("nobody asked")
	l.isAsked()
	l.after(125 * time.Second)
	l.wantNoEnd("one answer may be lost")
	l.isAsked()
	l.wantEnd("two answers are missing", 10*time.Second+answerTime)
}

func TestAHostThatAnswersEveryOtherQueryStays(t *testing.T) {
	l := newLink(t)
	l.joins(alice)
	for range 10 {
		l.isAsked()
		l.after(125 * time.Second)
		l.isAsked()
		l.after(10 * time.Second)
		l.joins(alice)
		l.after(115 * time.Second)
		l.wantNoEnd("it answered")
	}
}

func TestQueriesOfTwoQueriersAtOnceAreOne(t *testing.T) {
	l := newLink(t)
	l.joins(alice)
	for range 5 { // they find out who of them asks from now on
		l.isAsked()
		l.after(time.Second)
	}
	l.wantNoEnd("one answer may be lost")
}

func TestForgedReportsTakeNoMemory(t *testing.T) {
	l := newLink(t)
	var forged [16]byte
	for i := range uint32(100_000) {
		binary.BigEndian.PutUint32(forged[4:], 1+i)
		l.joins(netip.AddrFrom16(forged))
	}
	if got, want := len(l.hosts), maxHosts+1; got != want {
		t.Errorf("%d hosts are remembered, want %d", got, want)
	}
	l.leaves(netip.AddrFrom16(forged))
	l.after(time.Minute)
	l.wantNoEnd("not all have left")
}
