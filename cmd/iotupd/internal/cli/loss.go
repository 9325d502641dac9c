// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"iotupd/bench/simnet"
)

// ReadLoss reads the value of a flag that holds a model of loss, and the trace
// that it may name.
func ReadLoss(flag, text string) (simnet.Loss, error) {
	loss, err := simnet.ReadLoss(text, func(name string) (io.ReadCloser, error) { return os.Open(name) })
	switch {
	case errors.As(err, new(*fs.PathError)):
		return loss, WithCode(ExitLocalIO, fmt.Errorf("--%s: %w", flag, err))
	case err != nil:
		return loss, UsageError("--%s: %w", flag, err)
	}
	return loss, nil
}

// A LossSeed is the value of recv --seed: the key of a stream of losses, as
// SEED or as SEED/TRIAL/RECEIVER, by which bench numbers its receivers.
type LossSeed simnet.Key

// Set implements pflag.Value.
func (s *LossSeed) Set(text string) error {
	var key simnet.Key
	parts := strings.Split(text, "/")
	ok := len(parts) == 1 || len(parts) == 3
	for i, field := range []*uint64{&key.Seed, &key.Trial, &key.Receiver}[:min(len(parts), 3)] {
		n, err := strconv.ParseUint(parts[i], 10, 64)
		*field, ok = n, ok && err == nil
	}
	if !ok {
		return fmt.Errorf("%.40q: want a whole number, or SEED/TRIAL/RECEIVER for the losses of a receiver of bench, as in 1/0/3", text)
	}
	*s = LossSeed(key)
	return nil
}

func (s *LossSeed) String() string {
	if s.Trial == 0 && s.Receiver == 0 {
		return strconv.FormatUint(s.Seed, 10)
	}
	return fmt.Sprintf("%d/%d/%d", s.Seed, s.Trial, s.Receiver)
}

// Type names the kind of value in usage texts.
func (s *LossSeed) Type() string { return "number" }
