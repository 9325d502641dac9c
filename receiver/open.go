// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

// An openWork opens the store of an object and makes room in it.
type openWork struct {
	*object
	store Store
}

func newOpenWork(o *object) *openWork { return &openWork{object: o} }

func (w *openWork) run() error {
	if w.old != nil {
		if err := w.old.Discard(); err != nil {
			return storeError("discard", err)
		}
	}
	var err error
	if w.catalogue != nil || w.archive != nil {
		w.store = &MemoryStore{}
	} else if w.store, err = w.cfg.Open(w.wire, w.geo.Params); err != nil {
		return err
	}
	return storeError("reserve space", w.reserve())
}

// reserve makes room for the object and, if it has leaves, for their records.
func (w *openWork) reserve() error {
	if w.leaves == nil {
		return w.store.Reserve(int64(w.geo.Size))
	}
	if err := w.store.Reserve(w.places.size()); err != nil {
		return err
	}
	_, err := w.store.WriteAt(trailer(w.manifest.Descriptor), w.places.trailer)
	return err
}

// finish begins with the object. An empty one is complete.
func (w *openWork) finish() error {
	w.places.queue.store = w.store
	w.opening, w.old = false, nil
	w.startResume()
	if w.geo.Size == 0 {
		w.checkCollected()
	}
	return nil
}
