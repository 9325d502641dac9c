// SPDX-License-Identifier: GPL-2.0-or-later

// Package golden holds traces of the sender's and the receiver's cores, and
// tests that compare each run with them.
//
// A trace is all that can be observed of a core in a seeded run in virtual
// time: every event with its time, the reason for every ignored packet, when
// the core asks to be woken, the order of jobs and of the operations on the
// store, and the bytes that the store holds in the end. So a change of
// structure that changes behaviour, even the order of work, fails the test.
//
// The tests use nothing but the public API. The parts of the API that are
// expected to change are called in drive_test.go only. Run the tests with -update
// to rewrite the files in testdata, and look at every difference.
package golden
