/* SPDX-License-Identifier: GPL-2.0-only */
/* The module's files in debugfs. */
#ifndef KCOPYD_CORE_DEBUGFS_H
#define KCOPYD_CORE_DEBUGFS_H

void kcopyd_debugfs_init(void);
void kcopyd_debugfs_exit(void);

#endif /* KCOPYD_CORE_DEBUGFS_H */
