/* SPDX-License-Identifier: GPL-2.0-only */
/* All clients there are. */
#ifndef KCOPYD_CORE_CLIENTS_H
#define KCOPYD_CORE_CLIENTS_H

#include <linux/list.h>
#include <linux/types.h>

struct kcopyd_client;
struct seq_file;

void kcopyd_clients_add(struct kcopyd_client *kc);
void kcopyd_clients_del(struct kcopyd_client *kc);

void kcopyd_clients_part_size(void);

int kcopyd_clients_trace(void);
void kcopyd_clients_no_trace(void);

void *kcopyd_clients_seq_start(struct seq_file *seq, loff_t *pos);
void *kcopyd_clients_seq_next(struct seq_file *seq, void *v, loff_t *pos);
void kcopyd_clients_seq_stop(struct seq_file *seq, void *v);
struct kcopyd_client *kcopyd_clients_seq_client(void *v);

#endif /* KCOPYD_CORE_CLIENTS_H */
