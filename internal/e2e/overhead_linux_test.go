// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"iotupd/fec"
	"iotupd/internal/quantity"
	"iotupd/proto"
)

// A traffic is how many packets of each type there are.
type traffic map[proto.Type]uint64

func (n traffic) shards() uint64 { return n[proto.TypeData] + n[proto.TypeParity] }

func (n traffic) String() string {
	percent := func(typ proto.Type) float64 { return 100 * float64(n[typ]) / float64(n.shards()) }
	return fmt.Sprintf("%d data, %d parity, %d digests (%.2f %% of the shards), %d outlines (%.2f %%), %d manifests (%.2f %%)",
		n[proto.TypeData], n[proto.TypeParity], n[proto.TypeDigest], percent(proto.TypeDigest),
		n[proto.TypeOutline], percent(proto.TypeOutline), n[proto.TypeManifest], percent(proto.TypeManifest))
}

// countTypes begins to count the packets that reach a host by their type, which
// is the fourth byte of a datagram.
func (h *host) countTypes() (read func() traffic) {
	h.t.Helper()
	rules := "table netdev types {\n"
	for typ := proto.TypeData; typ <= proto.TypeOutline; typ++ {
		rules += fmt.Sprintf("counter type%d {}\n", typ)
	}
	rules += "chain arriving {\ntype filter hook ingress device eth0 priority -1\n"
	for typ := proto.TypeData; typ <= proto.TypeOutline; typ++ {
		rules += fmt.Sprintf("udp dport %d @th,88,8 %d counter name type%[2]d\n", proto.DefaultPort, typ)
	}
	h.sh("nft -f - <<END\n" + rules + "}\n}\nEND")
	return func() traffic {
		h.t.Helper()
		var list struct {
			Nftables []struct {
				Counter struct {
					Name    string
					Packets uint64
				}
			}
		}
		if err := json.Unmarshal([]byte(h.sh("nft -j list counters table netdev types")), &list); err != nil {
			h.t.Fatal(err)
		}
		n := make(traffic)
		for _, e := range list.Nftables {
			var typ proto.Type
			if _, err := fmt.Sscanf(e.Counter.Name, "type%d", &typ); err == nil {
				n[typ] = e.Counter.Packets
			}
		}
		return n
	}
}

// shapeOf returns geometry and tree of a file as the standard profile sends it.
func shapeOf(t *testing.T, size uint64) (geo proto.Geometry, tree proto.Tree) {
	t.Helper()
	p, err := fec.Policy{}.Params(size)
	if err == nil {
		geo, err = p.Geometry()
	}
	if err == nil {
		tree, err = geo.Tree()
	}
	if err != nil {
		t.Fatal(err)
	}
	return geo, tree
}

// outlinesOf returns how many OUTLINEs an object has.
func outlinesOf(tree proto.Tree) (n int) {
	for i, ok := tree.NextOutline(0); ok; i, ok = tree.NextOutline(i + 1) {
		n++
	}
	return n
}

// planned returns what a loop of an object is, by the shape of its tree, and what
// travels beside it.
func planned(t *testing.T, size uint64) traffic {
	t.Helper()
	geo, tree := shapeOf(t, size)
	n := traffic{proto.TypeData: geo.DataShards, proto.TypeParity: geo.Groups * uint64(geo.M), proto.TypeDigest: tree.Total()}
	loop := n.shards() + n[proto.TypeDigest]
	n[proto.TypeOutline] = (loop + 127) / 256                   // after the first 128, then after each 256, but not at the end
	n[proto.TypeManifest] = 1 + (loop+n[proto.TypeOutline])/256 // where these take less than 10 s
	return n
}

