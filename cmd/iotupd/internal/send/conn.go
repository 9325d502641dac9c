// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"errors"
	"fmt"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/mcast"
	"iotupd/proto"
)

// A sendConn is a connection whose failures are the network's.
type sendConn struct{ *mcast.Conn }

// withShardSize adds to an error that datagrams are too big which shards would
// fit. Others, and nil, are returned as they are.
func withShardSize(err error) error {
	var tooBig *mcast.TooBigError
	if errors.As(err, &tooBig) {
		return fmt.Errorf("%w: use shards of at most %d bytes, or raise the MTU", err, proto.LargestShard(tooBig.Max))
	}
	return err
}

func (c sendConn) WriteSegments(b []byte, segment int) error {
	return cli.WithCode(cli.ExitNetwork, withShardSize(c.Conn.WriteSegments(b, segment)))
}
