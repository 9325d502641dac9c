// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !purego

#include "textflag.h"

// The low four bits of every byte.
#define NIBBLES(v) VMOVI $15, v.B16

// Adds the lookup of one digit of R4, at place, to V0 to V7.
#define DIGIT(place) \
	LSR  $(4*place), R4, R5                            \
	AND  $15, R5, R5                                   \
	LSL  $7, R5, R5                                    \
	ADD  $(2048*place), R5, R5                         \
	ADD  R3, R5, R5                                    \
	VLD1 (R5), [V24.B16, V25.B16, V26.B16, V27.B16]    \
	ADD  $64, R5, R5                                   \
	VLD1 (R5), [V28.B16, V29.B16, V30.B16, V31.B16]    \
	VEOR V24.B16, V0.B16, V0.B16                       \
	VEOR V25.B16, V1.B16, V1.B16                       \
	VEOR V26.B16, V2.B16, V2.B16                       \
	VEOR V27.B16, V3.B16, V3.B16                       \
	VEOR V28.B16, V4.B16, V4.B16                       \
	VEOR V29.B16, V5.B16, V5.B16                       \
	VEOR V30.B16, V6.B16, V6.B16                       \
	VEOR V31.B16, V7.B16, V7.B16

// The map of multiplier R4 from the maps at R3 to V0 to V7: for each nibble the
// low bytes of its images, then the high bytes. The mask of nibbles to V8.
#define MAP \
	VEOR V0.B16, V0.B16, V0.B16 \
	VEOR V1.B16, V1.B16, V1.B16 \
	VEOR V2.B16, V2.B16, V2.B16 \
	VEOR V3.B16, V3.B16, V3.B16 \
	VEOR V4.B16, V4.B16, V4.B16 \
	VEOR V5.B16, V5.B16, V5.B16 \
	VEOR V6.B16, V6.B16, V6.B16 \
	VEOR V7.B16, V7.B16, V7.B16 \
	DIGIT(0)                    \
	DIGIT(1)                    \
	DIGIT(2)                    \
	DIGIT(3)                    \
	NIBBLES(V8)

// Adds the images of the nibbles in V20 to low and high.
#define LOOKUP(tablelow, tablehigh, low, high) \
	VTBL V20.B16, [tablelow.B16], V21.B16  \
	VTBL V20.B16, [tablehigh.B16], V22.B16 \
	VEOR V21.B16, low.B16, low.B16         \
	VEOR V22.B16, high.B16, high.B16

// Adds the products of the elements in ylow and yhigh to xlow and xhigh.
#define ADDPRODUCT(ylow, yhigh, xlow, xhigh) \
	VAND  V8.B16, ylow.B16, V20.B16  \
	LOOKUP(V0, V1, xlow, xhigh)      \
	VUSHR $4, ylow.B16, V20.B16      \
	LOOKUP(V2, V3, xlow, xhigh)      \
	VAND  V8.B16, yhigh.B16, V20.B16 \
	LOOKUP(V4, V5, xlow, xhigh)      \
	VUSHR $4, yhigh.B16, V20.B16     \
	LOOKUP(V6, V7, xlow, xhigh)

// Units: y in V9 to V12, x in V13 to V16; the low bytes, then the high bytes.
#define LOADX(p) VLD1 (p), [V13.B16, V14.B16, V15.B16, V16.B16]
#define LOADY(p) VLD1 (p), [V9.B16, V10.B16, V11.B16, V12.B16]
#define STOREX(p) VST1.P [V13.B16, V14.B16, V15.B16, V16.B16], 64(p)
#define STOREY(p) VST1.P [V9.B16, V10.B16, V11.B16, V12.B16], 64(p)

#define ADDUNIT \
	ADDPRODUCT(V9, V11, V13, V15)  \
	ADDPRODUCT(V10, V12, V14, V16)

