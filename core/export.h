/* SPDX-License-Identifier: GPL-2.0-only */
/* Core functions that the KUnit suites call directly, on kernels that have KUnit. */
#ifndef KCOPYD_CORE_EXPORT_H
#define KCOPYD_CORE_EXPORT_H

#include <linux/export.h>

#ifdef KCOPYD_TEST_EXPORTS
#define EXPORT_SYMBOL_FOR_KCOPYD_TESTS(symbol) EXPORT_SYMBOL_GPL(symbol)
#else
#define EXPORT_SYMBOL_FOR_KCOPYD_TESTS(symbol)
#endif

#endif /* KCOPYD_CORE_EXPORT_H */
