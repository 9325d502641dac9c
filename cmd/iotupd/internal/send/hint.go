// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"fmt"
	"strings"

	"iotupd/fec"
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
