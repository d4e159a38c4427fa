// SPDX-License-Identifier: GPL-2.0-only
/* The tracepoints' code, which the header makes. */
#define CREATE_TRACE_POINTS
#include "trace.h"
