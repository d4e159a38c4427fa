// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's files in debugfs: stats, a table for people, and stats.kv, lines of
 * key=value for programs. They are of all clients, as there may be very many.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "client.h"
#include "clients.h"
#include "debugfs.h"
#include "stats.h"

static struct dentry *debugfs_dir;

/* Under the mutex of the clients' list, where nothing is to be allocated. */
static char text[PAGE_SIZE];

static void show_latencies(struct seq_file *seq, const char *what,
			   const struct kcopyd_latencies *latencies)
{
	kcopyd_stats_format_latencies(latencies, text, sizeof(text));
	if (strcmp(text, "-"))
		seq_printf(seq, "       %s copies, us: %s\n", what, text);
}

static u64 mib(u64 sectors)
{
	return sectors >> (20 - SECTOR_SHIFT);
}

static int stats_show(struct seq_file *seq, void *v)
{
	struct kcopyd_client *kc = kcopyd_clients_seq_client(v);
	struct kcopyd_client_stats s;

	if (!kc) {
		seq_printf(seq, "%6s %-31s %8s %8s %8s %8s %8s %10s %8s %8s %8s %10s %10s %10s %8s\n",
			   "client", "name", "pages", "used", "peak", "queued",
			   "waiting", "copies", "zeroes", "failed", "cancel.",
			   "read MiB", "writ. MiB", "zero. MiB", "waits");
		return 0;
	}
	kcopyd_stats_get(kc, &s);
	seq_printf(seq, "%6u %-31s %8u %8u %8u %8llu %8llu %10llu %8llu %8llu %8llu %10llu %10llu %10llu %8llu\n",
		   s.id, s.name, s.pages, s.pages_used, s.pages_peak, s.queued,
		   s.waiting, s.copies_done, s.zeroes_done, s.failed,
		   s.cancelled, mib(s.sectors_read), mib(s.sectors_written),
		   mib(s.sectors_zeroed),
		   s.waits[KCOPYD_WAITS_PAGES] + s.waits[KCOPYD_WAITS_DISK] +
		   s.waits[KCOPYD_WAITS_THROTTLE]);
	show_latencies(seq, "small", &s.small);
	show_latencies(seq, "large", &s.large);
	return 0;
}

static const struct seq_operations stats_sops = {
	.start = kcopyd_clients_seq_start,
	.next = kcopyd_clients_seq_next,
	.stop = kcopyd_clients_seq_stop,
	.show = stats_show,
};

DEFINE_SEQ_ATTRIBUTE(stats);

/* An empty line ends each client. */
static int stats_kv_show(struct seq_file *seq, void *v)
{
	struct kcopyd_client *kc = kcopyd_clients_seq_client(v);
	struct kcopyd_client_stats s;

	if (!kc)
		return 0;
	kcopyd_stats_get(kc, &s);
	kcopyd_stats_format(&s, text, sizeof(text));
	seq_puts(seq, text);
	seq_putc(seq, '\n');
	return 0;
}

static const struct seq_operations stats_kv_sops = {
	.start = kcopyd_clients_seq_start,
	.next = kcopyd_clients_seq_next,
	.stop = kcopyd_clients_seq_stop,
	.show = stats_kv_show,
};

DEFINE_SEQ_ATTRIBUTE(stats_kv);

/**
 * kcopyd_debugfs_init() - make the files
 *
 * Without debugfs there are none, and that is all.
 *
 * Context: Module initialisation.
 */
void kcopyd_debugfs_init(void)
{
	debugfs_dir = debugfs_create_dir("kcopyd", NULL);
	debugfs_create_file("stats", 0444, debugfs_dir, NULL, &stats_fops);
	debugfs_create_file("stats.kv", 0444, debugfs_dir, NULL, &stats_kv_fops);
}

/**
 * kcopyd_debugfs_exit() - remove them
 *
 * Context: Module exit, process context.
 */
void kcopyd_debugfs_exit(void)
{
	debugfs_remove(debugfs_dir);
}
