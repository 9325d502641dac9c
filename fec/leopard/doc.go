// SPDX-License-Identifier: GPL-2.0-or-later

// Package leopard is the Reed-Solomon code over GF(2^16) with fast transforms
// that is known as Leopard: any K of the K+M shards of a group rebuild the
// others. It makes the same code words as the library
// github.com/klauspost/reedsolomon, to the bit, with 0.3 MB of tables instead
// of 75.
//
// # What a group is
//
// A shard is a row of elements: two bytes each, 32 low bytes and then the 32
// high bytes of the same elements in every 64 bytes. Elements at the same place
// of all shards of a group are a code word, apart from all others. So columns of
// shards can be worked on after each other, in little memory, or at the same
// time.
//
// The elements of a code word are the values of one polynomial at points of the
// field. With m the power of two that is not less than M, the points 0 to m-1
// belong to parity, those from m on to data; where there are fewer parity shards
// than m, points belong to shards that nobody makes. Data from m+K to the next
// multiple of m are zero. The polynomial is the sum of polynomials of degree
// less than m, each of which takes the values of m data shards: that is what
// encoding calculates, and why it takes 1/m of the time that a polynomial of
// full degree would.
//
// # The field and its basis
//
// GF(2^16) is the polynomials modulo x^16+x^5+x^3+x^2+1. Its elements are
// written as coordinates for the Cantor basis v_0 = 1, v_i^2 + v_i = v_(i-1).
// The number p, read as such coordinates, is also the point p: shards and points
// need no table to find each other.
//
// For each level i there is the polynomial s_i whose roots are the 2^i points
// with no coordinate from i on. It is linear, and normalized to s_i(v_i) = 1 it
// takes the point p to p >> i. The products of these polynomials, of s_i for
// every bit i of a number r, are a basis for the polynomials of degree less than
// n if r runs from 0 to n-1. The transforms go between coefficients in this
// basis and values at points, in lg n levels of n/2 butterflies: x += w*y, y +=
// x, where w is what s_i takes the point to. That is due to Lin, Chung and Han
// [1]; a table of multipliers is not needed, since w is a shift of the point.
//
// Multiplications within the transforms use coordinates for another basis, the
// products u_b of v_1, v_2, v_4 and v_8. There a multiplier below 256, and that
// is most of them, is an element of GF(2^8) that acts on the low and the high
// byte of an element alike. The change of basis is part of the multiplication
// with which a row enters and leaves the transforms.
//
// # Rebuilding
//
// As [2] and [3] do: the polynomial of the group times the one whose roots are
// the points that are missing has known values everywhere. Interpolate it,
// differentiate, evaluate: at a root the derivative of the product is the
// shard that is looked for times a factor. Those factors are products of
// distances, found as sums of logarithms by two Walsh-Hadamard transforms
// ([locator]). Differentiating is cheap in this basis: the derivative of a
// product of s_i is the sum of the products without one of them. Of the
// transforms, parts are left out where all input is zero or no output is needed;
// where K is at most m, half of the inverse transform's last level, of the
// derivative and of the transform's first level fall away too. Few missing
// shards are a direct sum of the others, and no transform at all.
//
// # Forms
//
// The arithmetic has two forms ([kernel]). Bit planes, in plain Go, calculate
// with 32 or 64 elements at once in 16 words. Vector units look up products of
// nibbles by shuffling bytes, on amd64 with AVX2 and on arm64. The build tag
// purego leaves them out. Both make the same bytes; the tests compare them with
// each other and with the library.
//
// Tables are made once, when they are first needed, shared, and never changed;
// only the buffers of an [Encoder] or [Decoder] change.
//
// [1] S.-J. Lin, W.-H. Chung, Y. S. Han: Novel Polynomial Basis and Its
// Application to Reed-Solomon Erasure Codes. FOCS 2014.
//
// [2] S.-J. Lin, T. Y. Al-Naffouri, Y. S. Han, W.-H. Chung: Novel Polynomial
// Basis With Fast Fourier Transform and Its Application to Reed-Solomon Erasure
// Codes. IEEE Transactions on Information Theory 62 (2016).
//
// [3] C. A. Taylor: Leopard-RS, https://github.com/catid/leopard, whose basis
// and order of bytes this package has, and which the library is a port of.
//
// On the basis: D. G. Cantor: On arithmetical algorithms over finite fields.
// Journal of Combinatorial Theory A 50 (1989).
package leopard
