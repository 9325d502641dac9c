// SPDX-License-Identifier: GPL-2.0-or-later

package installed

// Versions of this program that know no components have one record for all releases that a
// key has signed, and skip the component in the manifest. Such an early record is of the
// component in its manifest, until there is a record in a file of its own.

// read reads the record of a key and a component. An early one counts as long as its
// component has no record in a file of its own.
func (j *Journal) read(root, component string) (*Record, error) {
	r, err := readRecord(j.dir, j.fileName(root, "", component))
	if err == nil && r == nil && component != "" {
		r, err = readRecord(j.dir, j.fileName(root, "", ""))
	}
	if err != nil || r == nil || r.Component != component {
		return nil, err
	}
	return r, nil
}

// moveEarly moves an early record of a key to a file of its own before another record takes
// its place, be that one of releases without a component or the next one of its component.
func (j *Journal) moveEarly(root, component string) error {
	if root == Unsigned {
		return nil
	}
	early, err := readRecord(j.dir, j.fileName(root, "", ""))
	if err != nil || early == nil || !early.early || component != "" && component != early.Component {
		return nil // if it is damaged, what reads it reports that
	}
	own, err := readRecord(j.dir, j.fileName(root, "", early.Component))
	if err != nil {
		return err
	}
	if own == nil {
		moved := *early
		moved.early = false
		if err := j.put(&moved); err != nil {
			return err
		}
	}
	j.dir.Remove(early.fileName())
	return nil
}

// Early reports whether a version of this program has written the record that knew no
// components.
func (r *Record) Early() bool { return r.early }
