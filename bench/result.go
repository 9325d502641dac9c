// SPDX-License-Identifier: GPL-2.0-or-later

package bench

// A Result is what an experiment found: a row for every scheme at every point
// of the sweep. Encoded as JSON or CSV it holds no clock, host or CPU value
// unless it is of mode net, so that the same seed and version give the same
// bytes on every machine.
type Result struct {
	Format     string   `json:"format"` // [ResultFormat]
	Mode       string   `json:"mode"`   // sim, model or net
	Seed       uint64   `json:"seed"`
	Parameter  string   `json:"parameter"` // that the sweep varies: loss, burst, parity, size, senders, receivers; forged in a Pollution, bottleneck in a Layers, case in a Set; empty: none
	Parameters []string `json:"fixed"`     // the others, as name=value
	Rows       []Row    `json:"rows"`
}

// A Row is one scheme at one point.
type Row struct {
	Scheme string  `json:"scheme"`   // as asked for
	Code   string  `json:"encoding"` // what that came to: code, K, M and groups
	X      string  `json:"swept"`    // value of the swept parameter, as in the grammar
	XValue float64 `json:"swept_number"`
	Loss   string  `json:"loss"` // the model
	P      float64 `json:"p"`    // its mean

	Trials    int `json:"trials"`
	Receivers int `json:"receivers"` // of a trial
	Completed int `json:"completed"` // of all trials
	Senders   int `json:"senders"`

	// Sent is DATA and PARITY packets from a receiver's join to its
	// completion, over K/(1-p), where p is the mean loss of its own links: 1 is
	// the ideal fountain. Received is those that arrived, over K; mode model
	// does not know it.
	Sent     Summary `json:"sent"`
	Received Summary `json:"received"`

	// Time until so many of a trial's receivers were done, in seconds from
	// their join at the given rate; means over the trials.
	Times Times `json:"times"`

	Overhead float64 `json:"overhead"` // digests and manifests, over DATA and PARITY packets

	Measured *Measured `json:"measured,omitempty"` // mode net only
	Forged   *Forged   `json:"forged,omitempty"`   // a [Pollution] only
	Layered  *Layered  `json:"layered,omitempty"`  // a [Layers] only

	Set *SetFigures `json:"set,omitempty"` // a [Set] only
}

// A Summary describes a distribution over receivers. Every figure is rounded,
// so that it is the same on every CPU. A receiver that was given up counts as
// infinitely late: a figure that it enters is +Inf, null in JSON. If N is zero,
// nothing is known.
type Summary struct {
	N       int      `json:"n"`
	Mean    Estimate `json:"mean"`
	P50     Estimate `json:"p50"`
	P90     Estimate `json:"p90"`
	P99     Estimate `json:"p99"`
	Slowest float64  `json:"slowest"`
	CDF     []Point  `json:"cdf,omitempty"` // share of the receivers that were done by x, some 100 points at most
}

// An Estimate is a figure with its 95 % confidence interval. In mode model, the
// three are the same. Where the sample is too small to bound it, Low is 0 or
// High is +Inf, null in JSON.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// A Point is one of a curve.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// Times are seconds until that share of the receivers was done; zero: not all were.
type Times struct {
	Half    float64 `json:"seconds_p50"`
	Most    float64 `json:"seconds_p90"`
	Nearly  float64 `json:"seconds_p99"`
	All     float64 `json:"seconds_all"`
	Goodput float64 `json:"goodput_bits_per_second"` // file bits over the mean time
}

// Forged counts forged packets and their effects on the receivers of all trials.
type Forged struct {
	Heard   uint64 `json:"heard"`   // by receivers that were not done
	Refused uint64 `json:"refused"` // of Heard: recognised on arrival
	Stored  uint64 `json:"stored"`  // of Heard: accepted as genuine at first; the others were not needed

	Failed   Estimate `json:"failed"`   // share of the receivers that gave up or were given up
	Restarts int      `json:"restarts"` // wrong files, recognized by their SHA-256
	Wrong    int      `json:"wrong"`    // wrong files that were delivered: there must be none
}

// Layered describes the receivers behind bottlenecks of one rate, from 90 s after
// their join on. The Sent of its row counts the packets that the layers up to
// Carries bring from a receiver's join to its completion: 1 is a receiver that
// knew its level, and lost no more than the experiment lets it.
type Layered struct {
	Carries int       `json:"carries"`          // the highest level that the bottleneck carries, 0 if none
	Levels  []float64 `json:"levels"`           // shares of the time at each level
	Off     float64   `json:"off"`              // share of the time without any layer
	Changes float64   `json:"changes_per_hour"` // of the level of a receiver, mean
	Lost    float64   `json:"lost_ratio"`       // share of the packets of joined layers
}

// SetFigures are the least means of a [Set] that an ideal code makes possible, in the unit
// of Sent, whose K is the number of packets of all objects.
type SetFigures struct {
	Optimum  float64 `json:"optimum"`          // in any order
	Constant float64 `json:"optimum_constant"` // with packets of all objects that alternate at constant shares
}

// Measured are what real processes took: they differ from machine to machine.
type Measured struct {
	EncodeBytesPerSecond float64 `json:"encode_bytes_per_second"`
	DecodeBytesPerSecond float64 `json:"decode_bytes_per_second"`
	SenderCPUSeconds     float64 `json:"sender_cpu_seconds"`
	ReceiverCPUSeconds   float64 `json:"receiver_cpu_seconds"` // mean of the receivers
	SenderPeakBytes      uint64  `json:"sender_peak_bytes"`
	ReceiverPeakBytes    uint64  `json:"receiver_peak_bytes"` // largest of the receivers
	OwnDrops             uint64  `json:"own_drops"`           // by the receivers' hosts
}
