// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"iotupd/internal/quantity"
)

const setLoss = 5 // percent

// newNamedFile makes a file of random bytes of that name.
func newNamedFile(t *testing.T, name string, size int64) string {
	t.Helper()
	path := newFile(t, size)
	named := filepath.Join(filepath.Dir(path), name)
	if err := os.Rename(path, named); err != nil {
		t.Fatal(err)
	}
	return named
}

// sendSet starts a sender of several files.
func (h *host) sendSet(files []string, flags ...string) *process {
	h.t.Helper()
	return h.start(slices.Concat([]string{"send"}, files, flags)...)
}

// A waiting is a receiver, and when it has all packets that it needs.
type waiting struct {
	*process
	since     time.Time
	collected chan time.Time // one; closed at the end
}

// watch begins to wait for a receiver that has just begun to listen.
func (p *process) watch() *waiting {
	w := &waiting{process: p, since: time.Now(), collected: make(chan time.Time, 1)}
	go func() {
		defer close(w.collected)
		for e := range p.events {
			if e.Type == "collected" {
				w.collected <- time.Now()
			}
		}
	}()
	return w
}

// took waits until the receiver succeeds, and returns how long it waited for packets.
func (w *waiting) took() time.Duration {
	w.t.Helper()
	w.wantExit(0, "")
	at, ok := <-w.collected
	if !ok {
		w.t.Errorf("succeeded without all packets")
	}
	return at.Sub(w.since)
}

// Twelve models on one channel, each of which takes its own file: by signature and
// hardware, with nothing else to choose by.
func TestEachModelTakesItsOwnFileOfASet(t *testing.T) {
	t.Parallel()
	models, size, rate := 4, int64(200<<10), quantity.Rate(20_000_000)
	if full {
		models, size, rate = 12, 8*mib, 50_000_000
	}
	key := newKeyPair(t)
	l := newLab(t)
	sender := l.host(bothFamilies)
	var files, targets []string
	var receivers []*waiting
	var memory []func() int
	for i := range models {
		model := fmt.Sprintf("model-%d", i)
		file := newNamedFile(t, model+".bin", size)
		tool(t, binary, "sign", "-q", file, "-s", key.secret, "--sequence", fmt.Sprint(i+1), "--target", model)
		h := l.host(bothFamilies)
		h.lose(setLoss)
		files, targets = append(files, file), append(targets, newTarget(t))
		r := h.recv(targets[i], append(key.trust(newDir(t)), "--target", model)...)
		memory = append(memory, r.watchMemory())
		receivers = append(receivers, r.watch())
	}
	s := sender.sendSet(files, "--rate", fmt.Sprint(int64(rate)))
	s.wait("sending")
	begin := time.Now()
	for i, r := range receivers {
		r.since = begin
		took := r.took()
		wantSame(t, targets[i], files[i])
		cpu := r.processorTime()
		t.Logf("model %2d of %d: %.2f s until enough packets had arrived, at least %.2f s with an ideal code; %.2f s of CPU time, peak RSS %.1f MiB",
			i, models, took.Seconds(), idealSeconds(models, size, rate), cpu.Seconds(), float64(memory[i]())/1024)
	}
	s.kill()
	if full {
		compareAlone(t, files[0], rate/quantity.Rate(models))
	}
}

// idealSeconds is the time in which a code without overhead brings a file of a set of
// equal ones.
func idealSeconds(files int, size int64, rate quantity.Rate) float64 {
	const shard, packet = 1152, 1152 + 64 + 48
	packets := float64(files) * float64((size+shard-1)/shard) / (1 - setLoss/100.)
	return packets * packet * 8 / float64(rate)
}

// compareAlone shows what the file costs a receiver that hears nothing else.
func compareAlone(t *testing.T, file string, rate quantity.Rate) {
	t.Helper()
	l := newLab(t)
	sender, h := l.host(bothFamilies), l.host(bothFamilies)
	h.lose(setLoss)
	r := h.recv(newTarget(t))
	peak, w := r.watchMemory(), r.watch()
	s := sender.send(file, "--rate", fmt.Sprint(int64(rate)))
	took := w.took()
	t.Logf("the same file alone, at %v: %.2f s, %.2f s of CPU time, peak RSS %.1f MiB", rate, took.Seconds(), r.processorTime().Seconds(), float64(peak())/1024)
	s.kill()
}

