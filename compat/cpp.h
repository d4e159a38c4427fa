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

void *kcopyd_cpp_alloc(unsigned long size);
void kcopyd_cpp_free(void *object);
void kcopyd_cpp_assert_failed(const char *what, const char *file, int line);

#ifdef __cplusplus
}
#endif

#endif /* KCOPYD_COMPAT_CPP_H */
