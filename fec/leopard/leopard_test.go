// SPDX-License-Identifier: GPL-2.0-or-later

package leopard

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/klauspost/reedsolomon"
)

// The library has made the parity of every object so far: what it makes is the
// protocol. It needs 72 MiB of tables for that.

var patterns = flag.Int("patterns", 0, "compare so `many` patterns of loss for every class of shapes, large ones too; 0 is a few, for small ones")

// A group is data with the parity that the library makes.
type group struct {
	k, m, size int
	shards     [][]byte
}

func newGroup(t testing.TB, k, m, size int, rnd *rand.Rand) *group {
	t.Helper()
	g := &group{k: k, m: m, size: size, shards: make([][]byte, k+m)}
	memory := make([]byte, (k+m)*size)
	for i := range g.shards {
		g.shards[i] = memory[i*size:][:size:size]
	}
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rnd.Uint32())
	}
	rand.NewChaCha8(seed).Read(memory[:k*size])
	if err := newLibrary(t, k, m).Encode(g.shards); err != nil {
		t.Fatal(err)
	}
	return g
}

func newLibrary(t testing.TB, k, m int) reedsolomon.Encoder {
	t.Helper()
	rs, err := reedsolomon.New(k, m, reedsolomon.WithLeopardGF16(true), reedsolomon.WithInversionCache(false))
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// kernels are all that this machine has for columns of width bytes.
func kernels(width int) map[string]kernel {
	all := map[string]kernel{"planes32": planes32()}
	if width%planeUnit64 == 0 {
		all["planes64"] = planes64()
	}
	if hasVectors() {
		all["vectors"] = vectors()
	}
	return all
}

func newTestEncoder(t testing.TB, k, m, width int, kernel kernel) *Encoder {
	t.Helper()
	e, err := NewEncoder(k, m, width)
	if err != nil {
		t.Fatal(err)
	}
	e.kernel = fixed(kernel)
	return e
}

func newTestDecoder(t testing.TB, k, m, width int, kernel kernel) *Decoder {
	t.Helper()
	d, err := NewDecoder(k, m, width)
	if err != nil {
		t.Fatal(err)
	}
	d.kernel = fixed(kernel)
	return d
}

// fixed gives the larger planes up where columns do not fit them, as kernelFor.
func fixed(k kernel) func(int) kernel {
	return func(width int) kernel {
		if k == planes64() && width%planeUnit64 != 0 {
			return planes32()
		}
		return k
	}
}

// wantEncoded fails unless kernel makes the parity of g, width columns at a time.
func (g *group) wantEncoded(t testing.TB, name string, kernel kernel, width int) {
	t.Helper()
	e := newTestEncoder(t, g.k, g.m, width, kernel)
	parity := make([]byte, g.m*g.size)
	for column := 0; column < g.size; column += width {
		n := min(width, g.size-column)
		e.Encode(n,
			func(i int) []byte { return g.shards[i][column:] },
			func(j int) []byte { return parity[j*g.size+column:] })
	}
	if !bytes.Equal(parity, bytes.Join(g.shards[g.k:], nil)) {
		t.Fatalf("%s: %d+%d shards, %d of %d columns: other parity than the library's", name, g.k, g.m, width, g.size)
	}
}

// wantRebuilt fails unless d rebuilds g from the shards in used.
func (g *group) wantRebuilt(t testing.TB, name string, d *Decoder, used []int) {
	t.Helper()
	d.Choose(used)
	width := min(d.Fit(), g.size)
	for column := 0; column < g.size; column += width {
		d.Columns(min(width, g.size-column))
		for _, i := range used {
			copy(d.Row(i), g.shards[i][column:])
			d.Filled(i)
		}
		d.Rebuild()
		for i := range g.k {
			if row := d.Row(i); d.missing.has(d.point(i)) && !bytes.Equal(row, g.shards[i][column:][:len(row)]) {
				t.Fatalf("%s: %d+%d shards, %d of %d columns: shard %d is wrong, from %v", name, g.k, g.m, width, g.size, i, used)
			}
		}
	}
}

// losing returns which shards of a group to use if so many data shards are
// missing, at random, and parity that is as random.
func losing(k, m, missing int, rnd *rand.Rand) []int {
	used := rnd.Perm(k)[missing:]
	for _, j := range rnd.Perm(m)[:missing] {
		used = append(used, k+j)
	}
	return used
}

func TestEveryClassOfShapes(t *testing.T) {
	rnd := newRand(t)
	edges := func(class int) []int { // the least and the greatest number of the class
		return slices.Compact([]int{1<<class/2 + 1, 1 << class})
	}
	for a := 0; a <= 16; a++ {
		for b := 0; b <= 15; b++ {
			t.Run(fmt.Sprintf("K<=%d/M<=%d", 1<<a, 1<<b), func(t *testing.T) {
				for _, k := range edges(a) {
					for _, m := range edges(b) {
						room := order - 1<<b
						if few := k+m <= 200 || k+m <= 1100 && !testing.Short(); (few || *patterns > 0) && min(k, room) > 1<<a/2 {
							compareShape(t, min(k, room), m, rnd)
						}
					}
				}
			})
		}
	}
}

func compareShape(t *testing.T, k, m int, rnd *rand.Rand) {
	g := newGroup(t, k, m, 128, rnd)
	times := max(4, *patterns)
	for name, kernel := range kernels(128) {
		g.wantEncoded(t, name, kernel, 128)
		d := newTestDecoder(t, k, m, 128, kernel)
		for i := range times {
			most := min(k, m)
			missing := most
			switch { // few and all more often than by chance
			case i%4 == 1:
				missing = 1 + rnd.IntN(min(most, few+2))
			case i%4 > 1:
				missing = 1 + rnd.IntN(most)
			}
			g.wantRebuilt(t, name, d, losing(k, m, missing, rnd))
		}
	}
}

func TestSeveralShapes(t *testing.T) {
	rnd := newRand(t)
	for _, shape := range [][2]int{{1, 1}, {2, 3}, {100, 30}, {315, 315}, {911, 2048}} {
		compareShape(t, shape[0], shape[1], rnd)
	}
}

func TestTheLargestShapes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds, and the memory of the library")
	}
	rnd := newRand(t)
	for _, shape := range [][2]int{{8192, 8192}, {6144, 2048}, {32768, 32768}, {16384, 5461}, {65535, 1}, {1, 32768}, {40000, 16384}} {
		g := newGroup(t, shape[0], shape[1], 64, rnd)
		for name, kernel := range kernels(64) {
			g.wantEncoded(t, name, kernel, 64)
			d := newTestDecoder(t, g.k, g.m, 64, kernel)
			g.wantRebuilt(t, name, d, losing(g.k, g.m, min(g.k, g.m), rnd))
		}
	}
}

