// SPDX-License-Identifier: GPL-2.0-or-later

package encode

import (
	"errors"
	"fmt"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
)

// A Preparation is the view of a file that is being prepared. The zero value is
// ready to use.
type Preparation struct {
	began    time.Time
	fraction float64
}

// guessAfter is how long a preparation must run before the time left is guessed: the
// first parts of the work do not come evenly.
const guessAfter = time.Second

// Show shows how much is done, 0 to 1, and how long the rest will take.
func (p *Preparation) Show(out *cli.Output, now time.Time, fraction float64) {
	p.fraction = fraction
	if p.began.IsZero() {
		p.began = now
	}
	if out.IsJSON() || !out.ProgressDue(now) {
		return
	}
	line := fmt.Sprintf(" preparing %d%%", int(100*fraction))
	if spent := now.Sub(p.began); spent >= guessAfter && fraction > 0 {
		line += "  ETA " + quantity.Duration(time.Duration(float64(spent)*(1-fraction)/fraction))
	}
	out.ProgressLine(line)
}

// Interrupted prints that a signal interrupted the command, if err says so, and
// what was not done.
func (p *Preparation) Interrupted(out *cli.Output, err error, not string) {
	if errors.As(err, new(cli.SignalError)) {
		out.Line("interrupted while preparing, at %d%%: %s", int(100*p.fraction), not)
	}
}
