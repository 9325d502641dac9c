// SPDX-License-Identifier: GPL-2.0-or-later

package sign

import (
	"context"
	"errors"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/encode"
	"iotupd/fec"
	"iotupd/proto"
	"iotupd/proto/archive"
	"iotupd/sender/agent"
	"iotupd/sender/directory"
	"iotupd/sender/filesource"
)

// A source is what is signed.
type source interface {
	described
	// prepare encodes it, and completes the manifest.
	prepare(ctx context.Context, m *proto.Manifest, cfg filesource.Config) error
	Close() error
}

// open opens a file or a directory.
func (o *signOptions) open(ctx context.Context, out *cli.Output, path string) (source, error) {
	d, err := o.Scan(ctx, out, path, o.name, nil)
	switch {
	case err != nil:
		return nil, err
	case d != nil:
		return &aDirectory{d}, nil
	case o.Preserve != (archive.Preserve{}):
		return nil, cli.UsageError("--preserve is for directories, and %s is a file", path)
	}
	f, err := filesource.Open(path)
	if err != nil {
		return nil, err
	}
	return aFile{f}, nil
}

// An aFile is a file that is signed.
type aFile struct{ *filesource.File }

func (f aFile) prepare(ctx context.Context, m *proto.Manifest, cfg filesource.Config) error {
	o, err := filesource.Prepare(ctx, f.File, m.Descriptor.Params, cfg)
	if err != nil {
		return err
	}
	defer o.Close()
	m.Descriptor = o.Manifest.Descriptor
	return nil
}

// An aDirectory is a directory that is signed.
type aDirectory struct{ *directory.Directory }

// describe fills in what is known before the files are read.
func (d *aDirectory) describe(m *proto.Manifest, o *signOptions) error {
	policy, err := o.Policy(d.Size())
	if err != nil {
		return err
	}
	var name *agent.NameError
	switch err := agent.DescribeDirectory(m, d.Directory, o.name, policy); {
	case errors.As(err, &name):
		return encode.NameError(err)
	case errors.Is(err, fec.ErrPolicy):
		return encode.PolicyError(err)
	case err != nil:
		return err
	}
	return o.CheckGeometry(m.Inventory.Params)
}

func (d *aDirectory) prepare(ctx context.Context, m *proto.Manifest, cfg filesource.Config) error {
	inventory := cfg
	inventory.Cache = ""
	both, err := directory.Prepare(ctx, d.Directory, directory.Params{Archive: m.Descriptor.Params, Inventory: m.Inventory.Params}, cfg, inventory)
	if err != nil {
		return err
	}
	defer both.Close()
	m.Descriptor, m.Inventory = both.Archive.Manifest.Descriptor, both.Archive.Manifest.Inventory
	return nil
}
