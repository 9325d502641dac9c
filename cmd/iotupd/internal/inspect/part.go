// SPDX-License-Identifier: GPL-2.0-or-later

package inspect

import (
	"encoding/hex"
	"fmt"
	"os"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/internal/durable"
	"iotupd/receiver"
)

// A partEvent is what a partial file of recv holds.
type partEvent struct {
	Path cli.Path `json:"partial_path"`
	describe.ObjectEvent
	Groups     uint64 `json:"groups"`
	Needed     uint64 `json:"shards_needed"`
	Data       uint64 `json:"data_held"`
	Parity     uint64 `json:"parity_held"`
	Records    uint64 `json:"records_held"`
	AllRecords uint64 `json:"records"`
}

// inspectPart shows a partial file.
func inspectPart(out *cli.Output, path string) error {
	e, err := scanPart(path)
	if err != nil {
		return err
	}
	out.Final("partial", e, "")
	out.Result(e.text())
	return nil
}

func scanPart(path string) (partEvent, error) {
	f, err := durable.OpenRegular(path, os.O_RDONLY)
	if err != nil {
		return partEvent{}, cli.LocalError(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return partEvent{}, cli.LocalError(path, err)
	}
	s, err := receiver.ScanPartialFile(f, info.Size())
	if err != nil {
		return partEvent{}, cli.UsageError("%s is not a partial file of recv, or no manifest had come yet: %w", path, durable.Cause(err))
	}
	geo, _ := s.Descriptor.Geometry() // valid, since the scan succeeded
	e := partEvent{
		Path: cli.Path(path), ObjectEvent: describe.NewObjectEvent(s.Descriptor.Object(), s.Descriptor.Params), Groups: geo.Groups,
		Needed: s.Needed, Data: s.Data, Parity: s.Parity, Records: s.Records, AllRecords: s.AllRecords,
	}
	e.SHA256 = hex.EncodeToString(s.Descriptor.SHA256[:])
	return e, nil
}

// text is e for people.
func (e *partEvent) text() string {
	held := min(e.Data+e.Parity, e.Needed)
	return fmt.Sprintf("partial     %d%%, %d of %d data shards, and %d parity shards in places of missing ones\n", 100*held/e.Needed, e.Data, e.Needed, e.Parity) +
		fmt.Sprintf("digests     %d of %d records of hashes; what they do not cover is not counted\n", e.Records, e.AllRecords) +
		fmt.Sprintf("size        %v\n", describe.SizeInBytes(e.Bytes)) +
		fmt.Sprintf("object      %s\n", e.Object) +
		fmt.Sprintf("SHA-256     %s\n", e.SHA256) +
		fmt.Sprintf("shards      %s of %d bytes, code %s\n", describe.Shape(e.Groups, e.K, e.M), e.Shard, e.Code)
}
