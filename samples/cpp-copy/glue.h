/* SPDX-License-Identifier: GPL-2.0-only */
/* Between glue.c and copy.cpp: plain data and functions. Read by both. */
#ifndef KCOPYD_SAMPLES_CPP_COPY_GLUE_H
#define KCOPYD_SAMPLES_CPP_COPY_GLUE_H

#include "../../kcopyd.h"

#ifdef __cplusplus
extern "C" {
#endif

int cpp_copy_start(struct block_device *from, struct block_device *to, sector_t count);
void cpp_copy_stop(void);
void cpp_copy_said(const char *what, unsigned long long sectors);

#ifdef __cplusplus
}
#endif

#endif /* KCOPYD_SAMPLES_CPP_COPY_GLUE_H */
