/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all snapshots and origins have in common. There is no place for it in C++, where
 * nothing is constructed before the first of them. Read by C and by C++.
 */
#ifndef KCOPYD_TARGETS_SNAPSHOT_GLUE_H
#define KCOPYD_TARGETS_SNAPSHOT_GLUE_H

#ifdef __cplusplus
extern "C" {
#endif

unsigned long ksnapshot_lock(void);
void ksnapshot_unlock(unsigned long flags);

/* Waits until this is not 0, which it is asked after each ksnapshot_wake(). */
void ksnapshot_wait(int (*over)(void *context), void *context);
void ksnapshot_wake(void);

#ifdef __cplusplus
}
#endif

#endif /* KCOPYD_TARGETS_SNAPSHOT_GLUE_H */
