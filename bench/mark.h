/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marks in the instruction stream, for bench/insns.c: instructions of x86 that do
 * nothing, and whose operand occurs nowhere else.
 */
#ifndef BENCH_MARK_H
#define BENCH_MARK_H

/*
 * nopl 0x..50434b(%rax,%rax,1): for the assembler, and what it makes of it; the
 * last byte says which mark it is.
 */
#define BENCH_MARK_ASM		".byte 0x0f, 0x1f, 0x84, 0x00, 0x4b, 0x43, 0x50, "
#define BENCH_MARK		"\x0f\x1f\x84\x00\x4b\x43\x50"
#define BENCH_MARK_BEGIN	0x01
#define BENCH_MARK_END		0x02

#endif /* BENCH_MARK_H */
