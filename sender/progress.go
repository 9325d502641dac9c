// SPDX-License-Identifier: GPL-2.0-or-later

package sender

// Progress is the position of a carousel, and more about it. With several objects
// it is the position of the one that is least far. With more than MaxUnlisted, that was
// found a moment ago.
type Progress struct {
	Loop     int     // of layer 0; 1 in the first one
	Fraction float64 // of this loop, 0 to 1
	Packets  uint64  // of all types, since the start
	Paused   bool    // see [Sender.Pause]
	Bound    Bound   // as [Run] measured lately; else ByRate

	// Objects has the positions of all, without catalogue and inventories. It is nil if there
	// is only one, or if there are more than MaxUnlisted.
	Objects []ObjectProgress
}

// An ObjectProgress is the position of one of several carousels.
type ObjectProgress struct {
	Loop     int     // of layer 0; 1 in the first one
	Fraction float64 // of this loop, 0 to 1
	Packets  uint64  // of all types, since the start
	Dropped  bool    // it is not sent any more
}

// Progress returns the state of the carousels.
func (s *Sender) Progress() Progress {
	p := Progress{Packets: s.packets, Paused: s.paused}
	if s.several && !s.large() {
		for i := range s.carousels {
			if c := &s.carousels[i]; i != s.catalogue && !c.inventory {
				p.Objects = append(p.Objects, c.progress())
			}
		}
	}
	s.findLeastFar()
	p.Loop, p.Fraction = s.least.Loop, s.least.Fraction
	return p
}

// A leastFar is the position of the object that was least far when it was looked for.
type leastFar struct {
	ObjectProgress
	packets uint64 // that had been sent then, of all objects
}

// lookEvery is how many objects are looked at for each packet, so that thousands of objects
// do not hold up the packets.
const lookEvery = 16

// findLeastFar looks for the object that is least far, unless it did so just now.
func (s *Sender) findLeastFar() {
	l := &s.least
	if since := s.packets - l.packets; l.Loop > 0 && !s.Done() && s.large() && since < uint64(len(s.carousels)/lookEvery) {
		return
	}
	*l = leastFar{packets: s.packets}
	for i := range s.carousels {
		c := &s.carousels[i]
		if c.dropped || i == s.catalogue || s.large() && c.empty() {
			continue
		}
		if o := c.progress(); l.Loop == 0 || o.Loop < l.Loop || o.Loop == l.Loop && o.Fraction < l.Fraction {
			l.ObjectProgress = o
		}
	}
	if l.Loop == 0 && s.catalogue >= 0 {
		l.ObjectProgress = s.carousels[s.catalogue].progress()
	}
}
