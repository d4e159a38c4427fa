/* SPDX-License-Identifier: GPL-2.0-only */
/* The clients' directories in sysfs. */
#ifndef KCOPYD_CORE_SYSFS_H
#define KCOPYD_CORE_SYSFS_H

struct kcopyd_client;

int kcopyd_sysfs_init(void);
void kcopyd_sysfs_exit(void);
void kcopyd_sysfs_add(struct kcopyd_client *kc);
void kcopyd_sysfs_del(struct kcopyd_client *kc);

#endif /* KCOPYD_CORE_SYSFS_H */