func TestColumnsAreIndependent(t *testing.T) {
	rnd := newRand(t)
	for _, size := range []int{64, 576, 1152} {
		g := newGroup(t, 70, 41, size, rnd)
		for width := 64; width <= size; width += 64 {
			for name, kernel := range kernels(width) {
				g.wantEncoded(t, name, kernel, width)
				d := newTestDecoder(t, g.k, g.m, width, kernel)
				for _, missing := range []int{1, few, few + 1, 41} {
					g.wantRebuilt(t, name, d, losing(g.k, g.m, missing, rnd))
				}
			}
		}
	}
}

func TestCodersAtTheSameTime(t *testing.T) {
	rnd := newRand(t)
	g := newGroup(t, 300, 300, 128, rnd)
	var wg sync.WaitGroup
	for range 4 {
		used := losing(g.k, g.m, 1+rnd.IntN(300), rnd)
		wg.Go(func() {
			for name, kernel := range kernels(128) {
				d := newTestDecoder(t, g.k, g.m, 128, kernel)
				g.wantEncoded(t, name, kernel, 128)
				g.wantRebuilt(t, name, d, used)
			}
		})
	}
	wg.Wait()
}

func TestCodersTakeNoMoreThanTheySay(t *testing.T) {
	theField()
	kernelFor(128)
	for _, shape := range [][2]int{{1, 1}, {130, 512}, {911, 2048}, {6144, 2048}, {8192, 8192}} {
		k, m := shape[0], shape[1]
		for _, width := range []int{64, 128, 1152} {
			var e *Encoder
			var d *Decoder
			for what, c := range map[string]struct {
				want int
				make func()
			}{
				"encoder": {EncoderMemory(k, m, width), func() { e, _ = NewEncoder(k, m, width) }},
				"decoder": {DecoderMemory(k, m, width), func() { d, _ = NewDecoder(k, m, width) }},
			} {
				// The runtime rounds a request up to one of its sizes.
				if got := allocated(c.make); got < c.want || got > c.want+c.want/7+8<<10 {
					t.Errorf("%d+%d, %d columns: the %s took %d bytes, said %d", k, m, width, what, got, c.want)
				}
			}
			if k+m > 3000 {
				continue
			}
			data, parity := newMemory(width), newMemory(width)
			used := losing(k, m, min(k, m), newRand(t))
			got := allocated(func() {
				e.Encode(width, func(int) []byte { return data }, func(int) []byte { return parity })
				d.Choose(used)
				d.Columns(width)
				for _, i := range used {
					d.Row(i)[0] = 1
					d.Filled(i)
				}
				d.Rebuild()
			})
			if got > 4<<10 {
				t.Errorf("%d+%d, %d columns: the work took %d bytes more", k, m, width, got)
			}
		}
	}
}

