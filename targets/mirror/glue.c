// SPDX-License-Identifier: GPL-2.0-only
/* kcopyd-mirror: the target "kmirror", which is mirror.cpp. */
#include "targets/dm/module.h"

MODULE_DESCRIPTION("Device-mapper mirror that is brought in sync by kcopyd");
MODULE_AUTHOR("The kcopyd authors");
MODULE_VERSION(KCOPYD_VERSION);
MODULE_LICENSE("GPL");
MODULE_ALIAS("dm-kmirror");
