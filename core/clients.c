// SPDX-License-Identifier: GPL-2.0-only
/*
 * All clients there are. Clients are ended by those who have to free memory, so
 * nothing is allocated, nor waited for, under the mutex of the list.
 */
#include <linux/mutex.h>
#include <linux/seq_file.h>

#include "client.h"
#include "clients.h"
#include "param.h"

static LIST_HEAD(clients);
static DEFINE_MUTEX(clients_mutex);

/* Tracepoints that somebody listens to. Under the mutex. */
static unsigned int tracing;

/**
 * kcopyd_clients_add() - show a client
 * @kc: a client that is complete
 *
 * Context: Process context, may sleep.
 */
void kcopyd_clients_add(struct kcopyd_client *kc)
{
	mutex_lock(&clients_mutex);
	/* It may have changed until now. */
	kc->part_pages = kcopyd_part_pages(kc->part_kb);
	if (tracing)
		kc->attention |= KCOPYD_ATTENTION_TRACE;
	list_add_tail(&kc->node, &clients);
	mutex_unlock(&clients_mutex);
}

/**
 * kcopyd_clients_del() - show it no longer
 * @kc: a client, be it that it was never shown
 *
 * Context: Process context, may sleep.
 */
void kcopyd_clients_del(struct kcopyd_client *kc)
{
	mutex_lock(&clients_mutex);
	list_del_init(&kc->node);
	mutex_unlock(&clients_mutex);
}

/**
 * kcopyd_clients_part_size() - the module's parameter for the size of parts is new
 *
 * Context: Process context, may sleep.
 */
void kcopyd_clients_part_size(void)
{
	struct kcopyd_client *kc;

	mutex_lock(&clients_mutex);
	list_for_each_entry(kc, &clients, node) {
		spin_lock_irq(&kc->lock);
		kc->part_pages = kcopyd_part_pages(kc->part_kb);
		spin_unlock_irq(&kc->lock);
	}
	mutex_unlock(&clients_mutex);
}

static void clients_attention(bool on)
{
	struct kcopyd_client *kc;

	list_for_each_entry(kc, &clients, node) {
		spin_lock_irq(&kc->lock);
		kc->attention &= ~KCOPYD_ATTENTION_TRACE;
		if (on)
			kc->attention |= KCOPYD_ATTENTION_TRACE;
		spin_unlock_irq(&kc->lock);
	}
}

/* A tracepoint is switched on: jobs that come now can be told apart. */
int kcopyd_clients_trace(void)
{
	mutex_lock(&clients_mutex);
	if (!tracing++)
		clients_attention(true);
	mutex_unlock(&clients_mutex);
	return 0;
}

/* And off. */
void kcopyd_clients_no_trace(void)
{
	mutex_lock(&clients_mutex);
	if (!--tracing)
		clients_attention(false);
	mutex_unlock(&clients_mutex);
}

void *kcopyd_clients_seq_start(struct seq_file *seq, loff_t *pos)
{
	mutex_lock(&clients_mutex);
	return seq_list_start_head(&clients, *pos);
}

void *kcopyd_clients_seq_next(struct seq_file *seq, void *v, loff_t *pos)
{
	return seq_list_next(v, &clients, pos);
}

void kcopyd_clients_seq_stop(struct seq_file *seq, void *v)
{
	mutex_unlock(&clients_mutex);
}

/**
 * kcopyd_clients_seq_client() - what is to be shown
 * @v: from kcopyd_clients_seq_start() or kcopyd_clients_seq_next()
 *
 * Context: Process context, between start and stop.
 * Return: the client; NULL for the head of the list, which comes first.
 */
struct kcopyd_client *kcopyd_clients_seq_client(void *v)
{
	if (v == &clients)
		return NULL;
	return list_entry(v, struct kcopyd_client, node);
}
