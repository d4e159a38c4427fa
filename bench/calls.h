/* SPDX-License-Identifier: GPL-2.0-only */
/* Between bench.c and what it measures of the C++ calls (calls.cpp). Read by both. */
#ifndef KCOPYD_BENCH_CALLS_H
#define KCOPYD_BENCH_CALLS_H

#include "kcopyd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A kcopyd::client; NULL if there is no memory. */
void *bench_cpp_client_new(unsigned int pages);
void bench_cpp_client_delete(void *client);

/* A slot's kcopyd::completion and kcopyd::request; NULL if there is no memory. */
void *bench_cpp_slot_new(void *slot, unsigned int num_dests);
void bench_cpp_slot_delete(void *cpp);

int bench_cpp_copy(void *client, void *cpp, const struct io_region *from,
		   unsigned int num_dests, const struct io_region *dests);
int bench_cpp_submit(void *client, void *cpp, const struct io_region *from,
		     unsigned int num_dests, const struct io_region *dests);

/* The slot's job has ended. */
void bench_cpp_ended(void *slot, int ok);

#ifdef __cplusplus
}
#endif

#endif /* KCOPYD_BENCH_CALLS_H */
