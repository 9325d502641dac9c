// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !purego

#include "textflag.h"

// The constants of the 64 rounds, FIPS 180-4 section 4.2.2.
DATA ·constants+0(SB)/8, $0x71374491428a2f98
DATA ·constants+8(SB)/8, $0xe9b5dba5b5c0fbcf
DATA ·constants+16(SB)/8, $0x59f111f13956c25b
DATA ·constants+24(SB)/8, $0xab1c5ed5923f82a4
DATA ·constants+32(SB)/8, $0x12835b01d807aa98
DATA ·constants+40(SB)/8, $0x550c7dc3243185be
DATA ·constants+48(SB)/8, $0x80deb1fe72be5d74
DATA ·constants+56(SB)/8, $0xc19bf1749bdc06a7
DATA ·constants+64(SB)/8, $0xefbe4786e49b69c1
DATA ·constants+72(SB)/8, $0x240ca1cc0fc19dc6
DATA ·constants+80(SB)/8, $0x4a7484aa2de92c6f
DATA ·constants+88(SB)/8, $0x76f988da5cb0a9dc
DATA ·constants+96(SB)/8, $0xa831c66d983e5152
DATA ·constants+104(SB)/8, $0xbf597fc7b00327c8
DATA ·constants+112(SB)/8, $0xd5a79147c6e00bf3
DATA ·constants+120(SB)/8, $0x1429296706ca6351
DATA ·constants+128(SB)/8, $0x2e1b213827b70a85
DATA ·constants+136(SB)/8, $0x53380d134d2c6dfc
DATA ·constants+144(SB)/8, $0x766a0abb650a7354
DATA ·constants+152(SB)/8, $0x92722c8581c2c92e
DATA ·constants+160(SB)/8, $0xa81a664ba2bfe8a1
DATA ·constants+168(SB)/8, $0xc76c51a3c24b8b70
DATA ·constants+176(SB)/8, $0xd6990624d192e819
DATA ·constants+184(SB)/8, $0x106aa070f40e3585
DATA ·constants+192(SB)/8, $0x1e376c0819a4c116
DATA ·constants+200(SB)/8, $0x34b0bcb52748774c
DATA ·constants+208(SB)/8, $0x4ed8aa4a391c0cb3
DATA ·constants+216(SB)/8, $0x682e6ff35b9cca4f
DATA ·constants+224(SB)/8, $0x78a5636f748f82ee
DATA ·constants+232(SB)/8, $0x8cc7020884c87814
DATA ·constants+240(SB)/8, $0xa4506ceb90befffa
DATA ·constants+248(SB)/8, $0xc67178f2bef9a3f7
GLOBL ·constants(SB), RODATA|NOPTR, $256

// Words of a message are big-endian.
DATA ·swap+0(SB)/8, $0x0405060700010203
DATA ·swap+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL ·swap(SB), RODATA|NOPTR, $16

// Four rounds, number 4*i on, of both messages, whose words for them are in ma and
// mb. What feeds the words is in X0.
#define ROUNDS(i, ma, mb) \
	MOVO        ma, X0; \
	PADDL       (16*i)(R8), X0; \
	SHA256RNDS2 X0, X1, X2; \
	PSHUFL      $0x0e, X0, X0; \
	SHA256RNDS2 X0, X2, X1; \
	MOVO        mb, X0; \
	PADDL       (16*i)(R8), X0; \
	SHA256RNDS2 X0, X8, X9; \
	PSHUFL      $0x0e, X0, X0; \
	SHA256RNDS2 X0, X9, X8

// The second half of the words after next: next holds what FIRST made of those 16
// rounds ago, now those of this round, before those of the round before.
#define SECOND(before, now, next, spare) \
	MOVO       now, spare; \
	PALIGNR    $4, before, spare; \
	PADDL      spare, next; \
	SHA256MSG2 now, next