func TestTablesAreSmall(t *testing.T) {
	got := allocated(func() {
		f := makeField()
		newPlanes[uint32](f)
		newPlanes[uint64](f)
	})
	if got > 1<<20 {
		t.Errorf("the tables take %d bytes, with what is garbage afterwards", got)
	}
}

func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

func TestImpossibleShapes(t *testing.T) {
	for _, s := range []struct{ k, m, width int }{
		{0, 1, 64}, {1, 0, 64}, {-1, 5, 64}, {65536, 1, 64}, {32769, 32768, 64}, {1, 32769, 64},
		{5, 3, 0}, {5, 3, 63}, {5, 3, 96}, {5, 3, -64},
	} {
		if _, err := NewEncoder(s.k, s.m, s.width); err == nil {
			t.Errorf("%+v: an encoder was made", s)
		}
		if _, err := NewDecoder(s.k, s.m, s.width); err == nil {
			t.Errorf("%+v: a decoder was made", s)
		}
	}
}

func FuzzCode(f *testing.F) {
	f.Add(uint16(5), uint16(3), uint16(2), uint8(0), uint64(1))
	f.Add(uint16(149), uint16(40), uint16(40), uint8(1), uint64(2))
	f.Add(uint16(60), uint16(140), uint16(9), uint8(2), uint64(3))
	f.Fuzz(func(t *testing.T, k, m, missing uint16, width uint8, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		g := newGroup(t, 1+int(k%150), 1+int(m%150), 384, rnd)
		columns := []int{64, 128, 192, 384}[width%4]
		used := losing(g.k, g.m, int(missing)%(1+min(g.k, g.m)), rnd)
		for name, kernel := range kernels(columns) {
			g.wantEncoded(t, name, kernel, columns)
			d := newTestDecoder(t, g.k, g.m, columns, kernel)
			g.wantRebuilt(t, name, d, used)
		}
	})
}

