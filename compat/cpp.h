/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the C++ layer needs of the kernel and cannot call itself, because the
 * kernel has it as macros and inline functions. Read by C and by C++.
 */
#ifndef KCOPYD_COMPAT_CPP_H
#define KCOPYD_COMPAT_CPP_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What C and C++ must agree upon, where a pointer has 64 bits: of each structure of
 * kcopyd.h its last member, where that is, and the size of all. Both check it.
 */
#define KCOPYD_CPP_LAYOUT(check)			\
	check(io_region, count, 16, 24)			\
	check(kcopyd_limits, percent, 12, 16)		\
	check(kcopyd_bad_range, count, 8, 16)		\
	check(kcopyd_result, ended, 88, 96)		\
	check(kcopyd_request, result, 96, 192)		\
	check(kcopyd_client_stats, large, 432, 656)

void *kcopyd_cpp_alloc(unsigned long size);
void kcopyd_cpp_free(void *object);
void kcopyd_cpp_assert_failed(const char *what, const char *file, int line);

#ifdef __cplusplus
}
#endif

#endif /* KCOPYD_COMPAT_CPP_H */