// The first half of words: of the oldest and the second oldest.
#define FIRST(second, oldest) SHA256MSG1 second, oldest

#define LOAD(i, ma, mb) \
	MOVOU  (16*i)(SI), ma; \
	MOVOU  (16*i)(DI), mb; \
	PSHUFB X15, ma; \
	PSHUFB X15, mb

// ROUNDS, and the words for other rounds.
#define STEP(i, a0, a1, a3, b0, b1, b3) \
	ROUNDS(i, a0, b0); \
	SECOND(a3, a0, a1, X7); \
	SECOND(b3, b0, b1, X14); \
	FIRST(a0, a3); \
	FIRST(b0, b3)

// func blocks(states *[2]state, a, b *byte, n int)
TEXT ·blocks(SB), NOSPLIT, $64-32
	MOVQ  states+0(FP), AX
	MOVQ  a+8(FP), SI
	MOVQ  b+16(FP), DI
	MOVQ  n+24(FP), CX
	LEAQ  ·constants(SB), R8
	MOVOU ·swap(SB), X15
	MOVOU 0(AX), X1
	MOVOU 16(AX), X2
	MOVOU 32(AX), X8
	MOVOU 48(AX), X9

loop:
	MOVOU X1, 0(SP)
	MOVOU X2, 16(SP)
	MOVOU X8, 32(SP)
	MOVOU X9, 48(SP)

	LOAD(0, X3, X10)
	ROUNDS(0, X3, X10)
	LOAD(1, X4, X11)
	ROUNDS(1, X4, X11)
	FIRST(X4, X3)
	FIRST(X11, X10)
	LOAD(2, X5, X12)
	ROUNDS(2, X5, X12)
	FIRST(X5, X4)
	FIRST(X12, X11)
	LOAD(3, X6, X13)

	STEP(3, X6, X3, X5, X13, X10, X12)
	STEP(4, X3, X4, X6, X10, X11, X13)
	STEP(5, X4, X5, X3, X11, X12, X10)
	STEP(6, X5, X6, X4, X12, X13, X11)
	STEP(7, X6, X3, X5, X13, X10, X12)
	STEP(8, X3, X4, X6, X10, X11, X13)
	STEP(9, X4, X5, X3, X11, X12, X10)
	STEP(10, X5, X6, X4, X12, X13, X11)
	STEP(11, X6, X3, X5, X13, X10, X12)
	STEP(12, X3, X4, X6, X10, X11, X13)
	ROUNDS(13, X4, X11)
	SECOND(X3, X4, X5, X7)
	SECOND(X10, X11, X12, X14)
	ROUNDS(14, X5, X12)
	SECOND(X4, X5, X6, X7)
	SECOND(X11, X12, X13, X14)
	ROUNDS(15, X6, X13)

	MOVOU 0(SP), X0
	PADDL X0, X1
	MOVOU 16(SP), X0
	PADDL X0, X2
	MOVOU 32(SP), X0
	PADDL X0, X8
	MOVOU 48(SP), X0
	PADDL X0, X9
	ADDQ  $64, SI
	ADDQ  $64, DI
	DECQ  CX
	JNZ   loop

	MOVOU X1, 0(AX)
	MOVOU X2, 16(AX)
	MOVOU X8, 32(AX)
	MOVOU X9, 48(AX)
	RET

// func detect() bool
TEXT ·detect(SB), NOSPLIT, $0-1
	MOVB $0, ret+0(FP)
	XORL AX, AX
	XORL CX, CX
	CPUID
	CMPL AX, $7
	JLT  no
	MOVL $1, AX
	XORL CX, CX
	CPUID
	ANDL $0x00080200, CX // SSSE3, SSE4.1
	CMPL CX, $0x00080200
	JNE  no
	MOVL $7, AX
	XORL CX, CX
	CPUID
	SHRL $29, BX
	ANDL $1, BX
	MOVB BX, ret+0(FP)

no:
	RET