#define XTOY \
	VEOR V13.B16, V9.B16, V9.B16   \
	VEOR V14.B16, V10.B16, V10.B16 \
	VEOR V15.B16, V11.B16, V11.B16 \
	VEOR V16.B16, V12.B16, V12.B16

#define ZEROX \
	VEOR V13.B16, V13.B16, V13.B16 \
	VEOR V14.B16, V14.B16, V14.B16 \
	VEOR V15.B16, V15.B16, V15.B16 \
	VEOR V16.B16, V16.B16, V16.B16

// Pairs of halves: x at R0, y at R1; R2 bytes of half, R6 pairs are left. R7 is
// the number of this pair. The next one has a multiplier of 2 more, which
// differs in bits 1 to 1+z where this number ends in z ones.
#define PAIRS \
	MOVD rows+0(FP), R0   \
	MOVD half+8(FP), R8   \
	MOVD pairs+16(FP), R6 \
	MOVD maps+24(FP), R3  \
	MOVHU w+32(FP), R4    \
	MAP                   \
	MOVD bytes+40(FP), R3 \
	MOVD ZR, R7

// Adds the map of the multiplier, below 256, between this pair and the next. It
// acts on low and high bytes alike.
#define NEXTPAIR(loop) \
	ADD  $1, R7, R5               \
	EOR  R5, R7, R4               \
	MOVD R5, R7                   \
	ADD  R4<<6, R3, R4            \
	VLD1 (R4), [V9.B16, V10.B16]  \
	VEOR V9.B16, V0.B16, V0.B16   \
	VEOR V10.B16, V2.B16, V2.B16  \
	VEOR V9.B16, V5.B16, V5.B16   \
	VEOR V10.B16, V7.B16, V7.B16  \
	SUBS $1, R6, R6               \
	BNE  loop                     \
	RET

// The map of a multiplier below 256.
#define BYTEMAP(w, low, high) \
	MOVHU w, R4                          \
	ADD   R4<<5, R3, R4                  \
	VLD1  (R4), [low.B16, high.B16]

#define QUARTERS \
	MOVD rows+0(FP), R0           \
	MOVD quarter+8(FP), R2        \
	MOVD bytes+16(FP), R3         \
	ADD  R2, R0, R8               \
	ADD  R2, R8, R9               \
	ADD  R2, R9, R10              \
	BYTEMAP(outer+24(FP), V4, V5) \
	BYTEMAP(left+26(FP), V0, V1)  \
	BYTEMAP(right+28(FP), V2, V3) \
	NIBBLES(V6)

#define LOAD4 \
	VLD1 (R0), [V7.B16, V8.B16]    \
	VLD1 (R8), [V9.B16, V10.B16]   \
	VLD1 (R9), [V11.B16, V12.B16]  \
	VLD1 (R10), [V13.B16, V14.B16]

#define STORE4 \
	VST1.P [V7.B16, V8.B16], 32(R0)    \
	VST1.P [V9.B16, V10.B16], 32(R8)   \
	VST1.P [V11.B16, V12.B16], 32(R9)  \
	VST1.P [V13.B16, V14.B16], 32(R10)

// Adds the products of the bytes in y to those in x.
#define ADDBYTES(x, y, low, high) \
	VAND  V6.B16, y.B16, V20.B16       \
	VUSHR $4, y.B16, V21.B16           \
	VTBL  V20.B16, [low.B16], V20.B16  \
	VTBL  V21.B16, [high.B16], V21.B16 \
	VEOR  V20.B16, x.B16, x.B16        \
	VEOR  V21.B16, x.B16, x.B16

#define FFT2(x, y, low, high) \
	ADDBYTES(x, y, low, high) \
	VEOR x.B16, y.B16, y.B16

#define IFFT2(x, y, low, high) \
	VEOR x.B16, y.B16, y.B16  \
	ADDBYTES(x, y, low, high)