// Cost in packets, by the shape of the tree, and of a real loop of a real sender.
func TestOverheadOfDigestsAndManifests(t *testing.T) {
	for _, size := range []uint64{1 << 20, 64 << 20, 1 << 30, 10 << 30} {
		n := planned(t, size)
		t.Logf("%8v, a loop: %v", quantity.Size(size), n)
		if share := float64(n[proto.TypeDigest]) / float64(n.shards()); share < 0.0275 || share > 0.0395 {
			t.Errorf("digests are %.4f of the shards, want 2.8 to 3.9 %%", share)
		}
	}
	size := int64(4 * mib)
	if full {
		size = 64 * mib
	}
	source := newFile(t, size)
	for _, digest := range []string{"on", "off"} {
		l := newLab(t)
		sender, meter := l.host(bothFamilies), l.host(bothFamilies)
		read := meter.countTypes()
		sender.send(source, "--rate", "50M", "--loops", "1", "--digest", digest).wantExit(0, "")
		got, want := read(), planned(t, uint64(size))
		got[proto.TypeManifest] -= byes
		if digest == "off" {
			want[proto.TypeDigest], want[proto.TypeOutline] = 0, 0
			want[proto.TypeManifest] = 1 + want.shards()/256
		}
		t.Logf("%4d MiB, --digest %s, on the wire: %v", size/mib, digest, got)
		for typ := range want {
			if d := math.Abs(float64(got[typ]) - float64(want[typ])); d > 0 && (typ != proto.TypeManifest || d > 1) {
				t.Errorf("type %d: %d packets, want %d", typ, got[typ], want[typ])
			}
		}
	}
}

// byes are the manifests that announce the end of a sender.
const byes = 4

// The cost of digests in processor time is measured and not asserted. The runs
// with and without them take turns.
func TestProcessorTimeOfDigests(t *testing.T) {
	needsFull(t)
	for _, load := range []struct {
		size  int64
		rate  string
		pairs int
	}{{64 * mib, "200M", 3}, {1024 * mib, "400M", 2}} {
		source := newFile(t, load.size)
		spent := make(map[string][]float64)
		for range load.pairs {
			for _, digest := range []string{"on", "off"} {
				l := newLab(t)
				sender := l.host(bothFamilies)
				var receivers []*process
				for _, loss := range []int{0, 10} {
					h := l.host(bothFamilies)
					h.lose(loss)
					r := h.start("recv", "--dry-run") // large files add up
					r.wait("listening")
					receivers = append(receivers, r)
				}
				s := sender.send(source, "--rate", load.rate, "--loops", "1", "--digest", digest)
				for i, what := range []string{"recv", "recv at 10 % loss"} {
					receivers[i].done()
					spent[what+" "+digest] = append(spent[what+" "+digest], receivers[i].processorTime().Seconds())
				}
				s.wantExit(0, "")
				spent["send "+digest] = append(spent["send "+digest], s.processorTime().Seconds())
			}
		}
		for _, what := range []string{"send", "recv", "recv at 10 % loss"} {
			on, off := spent[what+" on"], spent[what+" off"]
			t.Logf("%4d MiB at %s, %-17s: digests on %.2f, off %.2f processor seconds; medians ×%.2f", load.size/mib, load.rate, what, on, off, median(on)/median(off))
		}
	}
}

// processorTime returns what a process that has ended took, user and system.
func (p *process) processorTime() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// Digests are packets beside the shards, and take nothing from them: without an
// attacker, as many shards are needed with them as without: package receiver tests
// it in virtual time, and here are the figures.
func TestDigestsCostNoShards(t *testing.T) {
	needsFull(t)
	losses := []int{0, 1, 10, 30} // percent
	const size, runs = 64 * mib, 5
	source := newFile(t, size)
	ratios := make(map[string][]float64)
	for run := range runs {
		for _, digest := range []string{"on", "off"} {
			l := newLab(t)
			sender, host := l.host(bothFamilies), l.host(bothFamilies)
			var receivers []*process
			for _, percent := range losses { // they write nothing, or the disk would set the pace
				r := host.start("recv", "--dry-run", "--drop", fmt.Sprintf("bernoulli:%d%%", percent), "--seed", fmt.Sprint(run+1))
				r.wait("listening")
				receivers = append(receivers, r)
			}
			s := sender.send(source, "--rate", "100M", "--digest", digest)
			for i, percent := range losses {
				key := fmt.Sprint(digest, percent)
				ratios[key] = append(ratios[key], receivers[i].done().overBound(float64(percent)/100))
			}
			s.stop() // it would take the processors from the next run
		}
	}
	for _, percent := range losses {
		on, off := median(ratios[fmt.Sprint("on", percent)]), median(ratios[fmt.Sprint("off", percent)])
		t.Logf("loss %2d %%: sent %.4f of the bound with digests, %.4f without, %+.4f", percent, on, off, on-off)
	}
}
