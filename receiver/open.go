// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

// An openWork opens the store of an object and makes room in it.
type openWork struct {
	*object
	store  Store
	layout layout
}

func newOpenWork(o *object) *openWork { return &openWork{object: o, layout: o.places.layout} }

func (w *openWork) run() error {
	if w.old != nil {
		if err := w.old.Discard(); err != nil {
			return storeError("discard", err)
		}
	}
	var err error
	if w.store, err = w.cfg.Open(w.wire, w.geo.Params); err != nil {
		return err
	}
	return storeError("reserve space", w.reserve())
}

// reserve makes room for the object and, if it has leaves, for their records and for
// parity. A store that has no room for that gets parity in place of missing data.
func (w *openWork) reserve() error {
	if w.leaves == nil {
		return w.store.Reserve(int64(w.geo.Size))
	}
	large := w.layout.withParity()
	if large.parityRows > 0 && !w.cfg.InMemory && w.store.Reserve(large.size()) == nil {
		w.layout = large
	} else if err := w.store.Reserve(w.layout.size()); err != nil {
		return err
	}
	_, err := w.store.WriteAt(trailer(w.manifest.Descriptor), w.layout.trailer())
	return err
}

// finish begins with the object. An empty one is complete.
func (w *openWork) finish() error {
	w.places.layout, w.places.queue.store = w.layout, w.store
	w.opening, w.old = false, nil
	w.startResume()
	if w.geo.Size == 0 {
		w.checkCollected()
	}
	return nil
}
