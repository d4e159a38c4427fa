/* SPDX-License-Identifier: GPL-2.0-only */
/* Module parameters. */
#ifndef KCOPYD_CORE_PARAM_H
#define KCOPYD_CORE_PARAM_H

unsigned int kcopyd_part_pages(void);

#endif /* KCOPYD_CORE_PARAM_H */
