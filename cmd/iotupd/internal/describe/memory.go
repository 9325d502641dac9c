// SPDX-License-Identifier: GPL-2.0-or-later

package describe

import (
	"fmt"

	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/agent"
)

const (
	// ProgramMemory is what recv takes in bytes before it receives anything.
	ProgramMemory = 10 << 20

	// LeastMemory is the lowest limit that recv accepts.
	LeastMemory = 16 << 20
)

// ReceiversNeed returns the least --memory with which recv receives a file with
// parameters p, and that with which it decodes it fast.
func ReceiversNeed(p proto.Params) (least, fast quantity.Size) {
	need, err := receiver.NeedOf(p)
	if err != nil {
		return 0, 0
	}
	return RecvMemory(agent.MemoryFor(need.Least)), RecvMemory(agent.MemoryFor(need.Fast))
}

// RecvMemory returns the --memory, in whole MiB, that leaves so much for receiving.
func RecvMemory(limit uint64) quantity.Size {
	const mib = 1 << 20
	return quantity.Size(max(LeastMemory, (limit+ProgramMemory+mib-1)/mib*mib))
}

// Memory says how much memory receivers need.
func Memory(least, fast int64) string {
	if least == fast {
		return fmt.Sprintf("receivers need %v", quantity.Size(least))
	}
	return fmt.Sprintf("receivers need %v, %v for fast decoding", quantity.Size(least), quantity.Size(fast))
}
