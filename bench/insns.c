// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for QEMU's emulator: counts the instructions that the guest's CPUs
 * execute between the marks of mark.h.
 *
 *	-plugin ./insns.so,out=FILE[,profile=on]
 *
 * FILE gets a line "run <instructions>" for each pair of marks, with profile=on
 * preceded by "<address in hex> <instructions>" for each block of code.
 *
 * Debian's QEMU has the interface, but no package has its header: declared here
 * is what is used of it, version 1, which QEMU documents as stable.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

typedef void (*tb_trans_cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*vcpu_udata_cb)(unsigned int vcpu, void *udata);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_trans_cb cb);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, vcpu_udata_cb cb,
					  enum qemu_plugin_cb_flags flags, void *udata);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, vcpu_udata_cb cb,
					    enum qemu_plugin_cb_flags flags, void *udata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 1;

#define MAX_CPUS 16

/* A translated block of code; each CPU counts for itself. */
struct block {
	uint64_t address;
	uint64_t insns;
	uint64_t executed[MAX_CPUS];
	struct block *next;
};

static struct block *blocks;
static struct {
	uint64_t insns;
	char pad[56];	/* a cache line each */
} counted[MAX_CPUS];
static bool counting;
static bool profile;
static FILE *out;

static void block_executed(unsigned int vcpu, void *udata)
{
	struct block *block = udata;

	if (!__atomic_load_n(&counting, __ATOMIC_RELAXED))
		return;
	counted[vcpu % MAX_CPUS].insns += block->insns;
	if (profile)
		block->executed[vcpu % MAX_CPUS]++;
}

static void begin(unsigned int vcpu, void *udata)
{
	struct block *block;

	(void)vcpu;
	(void)udata;
	memset(counted, 0, sizeof(counted));
	for (block = profile ? blocks : NULL; block; block = block->next)
		memset(block->executed, 0, sizeof(block->executed));
	__atomic_store_n(&counting, true, __ATOMIC_RELAXED);
}

static void end(unsigned int vcpu, void *udata)
{
	struct block *block;
	uint64_t sum = 0;
	int cpu;

	(void)vcpu;
	(void)udata;
	__atomic_store_n(&counting, false, __ATOMIC_RELAXED);
	for (block = profile ? blocks : NULL; block; block = block->next) {
		uint64_t executed = 0;

		for (cpu = 0; cpu < MAX_CPUS; cpu++)
			executed += block->executed[cpu];
		if (executed)
			fprintf(out, "%" PRIx64 " %" PRIu64 "\n", block->address,
				executed * block->insns);
	}
	for (cpu = 0; cpu < MAX_CPUS; cpu++)
		sum += counted[cpu].insns;
	fprintf(out, "run %" PRIu64 "\n", sum);
	fflush(out);
}

/* Which mark is it? 0 if it is none. */
static unsigned int mark_of(const struct qemu_plugin_insn *insn)
{
	const size_t size = sizeof(BENCH_MARK) - 1;
	const unsigned char *data = qemu_plugin_insn_data(insn);

	if (qemu_plugin_insn_size(insn) != size + 1 || memcmp(data, BENCH_MARK, size))
		return 0;
	return data[size];
}

/* Translation is serialised by QEMU. */
static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *block = calloc(1, sizeof(*block));
	size_t i;

	(void)id;
	if (!block)
		abort();
	block->address = qemu_plugin_tb_vaddr(tb);
	block->insns = qemu_plugin_tb_n_insns(tb);
	block->next = blocks;
	blocks = block;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, block_executed, QEMU_PLUGIN_CB_NO_REGS, block);

	for (i = 0; i < block->insns; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		unsigned int mark = mark_of(insn);

		if (mark)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark == BENCH_MARK_BEGIN ?
							       begin : end,
							       QEMU_PLUGIN_CB_NO_REGS, NULL);
	}
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	const char *path = NULL;
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			path = argv[i] + 4;
		else if (!strcmp(argv[i], "profile=on"))
			profile = true;
	}
	out = path ? fopen(path, "w") : NULL;
	if (!out) {
		fprintf(stderr, "insns: out=FILE is needed, and must be writable\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
