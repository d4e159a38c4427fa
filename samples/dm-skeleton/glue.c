// SPDX-License-Identifier: GPL-2.0-only
/* kcopyd-dm-skeleton: the smallest useful target in C++, which is skeleton.cpp. */
#include "targets/dm/module.h"

MODULE_DESCRIPTION("The smallest useful device-mapper target in C++");
MODULE_LICENSE("GPL");
MODULE_ALIAS("dm-skeleton");