// func productVector(dst, src *byte, n int, maps *lookups, w element)
TEXT ·productVector(SB), NOSPLIT, $0-34
	MOVD  dst+0(FP), R0
	MOVD  src+8(FP), R1
	MOVD  n+16(FP), R2
	MOVD  maps+24(FP), R3
	MOVHU w+32(FP), R4
	MAP

product:
	LOADY(R1)
	ADD  $64, R1, R1
	ZEROX
	ADDUNIT
	STOREX(R0)
	SUBS $64, R2, R2
	BNE  product
	RET

// func addProductVector(x, y *byte, n int, maps *lookups, w element)
TEXT ·addProductVector(SB), NOSPLIT, $0-34
	MOVD  x+0(FP), R0
	MOVD  y+8(FP), R1
	MOVD  n+16(FP), R2
	MOVD  maps+24(FP), R3
	MOVHU w+32(FP), R4
	MAP

sum:
	LOADY(R1)
	ADD  $64, R1, R1
	LOADX(R0)
	ADDUNIT
	STOREX(R0)
	SUBS $64, R2, R2
	BNE  sum
	RET

// func fft2Vector(rows *byte, half, pairs int, maps *lookups, w element, bytes *[256][2][16]byte, which uint64)
TEXT ·fft2Vector(SB), NOSPLIT, $0-56
	PAIRS
	MOVD which+48(FP), R11

pair:
	ADD  R8, R0, R1
	MOVD R8, R2
	TBZ  $0, R11, skip

fft2:
	LOADY(R1)
	LOADX(R0)
	ADDUNIT
	XTOY
	STOREX(R0)
	STOREY(R1)
	SUBS $64, R2, R2
	BNE  fft2
	MOVD R1, R0
	LSR  $1, R11, R11
	NEXTPAIR(pair)

skip:
	ADD  R8, R1, R0
	LSR  $1, R11, R11
	NEXTPAIR(pair)

// func ifft2Vector(rows *byte, half, pairs int, maps *lookups, w element, bytes *[256][2][16]byte)
TEXT ·ifft2Vector(SB), NOSPLIT, $0-48
	PAIRS

pair:
	ADD  R8, R0, R1
	MOVD R8, R2

ifft2:
	LOADY(R1)
	LOADX(R0)
	XTOY
	ADDUNIT
	STOREX(R0)
	STOREY(R1)
	SUBS $64, R2, R2
	BNE  ifft2
	MOVD R1, R0
	NEXTPAIR(pair)

// func fft4Vector(rows *byte, quarter int, bytes *[256][2][16]byte, outer, left, right element)
TEXT ·fft4Vector(SB), NOSPLIT, $0-30
	QUARTERS

fft4:
	LOAD4
	FFT2(V7, V11, V4, V5)
	FFT2(V8, V12, V4, V5)
	FFT2(V9, V13, V4, V5)
	FFT2(V10, V14, V4, V5)
	FFT2(V7, V9, V0, V1)
	FFT2(V8, V10, V0, V1)
	FFT2(V11, V13, V2, V3)
	FFT2(V12, V14, V2, V3)
	STORE4
	SUBS $32, R2, R2
	BNE  fft4
	RET

// func ifft4Vector(rows *byte, quarter int, bytes *[256][2][16]byte, outer, left, right element)
TEXT ·ifft4Vector(SB), NOSPLIT, $0-30
	QUARTERS

ifft4:
	LOAD4
	IFFT2(V7, V9, V0, V1)
	IFFT2(V8, V10, V0, V1)
	IFFT2(V11, V13, V2, V3)
	IFFT2(V12, V14, V2, V3)
	IFFT2(V7, V11, V4, V5)
	IFFT2(V8, V12, V4, V5)
	IFFT2(V9, V13, V4, V5)
	IFFT2(V10, V14, V4, V5)
	STORE4
	SUBS $32, R2, R2
	BNE  ifft4
	RET
