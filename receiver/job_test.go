// SPDX-License-Identifier: GPL-2.0-or-later

package receiver_test

import (
	"errors"
	"testing"

	"iotupd/proto"
	"iotupd/receiver"
)

func TestAbortEndsRunningJobs(t *testing.T) {
	// "Abort makes running jobs end soon. Their transfer fails."
	src := newSource(t, "file", 4*256, smallest(proto.CodeLeopard8, 4, 4))
	tr := src.receive(receiver.Config{})
	tr.idle = true // jobs are this test's
	tr.hear(src.manifest(), 0)
	for _, index := range []int{0, 1, 4, 5} {
		tr.hear(src.shard(0, index), 0)
	}
	j := tr.job()
	if j == nil {
		t.Fatal("nothing to decode")
	}
	tr.r.Abort()
	j.Run()
	tr.r.Finish(tr.now, j)
	if tr.r.Err() == nil || !tr.r.Done() {
		t.Errorf("after an aborted job: done %v, error %v", tr.r.Done(), tr.r.Err())
	}
}

func TestTheManifestIsReportedBeforeSpaceIsReserved(t *testing.T) {
	// A file that is there already needs no space.
	src := newSource(t, "file", 4*256, smallest(proto.CodeLeopard8, 4, 4))
	full := errors.New("no space")
	tr := src.receive(receiver.Config{Open: func(proto.ObjectID, proto.Params) (receiver.Store, error) {
		return &fullStore{MemStore: receiver.NewMemStore(4 * 256), err: full}, nil
	}})
	tr.hear(src.manifest(), 0)
	if count[receiver.Certified](tr) != 1 || !errors.Is(tr.r.Err(), full) {
		t.Errorf("%d manifests were reported, error %v; want 1 and %v", count[receiver.Certified](tr), tr.r.Err(), full)
	}
}

// A fullStore has room for nothing.
type fullStore struct {
	*receiver.MemStore
	err error
}

func (s *fullStore) Reserve(int64) error { return s.err }
