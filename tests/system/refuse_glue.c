// SPDX-License-Identifier: GPL-2.0-only
/* kcopyd_refuse: devices that refuse an operation, for the system tests; see refuse.cpp. */
#include "targets/dm/module.h"

MODULE_DESCRIPTION("Devices that do not know an operation");
MODULE_LICENSE("GPL");
MODULE_ALIAS("dm-refuse");
