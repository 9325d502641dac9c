// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !purego

#include "textflag.h"

// The low four bits of every byte. Uses BX.
#define NIBBLES(y, x) \
	MOVQ         $0x0f0f0f0f0f0f0f0f, BX \
	MOVQ         BX, x                   \
	VPBROADCASTQ x, y

// Adds the lookup of one digit of AX, at place, to Y0, Y2, Y4 and Y6.
#define DIGIT(place) \
	MOVQ  AX, BX                            \
	SHRQ  $(4*place), BX                    \
	ANDQ  $15, BX                           \
	SHLQ  $7, BX                            \
	VPXOR (2048*place+0)(SI)(BX*1), Y0, Y0  \
	VPXOR (2048*place+32)(SI)(BX*1), Y2, Y2 \
	VPXOR (2048*place+64)(SI)(BX*1), Y4, Y4 \
	VPXOR (2048*place+96)(SI)(BX*1), Y6, Y6

// Both halves of a register get the low bytes of a nibble's images, and of the
// next one the high bytes.
#define HALVES(low, high) \
	VPERM2I128 $0x11, low, low, high \
	VPERM2I128 $0x00, low, low, low

// The map of multiplier AX from the maps at SI to Y0 to Y7, the mask of nibbles
// to Y8.
#define MAP \
	VPXOR Y0, Y0, Y0 \
	VPXOR Y2, Y2, Y2 \
	VPXOR Y4, Y4, Y4 \
	VPXOR Y6, Y6, Y6 \
	DIGIT(0)         \
	DIGIT(1)         \
	DIGIT(2)         \
	DIGIT(3)         \
	HALVES(Y0, Y1)   \
	HALVES(Y2, Y3)   \
	HALVES(Y4, Y5)   \
	HALVES(Y6, Y7)   \
	NIBBLES(Y8, X8)

// Adds the map of the multiplier below 256 in AX, from those at SI, which acts
// on low and high bytes alike.
#define ADDBYTEMAP \
	SHLQ           $5, AX           \
	VBROADCASTI128 (SI)(AX*1), Y9   \
	VBROADCASTI128 16(SI)(AX*1), Y10 \
	VPXOR          Y9, Y0, Y0       \
	VPXOR          Y10, Y2, Y2      \
	VPXOR          Y9, Y5, Y5       \
	VPXOR          Y10, Y7, Y7

// Adds the images of the nibbles in Y13 to Y11 and Y12.
#define LOOKUP(low, high) \
	VPSHUFB Y13, low, Y14  \
	VPSHUFB Y13, high, Y15 \
	VPXOR   Y14, Y11, Y11  \
	VPXOR   Y15, Y12, Y12

// Adds the product of the elements in Y9 (low) and Y10 (high) to Y11 and Y12.
#define ADDPRODUCT \
	VPAND  Y8, Y9, Y13  \
	LOOKUP(Y0, Y1)      \
	VPSRLQ $4, Y9, Y13  \
	VPAND  Y8, Y13, Y13 \
	LOOKUP(Y2, Y3)      \
	VPAND  Y8, Y10, Y13 \
	LOOKUP(Y4, Y5)      \
	VPSRLQ $4, Y10, Y13 \
	VPAND  Y8, Y13, Y13 \
	LOOKUP(Y6, Y7)

// Pairs of halves: x at DI, y at DX; CX bytes of half, R8 pairs are left. R9 is
// the number of this pair. The next one has a multiplier of 2 more, which
// differs in bits 1 to 1+z where this number ends in z ones.
#define PAIRS \
	MOVQ    rows+0(FP), DI   \
	MOVQ    half+8(FP), R10  \
	MOVQ    pairs+16(FP), R8 \
	MOVQ    maps+24(FP), SI  \
	MOVWQZX w+32(FP), AX     \
	MAP                      \
	MOVQ    bytes+40(FP), SI \
	XORQ    R9, R9

#define NEXTPAIR(loop) \
	MOVQ R9, AX    \
	INCQ R9        \
	XORQ R9, AX    \
	SHLQ $1, AX    \
	ADDBYTEMAP     \
	DECQ R8        \
	JNZ  loop      \
	VZEROUPPER     \
	RET

// The map of a multiplier below 256.
#define BYTEMAP(w, low, high) \
	MOVWQZX        w, AX             \
	SHLQ           $5, AX            \
	VBROADCASTI128 (SI)(AX*1), low   \
	VBROADCASTI128 16(SI)(AX*1), high

#define QUARTERS \
	MOVQ rows+0(FP), DI           \
	MOVQ quarter+8(FP), R8        \
	MOVQ bytes+16(FP), SI         \
	MOVQ R8, CX                   \
	LEAQ (R8)(R8*2), R9           \
	BYTEMAP(outer+24(FP), Y4, Y5) \
	BYTEMAP(left+26(FP), Y0, Y1)  \
	BYTEMAP(right+28(FP), Y2, Y3) \
	NIBBLES(Y6, X6)

#define LOAD4 \
	VMOVDQU (DI), Y7       \
	VMOVDQU (DI)(R8*1), Y8 \
	VMOVDQU (DI)(R8*2), Y9 \
	VMOVDQU (DI)(R9*1), Y10

#define STORE4 \
	VMOVDQU Y7, (DI)       \
	VMOVDQU Y8, (DI)(R8*1) \
	VMOVDQU Y9, (DI)(R8*2) \
	VMOVDQU Y10, (DI)(R9*1)

