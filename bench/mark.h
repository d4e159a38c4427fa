/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marks in the instruction stream, for bench/insns.c: instructions of x86 that do
 * nothing, and whose operand occurs nowhere else.
 */
#ifndef BENCH_MARK_H
#define BENCH_MARK_H

/* nopl 0x..50434b(%rax,%rax,1) */
#define BENCH_MARK_BYTES	0x0f, 0x1f, 0x84, 0x00, 0x4b, 0x43, 0x50
#define BENCH_MARK_BEGIN	0x01
#define BENCH_MARK_END		0x02

#endif /* BENCH_MARK_H */