// BenchmarkTables is what the first use in a process takes longer.
func BenchmarkTables(b *testing.B) {
	for name, make := range map[string]func(*field) kernel{
		"planes32": func(f *field) kernel { return newPlanes[uint32](f) },
		"planes64": func(f *field) kernel { return newPlanes[uint64](f) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				make(makeField())
			}
		})
	}
}

var benchmarkShapes = [][2]int{{8192, 8192}, {1024, 1024}, {911, 2048}, {6144, 2048}, {315, 315}}

// The library in these benchmarks is as the tests get it: with the vector units
// of this machine, or with -tags noasm in plain Go.

func BenchmarkEncode(b *testing.B) {
	const size = 1152
	for _, shape := range benchmarkShapes {
		k, m := shape[0], shape[1]
		g := newGroup(b, k, m, size, rand.New(rand.NewPCG(1, 2)))
		parity := make([]byte, m*size)
		for _, width := range []int{1152, 384, 128} {
			for _, name := range []string{"vectors", "planes64", "planes32"} {
				kernel := kernels(width)[name]
				if kernel == nil {
					continue
				}
				b.Run(fmt.Sprintf("k=%d/m=%d/form=%s/columns=%d", k, m, name, width), func(b *testing.B) {
					e := newTestEncoder(b, k, m, width, kernel)
					b.SetBytes(int64(k * size))
					for b.Loop() {
						for column := 0; column < size; column += width {
							e.Encode(width,
								func(i int) []byte { return g.shards[i][column:][:width] },
								func(j int) []byte { return parity[j*size+column:][:width] })
						}
					}
				})
			}
		}
		b.Run(fmt.Sprintf("k=%d/m=%d/form=library/columns=%d", k, m, size), func(b *testing.B) {
			rs := newLibrary(b, k, m)
			b.SetBytes(int64(k * size))
			for b.Loop() {
				if err := rs.Encode(g.shards); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecode has the first parity shards instead of the missing data.
func BenchmarkDecode(b *testing.B) {
	const size = 1152
	for _, shape := range benchmarkShapes {
		k, m := shape[0], shape[1]
		rnd := rand.New(rand.NewPCG(1, 2))
		g := newGroup(b, k, m, size, rnd)
		for _, loss := range []struct {
			name    string
			missing int
		}{{"1", 1}, {"1%", k / 100}, {"10%", k / 10}, {"all", k}} {
			if loss.missing > m {
				continue
			}
			missing := rnd.Perm(k)[:loss.missing]
			var used []int
			for i := range k {
				if !slices.Contains(missing, i) {
					used = append(used, i)
				}
			}
			for j := range loss.missing {
				used = append(used, k+j)
			}
			for _, width := range []int{1152, 384, 128} {
				for _, name := range []string{"vectors", "planes64", "planes32"} {
					kernel := kernels(width)[name]
					if kernel == nil {
						continue
					}
					b.Run(fmt.Sprintf("k=%d/m=%d/missing=%s/form=%s/columns=%d", k, m, loss.name, name, width), func(b *testing.B) {
						d := newTestDecoder(b, k, m, width, kernel)
						b.SetBytes(int64(k * size))
						for b.Loop() {
							d.Choose(used)
							columns := min(d.Fit(), size)
							for column := 0; column < size; column += columns {
								d.Columns(min(columns, size-column))
								for _, i := range used {
									copy(d.Row(i), g.shards[i][column:])
									d.Filled(i)
								}
								d.Rebuild()
							}
						}
					})
				}
			}
			b.Run(fmt.Sprintf("k=%d/m=%d/missing=%s/form=library/columns=%d", k, m, loss.name, size), func(b *testing.B) {
				rs := newLibrary(b, k, m)
				shards := make([][]byte, k+m)
				b.SetBytes(int64(k * size))
				for b.Loop() {
					clear(shards)
					for _, i := range used {
						shards[i] = g.shards[i]
					}
					for _, i := range missing {
						shards[i] = g.shards[i][:0]
					}
					if err := rs.ReconstructData(shards); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