// Adds the products of the bytes in y to those in x.
#define ADDBYTES(x, y, low, high) \
	VPAND   Y6, y, Y11     \
	VPSRLQ  $4, y, Y12     \
	VPAND   Y6, Y12, Y12   \
	VPSHUFB Y11, low, Y11  \
	VPSHUFB Y12, high, Y12 \
	VPXOR   Y11, x, x      \
	VPXOR   Y12, x, x

#define FFT2(x, y, low, high) \
	ADDBYTES(x, y, low, high) \
	VPXOR x, y, y

#define IFFT2(x, y, low, high) \
	VPXOR x, y, y \
	ADDBYTES(x, y, low, high)

// func productVector(dst, src *byte, n int, maps *lookups, w element)
TEXT ·productVector(SB), NOSPLIT, $0-34
	MOVQ    dst+0(FP), DI
	MOVQ    src+8(FP), DX
	MOVQ    n+16(FP), CX
	MOVQ    maps+24(FP), SI
	MOVWQZX w+32(FP), AX
	MAP

product:
	VMOVDQU (DX), Y9
	VMOVDQU 32(DX), Y10
	VPXOR   Y11, Y11, Y11
	VPXOR   Y12, Y12, Y12
	ADDPRODUCT
	VMOVDQU Y11, (DI)
	VMOVDQU Y12, 32(DI)
	ADDQ    $64, DI
	ADDQ    $64, DX
	SUBQ    $64, CX
	JNZ     product
	VZEROUPPER
	RET

// func addProductVector(x, y *byte, n int, maps *lookups, w element)
TEXT ·addProductVector(SB), NOSPLIT, $0-34
	MOVQ    x+0(FP), DI
	MOVQ    y+8(FP), DX
	MOVQ    n+16(FP), CX
	MOVQ    maps+24(FP), SI
	MOVWQZX w+32(FP), AX
	MAP

sum:
	VMOVDQU (DX), Y9
	VMOVDQU 32(DX), Y10
	VMOVDQU (DI), Y11
	VMOVDQU 32(DI), Y12
	ADDPRODUCT
	VMOVDQU Y11, (DI)
	VMOVDQU Y12, 32(DI)
	ADDQ    $64, DI
	ADDQ    $64, DX
	SUBQ    $64, CX
	JNZ     sum
	VZEROUPPER
	RET

// func fft2Vector(rows *byte, half, pairs int, maps *lookups, w element, bytes *[256][2][16]byte, which uint64)
TEXT ·fft2Vector(SB), NOSPLIT, $0-56
	PAIRS
	MOVQ which+48(FP), R11

pair:
	LEAQ (DI)(R10*1), DX
	MOVQ R10, CX
	SHRQ $1, R11
	JCC  skip

fft2:
	VMOVDQU (DX), Y9
	VMOVDQU 32(DX), Y10
	VMOVDQU (DI), Y11
	VMOVDQU 32(DI), Y12
	ADDPRODUCT
	VMOVDQU Y11, (DI)
	VMOVDQU Y12, 32(DI)
	VPXOR   Y11, Y9, Y9
	VPXOR   Y12, Y10, Y10
	VMOVDQU Y9, (DX)
	VMOVDQU Y10, 32(DX)
	ADDQ    $64, DI
	ADDQ    $64, DX
	SUBQ    $64, CX
	JNZ     fft2
	MOVQ    DX, DI
	NEXTPAIR(pair)

skip:
	LEAQ (DI)(R10*2), DI
	NEXTPAIR(pair)

// func ifft2Vector(rows *byte, half, pairs int, maps *lookups, w element, bytes *[256][2][16]byte)
TEXT ·ifft2Vector(SB), NOSPLIT, $0-48
	PAIRS

pair:
	LEAQ (DI)(R10*1), DX
	MOVQ R10, CX

ifft2:
	VMOVDQU (DI), Y11
	VMOVDQU 32(DI), Y12
	VPXOR   (DX), Y11, Y9
	VPXOR   32(DX), Y12, Y10
	VMOVDQU Y9, (DX)
	VMOVDQU Y10, 32(DX)
	ADDPRODUCT
	VMOVDQU Y11, (DI)
	VMOVDQU Y12, 32(DI)
	ADDQ    $64, DI
	ADDQ    $64, DX
	SUBQ    $64, CX
	JNZ     ifft2
	MOVQ    DX, DI
	NEXTPAIR(pair)

// func fft4Vector(rows *byte, quarter int, bytes *[256][2][16]byte, outer, left, right element)
TEXT ·fft4Vector(SB), NOSPLIT, $0-30
	QUARTERS

fft4:
	LOAD4
	FFT2(Y7, Y9, Y4, Y5)
	FFT2(Y8, Y10, Y4, Y5)
	FFT2(Y7, Y8, Y0, Y1)
	FFT2(Y9, Y10, Y2, Y3)
	STORE4
	ADDQ $32, DI
	SUBQ $32, CX
	JNZ  fft4
	VZEROUPPER
	RET

// func ifft4Vector(rows *byte, quarter int, bytes *[256][2][16]byte, outer, left, right element)
TEXT ·ifft4Vector(SB), NOSPLIT, $0-30
	QUARTERS

ifft4:
	LOAD4
	IFFT2(Y7, Y8, Y0, Y1)
	IFFT2(Y9, Y10, Y2, Y3)
	IFFT2(Y7, Y9, Y4, Y5)
	IFFT2(Y8, Y10, Y4, Y5)
	STORE4
	ADDQ $32, DI
	SUBQ $32, CX
	JNZ  ifft4
	VZEROUPPER
	RET
