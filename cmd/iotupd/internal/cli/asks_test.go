// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressIsAskedForWhenItIsDue(t *testing.T) {
	s := newScreen(t, OutputOptions{Progress: "plain", Stats: time.Minute})
	synctest.Test(t, func(t *testing.T) {
		s.requests = nil
		asks, began := s.Asks(), time.Now()
		s.ProgressDue(began)
		for n := 1; n <= 3; n++ {
			<-asks
			if took := time.Since(began); took != time.Duration(n)*time.Minute || !s.ProgressDue(time.Now()) {
				t.Errorf("line %d was asked for after %v, want one a minute, and that it is due", n, took)
			}
		}
		s.Close(nil)
	})
}

func TestASignalAsksForProgress(t *testing.T) {
	for _, opts := range []OutputOptions{{Progress: "none"}, {Progress: "plain"}} {
		s := newScreen(t, opts)
		synctest.Test(t, func(t *testing.T) {
			requests := make(chan os.Signal)
			s.requests = requests
			asks := s.Asks()
			if s.ProgressDue(time.Now()) {
				t.Error("due, and nobody has asked")
			}
			requests <- syscall.SIGHUP // any one
			<-asks
			if !s.ProgressDue(time.Now()) || s.ProgressDue(time.Now()) {
				t.Error("want that one line is due")
			}
			s.Close(nil)
		})
	}
}