// One receiver takes all files, small ones and a larger one, and loses some packets of each.
func TestAllFilesOfASetArriveDespiteLoss(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, h := l.host(bothFamilies), l.host(bothFamilies)
	h.lose(setLoss)
	var files []string
	for i := range 20 {
		files = append(files, newNamedFile(t, fmt.Sprintf("file-%02d.bin", i), int64(i*i*1000)))
	}
	dir := newDir(t)
	r := h.start("recv", "--all", "-d", dir)
	r.wait("listening")
	s := sender.sendSet(files, "--rate", "20000000", "--share", "size")
	e := r.wait("finished")
	r.wantExit(0, "")
	s.kill()
	if e.Lost == 0 {
		t.Error("nothing was lost")
	}
	for _, file := range files {
		tool(t, "cmp", filepath.Join(dir, filepath.Base(file)), file)
	}
}

// Each receiver gets the file that it names, or all files by one process for each, however
// the rate is shared. How long that takes is printed beside the simulation of the same
// files.
func TestFilesOfASetArriveForEveryShare(t *testing.T) {
	if !full {
		t.Parallel()
	}
	sizes, rate, each := []int64{20 << 10, 100 << 10, 300 << 10}, quantity.Rate(20_000_000), 1
	if full {
		sizes, rate, each = []int64{280 << 10, 2189 << 10, 17126 << 10}, 50_000_000, 4
	}
	var files, objects []string
	for i, size := range sizes {
		files = append(files, newNamedFile(t, fmt.Sprintf("file-%d.bin", i), size))
		objects = append(objects, fmt.Sprintf("%dK", size>>10))
	}
	for _, share := range []string{"sqrt", "size", "shortest"} {
		for _, want := range []string{"random", "start", "all"} {
			if !full && want != "all" {
				continue // there the receivers are the same
			}
			c := setCase{files: files, share: share, want: want, rate: rate, each: each}
			c.run(t)
		}
	}
	if full {
		simulated, err := toolOutput(t, binary, "bench", "-q", "--objects", strings.Join(objects, ","), "--loss", fmt.Sprintf("bernoulli:%d%%", setLoss), "--receivers", "100")
		t.Logf("simulated: %v\n%s", err, simulated)
	}
}

// A setCase is one way to send files, and to receive them.
type setCase struct {
	files       []string
	share, want string
	rate        quantity.Rate
	each        int // receivers of each file
}

// run receives all files on several hosts, and prints the times as multiples of the least
// time for all files.
func (c setCase) run(t *testing.T) {
	t.Helper()
	l := newLab(t)
	sender := l.host(bothFamilies)
	var hosts []*host
	for range c.each {
		h := l.host(bothFamilies)
		h.lose(setLoss)
		hosts = append(hosts, h)
	}
	total := 0.0 // seconds
	for _, file := range c.files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		total += idealSeconds(1, info.Size(), c.rate)
	}
	var s *process
	start := func() time.Time {
		s = sender.sendSet(c.files, "--share", c.share, "--rate", fmt.Sprint(int64(c.rate)))
		s.wait("sending")
		return time.Now()
	}
	begin := time.Now()
	if c.want != "start" {
		begin = start()
	}
	var receivers []*waiting
	var targets []string
	for i := range c.each * len(c.files) {
		if full && c.want == "random" { // within about a cycle of the sender, one after the other
			share := (float64(i) + rand.Float64()) / float64(c.each*len(c.files))
			time.Sleep(time.Until(begin.Add(time.Duration(share * 1.2 * total * float64(time.Second)))))
		}
		target := newTarget(t)
		targets = append(targets, target)
		receivers = append(receivers, hosts[i%c.each].recv(target, "--name", filepath.Base(c.files[i/c.each])).watch())
	}
	if c.want == "start" {
		begin = start()
	}
	took := make([]float64, len(receivers))
	for i, r := range receivers {
		if c.want == "start" {
			r.since = begin
		}
		took[i] = r.took().Seconds() / total
		wantSame(t, targets[i], c.files[i/c.each])
	}
	s.kill()
	if c.want == "all" { // the last file of each host
		for i := range c.each {
			for j := range c.files {
				took[i] = max(took[i], took[j*c.each+i])
			}
		}
		took = took[:c.each]
	}
	sum := 0.0
	for _, v := range took {
		sum += v
	}
	t.Logf("%-8s %-6s: mean %.3f, worst %.3f of %.2f s, which all files take at least; %d receivers", c.share, c.want, sum/float64(len(took)), slices.Max(took), total, len(took))
}
