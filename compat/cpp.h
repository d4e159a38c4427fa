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
 * Bytes of the structures of kcopyd.h where a pointer has 64 bits, and where their last
 * members are: C and C++ both check that they agree.
 */
enum kcopyd_cpp_layout {
	KCOPYD_CPP_SIZE_REGION = 24,
	KCOPYD_CPP_LAST_REGION = 16,
	KCOPYD_CPP_SIZE_LIMITS = 16,
	KCOPYD_CPP_LAST_LIMITS = 12,
	KCOPYD_CPP_SIZE_BAD_RANGE = 16,
	KCOPYD_CPP_LAST_BAD_RANGE = 8,
	KCOPYD_CPP_SIZE_RESULT = 96,
	KCOPYD_CPP_LAST_RESULT = 88,
	KCOPYD_CPP_SIZE_REQUEST = 192,
	KCOPYD_CPP_LAST_REQUEST = 96,
	KCOPYD_CPP_SIZE_STATS = 656,
	KCOPYD_CPP_LAST_STATS = 432,
};

void *kcopyd_cpp_alloc(unsigned long size);
void kcopyd_cpp_free(void *object);
void kcopyd_cpp_assert_failed(const char *what, const char *file, int line);

#ifdef __cplusplus
}
#endif

#endif /* KCOPYD_COMPAT_CPP_H */
