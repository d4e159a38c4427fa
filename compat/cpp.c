// SPDX-License-Identifier: GPL-2.0-only
/* The C side of the C++ layer's runtime; the other is kcopyd_cpp_shim.cpp. */
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/stddef.h>

#include "../kcopyd.h"
#include "cpp.h"

/* What the C++ layer says about types and values of the kernel's. */
static_assert(__same_type(sector_t, unsigned long long));
static_assert(sizeof(bool) == 1);
static_assert(ENOMEM == 12);
static_assert(EBUSY == 16);
static_assert(EINVAL == 22);
static_assert(EDEADLK == 35);

#ifdef CONFIG_64BIT
static_assert(sizeof(struct io_region) == KCOPYD_CPP_SIZE_REGION);
static_assert(offsetof(struct io_region, count) == KCOPYD_CPP_LAST_REGION);
static_assert(sizeof(struct kcopyd_limits) == KCOPYD_CPP_SIZE_LIMITS);
static_assert(offsetof(struct kcopyd_limits, percent) == KCOPYD_CPP_LAST_LIMITS);
static_assert(sizeof(struct kcopyd_bad_range) == KCOPYD_CPP_SIZE_BAD_RANGE);
static_assert(offsetof(struct kcopyd_bad_range, count) == KCOPYD_CPP_LAST_BAD_RANGE);
static_assert(sizeof(struct kcopyd_result) == KCOPYD_CPP_SIZE_RESULT);
static_assert(offsetof(struct kcopyd_result, ended) == KCOPYD_CPP_LAST_RESULT);
static_assert(sizeof(struct kcopyd_request) == KCOPYD_CPP_SIZE_REQUEST);
static_assert(offsetof(struct kcopyd_request, result) == KCOPYD_CPP_LAST_REQUEST);
static_assert(sizeof(struct kcopyd_client_stats) == KCOPYD_CPP_SIZE_STATS);
static_assert(offsetof(struct kcopyd_client_stats, large) == KCOPYD_CPP_LAST_STATS);
#endif

/**
 * kcopyd_cpp_alloc() - allocate memory for a C++ object
 * @size: bytes
 *
 * Context: process context, may sleep. In a completion callback of kcopyd the
 * allocation starts no I/O, as all allocations there.
 * Return: uninitialised memory aligned to 8 bytes at least, or NULL.
 */
void *kcopyd_cpp_alloc(unsigned long size)
{
	return kmalloc(size, GFP_KERNEL);
}
EXPORT_SYMBOL_GPL(kcopyd_cpp_alloc);

/**
 * kcopyd_cpp_free() - free what kcopyd_cpp_alloc() returned
 * @object: the memory, or NULL
 *
 * Context: any but non-maskable interrupts.
 */
void kcopyd_cpp_free(void *object)
{
	kfree(object);
}
EXPORT_SYMBOL_GPL(kcopyd_cpp_free);

/**
 * kcopyd_cpp_assert_failed() - report a broken assertion of C++ code
 * @what: the assertion
 * @file: source file
 * @line: line in it
 *
 * A warning with a backtrace; the caller then goes on.
 *
 * Context: any.
 */
void kcopyd_cpp_assert_failed(const char *what, const char *file, int line)
{
	WARN(1, "%s:%d: %s\n", file, line, what);
}
EXPORT_SYMBOL_GPL(kcopyd_cpp_assert_failed);
