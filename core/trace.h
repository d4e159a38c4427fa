/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints, to follow a job: perf, trace-cmd and bpftrace know them as
 * kcopyd:job_queued and so on.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kcopyd

#if !defined(KCOPYD_CORE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KCOPYD_CORE_TRACE_H

#include <linux/blk_types.h>
#include <linux/kdev_t.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "client.h"
#include "clients.h"

/* Jobs have numbers only while somebody looks, as that costs something. */
TRACE_EVENT_FN(job_queued,
	TP_PROTO(const struct kcopyd_client *kc, const struct kcopyd_job *job),
	TP_ARGS(kc, job),
	TP_STRUCT__entry(
		__field(unsigned int, client)
		__array(char, name, KCOPYD_NAME_SIZE)
		__field(u32, job)
		__field(bool, zero)
		__field(dev_t, from_dev)
		__field(u64, from_sector)
		__field(dev_t, to_dev)
		__field(u64, to_sector)
		__field(u64, count)
		__field(unsigned int, num_dests)
	),
	TP_fast_assign(
		__entry->client = kc->id;
		memcpy(__entry->name, kc->name, KCOPYD_NAME_SIZE);
		__entry->job = kcopyd_job_id(job);
		__entry->zero = job->zero;
		__entry->from_dev = job->bdev->bd_dev;
		__entry->from_sector = job->sector;
		__entry->to_dev = job->dests[0].bdev->bd_dev;
		__entry->to_sector = job->dests[0].sector;
		__entry->count = job->count;
		__entry->num_dests = job->num_dests;
	),
	TP_printk("client=%u name=%s job=%u %s from=%u:%u@%llu to=%u:%u@%llu count=%llu dests=%u",
		  __entry->client, __entry->name, __entry->job,
		  __entry->zero ? "zero" : "copy",
		  MAJOR(__entry->from_dev), MINOR(__entry->from_dev),
		  __entry->from_sector,
		  MAJOR(__entry->to_dev), MINOR(__entry->to_dev),
		  __entry->to_sector, __entry->count, __entry->num_dests),
	kcopyd_clients_trace, kcopyd_clients_no_trace
);

TRACE_EVENT_FN(part_read,
	TP_PROTO(const struct kcopyd_part *part, int err),
	TP_ARGS(part, err),
	TP_STRUCT__entry(
		__field(unsigned int, client)
		__array(char, name, KCOPYD_NAME_SIZE)
		__field(u32, job)
		__field(dev_t, dev)
		__field(u64, sector)
		__field(unsigned int, count)
		__field(int, error)
	),
	TP_fast_assign(
		const struct kcopyd_client *kc = kcopyd_job_client(part->job);

		__entry->client = kc->id;
		memcpy(__entry->name, kc->name, KCOPYD_NAME_SIZE);
		__entry->job = kcopyd_job_id(part->job);
		__entry->dev = part->job->bdev->bd_dev;
		__entry->sector = part->job->sector + part->offset;
		__entry->count = part->count;
		__entry->error = err;
	),
	TP_printk("client=%u name=%s job=%u from=%u:%u@%llu count=%u error=%d",
		  __entry->client, __entry->name, __entry->job,
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->sector,
		  __entry->count, __entry->error),
	kcopyd_clients_trace, kcopyd_clients_no_trace
);

TRACE_EVENT_FN(part_written,
	TP_PROTO(const struct kcopyd_part *part, unsigned int dest, int err),
	TP_ARGS(part, dest, err),
	TP_STRUCT__entry(
		__field(unsigned int, client)
		__array(char, name, KCOPYD_NAME_SIZE)
		__field(u32, job)
		__field(unsigned int, dest)
		__field(dev_t, dev)
		__field(u64, sector)
		__field(unsigned int, count)
		__field(int, error)
	),
	TP_fast_assign(
		const struct kcopyd_client *kc = kcopyd_job_client(part->job);

		__entry->client = kc->id;
		memcpy(__entry->name, kc->name, KCOPYD_NAME_SIZE);
		__entry->job = kcopyd_job_id(part->job);
		__entry->dest = dest;
		__entry->dev = part->job->dests[dest].bdev->bd_dev;
		__entry->sector = part->job->dests[dest].sector + part->offset;
		__entry->count = part->count;
		__entry->error = err;
	),
	TP_printk("client=%u name=%s job=%u dest=%u to=%u:%u@%llu count=%u error=%d",
		  __entry->client, __entry->name, __entry->job, __entry->dest,
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->sector,
		  __entry->count, __entry->error),
	kcopyd_clients_trace, kcopyd_clients_no_trace
);

TRACE_EVENT_FN(job_cancelled,
	TP_PROTO(const struct kcopyd_client *kc, const struct kcopyd_job *job),
	TP_ARGS(kc, job),
	TP_STRUCT__entry(
		__field(unsigned int, client)
		__array(char, name, KCOPYD_NAME_SIZE)
		__field(u32, job)
		__field(unsigned int, inflight)
	),
	TP_fast_assign(
		__entry->client = kc->id;
		memcpy(__entry->name, kc->name, KCOPYD_NAME_SIZE);
		__entry->job = kcopyd_job_id(job);
		__entry->inflight = job->inflight;
	),
	TP_printk("client=%u name=%s job=%u parts=%u", __entry->client,
		  __entry->name, __entry->job, __entry->inflight),
	kcopyd_clients_trace, kcopyd_clients_no_trace
);

TRACE_EVENT_FN(job_done,
	TP_PROTO(const struct kcopyd_client *kc, const struct kcopyd_job *job, u64 us),
	TP_ARGS(kc, job, us),
	TP_STRUCT__entry(
		__field(unsigned int, client)
		__array(char, name, KCOPYD_NAME_SIZE)
		__field(u32, job)
		__field(bool, zero)
		__field(u64, count)
		__field(int, read_err)
		__field(unsigned int, write_err)
		__field(u64, us)
	),
	TP_fast_assign(
		__entry->client = kc->id;
		memcpy(__entry->name, kc->name, KCOPYD_NAME_SIZE);
		__entry->job = kcopyd_job_id(job);
		__entry->zero = job->zero;
		__entry->count = job->count;
		__entry->read_err = job->read_err;
		__entry->write_err = job->write_err;
		__entry->us = us;
	),
	TP_printk("client=%u name=%s job=%u %s count=%llu read_err=%d write_err=%#x us=%llu",
		  __entry->client, __entry->name, __entry->job,
		  __entry->zero ? "zero" : "copy", __entry->count,
		  __entry->read_err, __entry->write_err, __entry->us),
	kcopyd_clients_trace, kcopyd_clients_no_trace
);

#endif /* KCOPYD_CORE_TRACE_H */

/* As seen from the kernel's own headers, by way of the -I of the Kbuild file. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH core
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
