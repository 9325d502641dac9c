// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

// A workKind is the kind of work of a job. The kinds are in the order of their
// priority: work that makes other work cheaper, or shards useful, comes first.
type workKind uint8

const (
	openStore      workKind = iota // open the store and make room in it
	scanRecords                    // search the workspace for the records of an earlier run
	rebuildRecords                 // compute the records that a group lacks from those that it has
	reencodeGroup                  // make the overwritten parity of a group again
	decodeGroup                    // rebuild the data shards that a full group lacks
	checkGroup                     // compare provisional shards with their leaves
	scanGroup                      // compare the places of a group with its leaves
	scanRecord                     // compare the places of the shards of one record with their leaves
	copySeed                       // copy shards from a seed that an inventory describes
	scanOutline                    // make records of an outline from files on disk
	hashFile                       // hash the file as it is in the store
	syncStore                      // make the finished file durable
	writeStore                     // write what was received
	readCatalogue                  // read the manifests of a catalogue
	readInventory                  // have an inventory read
	workKinds
)

// decodes reports whether a job of a kind has the memory of a decoder.
func (k workKind) decodes() bool { return k == decodeGroup || k == reencodeGroup }

// scans reports whether jobs of a kind scan for bytes on disk, after which a
// group may take packets again.
func (k workKind) scans() bool {
	return k == scanRecords || k == scanGroup || k == scanRecord || k == copySeed
}

// counts reports whether jobs of a kind are limited to [Config.Workers] at a
// time. Writing, hashing and syncing are not.
func (k workKind) counts() bool { return k != writeStore && k != hashFile && k != syncStore }

// A task is work that waits for a job.
type task struct {
	ticket uint32 // tasks of a kind come in the order of their tickets
	group  uint32
}

// A workList has the work of an object that waits for jobs, and counts the jobs
// that are out.
//
// A task may be out of date when its turn comes, because its group has changed.
// Then it is skipped: see [object.nextTask]. A group that waits for its decoding
// keeps its ticket until it is decoded, so that it does not lose its turn if
// something else has to be done before.
type workList struct {
	lanes      [workKinds]lane
	lastTicket uint32

	writing    bool // a job handed out writes to the store
	syncing    bool // a job handed out makes the store durable
	running    int  // other jobs handed out, without the one that hashes
	decoding   int  // jobs handed out that have a decoder or its memory
	reencoding bool // a job handed out has the memory of all decoders
}

// addTask adds work on a group. It returns the ticket.
func (w *workList) addTask(kind workKind, g uint32) (ticket uint32) {
	w.lastTicket++
	w.lanes[kind].push(task{w.lastTicket, g})
	return w.lastTicket
}

// A lane has the tasks of a kind: a heap by ticket. Most tasks are pushed in
// order, which costs nothing.
type lane []task

func (l *lane) push(t task) {
	*l = append(*l, t)
	heap := *l
	for i := len(heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if heap[parent].ticket <= heap[i].ticket {
			return
		}
		heap[parent], heap[i] = heap[i], heap[parent]
		i = parent
	}
}

// pop removes the first task, which there must be.
func (l *lane) pop() task {
	heap := *l
	first, last := heap[0], len(heap)-1
	heap[0] = heap[last]
	heap = heap[:last]
	*l = heap
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < last && heap[child+1].ticket < heap[child].ticket {
			child++
		}
		if child >= last || heap[i].ticket <= heap[child].ticket {
			return first
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}

// nextTask returns the first task of a kind that is still to be done, and leaves
// it in its lane.
func (o *object) nextTask(kind workKind) (t task, ok bool) {
	l := &o.work.lanes[kind]
	for n := len(*l); n > 0; n-- {
		t := (*l)[0]
		grp := &o.index.groups[t.group]
		if o.isDue(kind, t, grp) {
			return t, true
		}
		l.pop()
		if kind == scanGroup && grp.state == reencoding {
			o.overwritten[t.group].scan = true // scan it when it is re-encoded
		}
	}
	return task{}, false
}

// isDue reports whether a task is still to be done, and can be.
func (o *object) isDue(kind workKind, t task, grp *group) bool {
	switch kind {
	case reencodeGroup: // the more leaves are known, the more parity is restored
		return grp.state == reencoding && grp.ticket == t.ticket && !o.leaves.counts[t.group].queued
	case decodeGroup:
		return grp.state == full && grp.ticket == t.ticket && o.isReady(t.group, grp)
	case scanGroup:
		return grp.state == untouched || grp.state == receiving
	}
	return true
}

// isReady reports whether a full group can be decoded now: no job that rebuilds
// its records or compares its shards with their leaves is pending. If all its
// shards are verified, its decoding needs no first pass that checks the result.
func (o *object) isReady(g uint32, grp *group) bool {
	return o.leaves == nil || !o.leaves.counts[g].queued && grp.check == unchecked
}

// enlist adds work on a group that keeps its position, even if other work on the
// group has to be done first.
func (o *object) enlist(kind workKind, g uint32) { o.index.groups[g].ticket = o.work.addTask(kind, g) }

// relist adds a group again, in its old position, when the work before is done.
func (o *object) relist(g uint32) {
	switch grp := &o.index.groups[g]; grp.state {
	case full:
		o.work.lanes[decodeGroup].push(task{grp.ticket, g})
	case reencoding:
		o.work.lanes[reencodeGroup].push(task{grp.ticket, g})
	}
}
