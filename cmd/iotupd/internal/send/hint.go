// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"fmt"
	"strings"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/fec"
	"iotupd/internal/reason"
	"iotupd/proto"
)

const (
	// highRate is from where on packets and groups cost processors more than a link
	// of that rate leaves them, in bits per second.
	highRate = 500_000_000
	// longFile is the size from which on that matters, in bytes.
	longFile = 16 << 20
)

// hint returns flags that make a high rate cheaper, and that were not given. Nothing
// is chosen by the rate itself: all senders of a file, and sign, have to agree.
func (v *sendView) hint() string {
	o, g := &v.opts, v.agent.Geometry()
	if o.totalRate() < highRate || g.Size < longFile || o.from != "" {
		return ""
	}
	var flags []string
	if o.Profile == fec.Standard.String() && o.ForMemory == 0 {
		flags = append(flags, "--profile "+fec.Fast.String())
	}
	room := 0
	for _, r := range v.routes {
		if left := r.MTU - r.Overhead(); r.MTU > 0 && (room == 0 || left < room) {
			room = left
		}
	}
	if n := min(proto.MaxShardSize, proto.LargestShard(room)); room > 0 && n > o.ShardSize && o.ShardSize == proto.DefaultShardSize {
		flags = append(flags, fmt.Sprintf("--shard-size %d", n))
	}
	return strings.Join(flags, " ")
}

// showHint prints it.
func (v *sendView) showHint() {
	if flags := v.hint(); flags != "" {
		v.out.Line("hint: at this rate, %s needs less CPU time; use the same flags for all senders of this file", flags)
	}
}

// commonMTU is what devices take that nobody has set up for more.
const commonMTU = 1500

// loopbackMTU is more than any network has.
const loopbackMTU = 65535

// warnJumbo says that packets are too long for most networks.
func (v *sendView) warnJumbo() {
	if bytes := int(v.packetBits() / 8); bytes > commonMTU && v.route().MTU < loopbackMTU {
		v.out.Warn(cli.Warning{
			Code: reason.Jumbo,
			Text: fmt.Sprintf("packets of %d bytes need that MTU on every device of the path: receivers behind an MTU of %d receive nothing of this file", bytes, commonMTU),
			Fix:  fmt.Sprintf("iotupd send --shard-size %d FILE   # fits an MTU of %d", proto.LargestShard(commonMTU-v.route().Overhead()), commonMTU),
		})
	}
}
