// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/netif"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/agent"
)

// A view turns the events of an agent into lines for a person and into JSON. It
// decides nothing.
type view struct {
	opts  options
	out   *cli.Output
	names map[proto.KeyID]string // of the files that trusted keys are from

	first   time.Time       // packet of the object
	from    receiver.Origin // of its manifest
	arrival cli.Speed       // of packets of the object
	gain    cli.Speed       // of shards held
}

func newView(opts options, out *cli.Output, names map[proto.KeyID]string) *view {
	return &view{opts: opts, out: out, names: names}
}

// observe is agent.Config.Observe.
func (v *view) observe(e agent.Event) {
	switch e := e.(type) {
	case agent.Searching:
		v.out.Line("looking for the senders of %s by DNS", e.Name)
	case agent.Searched:
		v.searched(e)
	case agent.Listening:
		v.opts.Show(v.out, e.Place)
	case agent.Transfer:
		v.transfer(e)
	case agent.Collected:
		v.collected(e)
	case agent.InventoryRead:
		v.inventory(e)
	case agent.DirectoryProgress:
		v.unpacking(e)
	case agent.LevelChanged:
		v.levelChanged(e)
	case agent.Progress:
		v.progress(e)
	case agent.AlreadyThere:
		v.alreadyThere(e.File)
	case agent.SeveralSent:
		v.several(e)
	case agent.FileDone:
		v.fileDone(e)
	case agent.FileFailed:
		v.fileFailed(e)
	case agent.AllDone:
		v.allDone(e)
	case agent.Done:
		v.done(e)
	case agent.Stopped:
		v.out.Line("%s", v.stopped(e))
	case agent.OwnDrops, agent.OverRate, agent.Rejected, agent.AlsoSent, agent.OtherComponent, agent.OtherVersion, agent.OnlyOthers, agent.PlaceLost, agent.Silent, agent.TakeOverFailed:
		v.warn(e)
	case agent.InstallPending, agent.Installed, agent.CommandPrinted, agent.CommandEnded, agent.InstallFailed, agent.GivenUp:
		v.installing(e)
	}
}

// transfer shows an event of the receiver.
func (v *view) transfer(t agent.Transfer) {
	switch e := t.Event.(type) {
	case receiver.ObjectFound:
		if v.opts.all && !v.first.IsZero() {
			return // speeds are of all files together
		}
		v.first, v.from = e.Since, e.From
		v.arrival, v.gain = cli.Speed{}, cli.Speed{}
		v.arrival.Add(t.At, 0)
		v.gain.Add(t.At, 0)
		if !v.opts.all {
			v.found(e)
		}
	case receiver.Certified:
		if !v.opts.all {
			v.object(e)
		}
	case receiver.Dropped:
		v.out.Line("object %s... given up: %s", e.Object.Short(), e.Why)
	case receiver.Resumed:
		v.resumed(e, t.Progress.Object)
	case receiver.Forged:
		v.out.Decision("group %d: %d forged shards were stored; they are dropped, and come again", e.Group, e.Shards)
	case receiver.GroupDecoded:
		if v.opts.Verbose > 1 {
			v.out.Line("group %d: %d shards rebuilt", e.Group, e.Rebuilt)
		}
	case receiver.Corrupt:
		v.corrupt(e)
		v.gain = cli.Speed{}
		v.gain.Add(t.At, 0)
	}
}

// origin returns who sent the manifest, and the interface it came in by,
// as far as they are known.
func (v *view) origin() (from, iface string) {
	if v.from.From.IsValid() {
		from = v.from.From.Addr().WithZone("").String()
	}
	if ifi, err := netif.ByIndex(v.from.Interface); err == nil {
		iface = ifi.Name
	}
	return from, iface
}

// verified says for JSON how far the origin of an object is known. It names one
// key. What is not signed has no sequence.
func (v *view) verified(m *proto.Manifest, signers []proto.PublicKey) (ok bool, signer string, sequence uint64) {
	if len(v.opts.trust) == 0 {
		return v.opts.object != "" || v.opts.sha256 != "", "", 0
	}
	return true, signers[0].ID.String(), m.Sequence
}

// rate returns the bit rate at which IP packets of the object arrive.
func (v *view) rate(p proto.Params) float64 {
	h := proto.Header{Params: p}
	return v.arrival.PerSecond() * float64(8*(h.DatagramLen()+proto.Overhead(v.from.From.Addr())))
}

// forged counts the shards that were not what their leaves say.
func forged(s *receiver.Status) uint64 { return s.Forged + s.Ignored[receiver.ReasonForged] }

// displayName is what to call a file for a person.
func displayName(m *proto.Manifest, path string) string {
	switch {
	case path != "" && path != "-":
		return path
	case m != nil && m.Name != "":
		return m.Name
	}
	return "(no name)"
}
