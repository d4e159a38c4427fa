/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The states of parts and jobs, and the moves between them that there are. Who
 * includes this defines the macros that are wanted: it can be included again, and
 * needs nothing of the kernel, as the model in tests/model/ is made of it, too.
 */
#ifndef KCOPYD_PART_STATE
#define KCOPYD_PART_STATE(state)
#endif
#ifndef KCOPYD_PART_MOVE
#define KCOPYD_PART_MOVE(from, to)
#endif
#ifndef KCOPYD_JOB_STATE
#define KCOPYD_JOB_STATE(state)
#endif
#ifndef KCOPYD_JOB_MOVE
#define KCOPYD_JOB_MOVE(from, to)
#endif

/**
 * DOC: enum kcopyd_part_state - what a part is doing
 *
 * KCOPYD_PART_FREE: nothing, it has no pages
 *
 * KCOPYD_PART_READING: its read is ready or in flight, in slot 0
 *
 * KCOPYD_PART_READ: its data is there, and the part before it is not written yet
 *
 * KCOPYD_PART_WRITING: its writes are ready or in flight
 *
 * KCOPYD_PART_VERIFYING: one destination is being read back
 *
 * KCOPYD_PART_COMPARING: what was read back is to be compared by the queue's worker
 *
 * KCOPYD_PART_FLUSHING: the last one of a job: its destinations' caches are flushed
 */
KCOPYD_PART_STATE(FREE)
KCOPYD_PART_STATE(READING)
KCOPYD_PART_STATE(READ)
KCOPYD_PART_STATE(WRITING)
KCOPYD_PART_STATE(VERIFYING)
KCOPYD_PART_STATE(COMPARING)
KCOPYD_PART_STATE(FLUSHING)

/* The throttle does not let it begin. */
KCOPYD_PART_MOVE(FREE, FREE)
KCOPYD_PART_MOVE(FREE, READING)
/* These two without a read, of a job that zeroes. */
KCOPYD_PART_MOVE(FREE, READ)
KCOPYD_PART_MOVE(FREE, WRITING)
KCOPYD_PART_MOVE(FREE, FLUSHING)
/* Once more, or the next piece. */
KCOPYD_PART_MOVE(READING, READING)
KCOPYD_PART_MOVE(READING, READ)
KCOPYD_PART_MOVE(READING, WRITING)
KCOPYD_PART_MOVE(READING, FREE)
KCOPYD_PART_MOVE(READ, WRITING)
KCOPYD_PART_MOVE(READ, FREE)
/* The next piece. */
KCOPYD_PART_MOVE(WRITING, READING)
KCOPYD_PART_MOVE(WRITING, VERIFYING)
KCOPYD_PART_MOVE(WRITING, FREE)
/* The next destination, where this one could not be read back. */
KCOPYD_PART_MOVE(VERIFYING, VERIFYING)
KCOPYD_PART_MOVE(VERIFYING, COMPARING)
KCOPYD_PART_MOVE(VERIFYING, READING)
KCOPYD_PART_MOVE(VERIFYING, FREE)
KCOPYD_PART_MOVE(COMPARING, VERIFYING)
KCOPYD_PART_MOVE(COMPARING, READING)
KCOPYD_PART_MOVE(COMPARING, FREE)
KCOPYD_PART_MOVE(FLUSHING, FREE)

/**
 * DOC: enum kcopyd_job_state - where a job is in its life
 *
 * KCOPYD_JOB_FREE: it is none: an object that is not used, or its callback was taken
 * over to be called
 *
 * KCOPYD_JOB_PREPARED: a callback of the caller's own, which is not due yet
 *
 * KCOPYD_JOB_RUNNING: accepted, and in no list
 *
 * KCOPYD_JOB_WAITING: in the list of the pool, of a disk or of the throttle
 *
 * KCOPYD_JOB_STOPPED: after an error, or cancelled: it starts no further I/O, and may
 * still be in such a list
 *
 * KCOPYD_JOB_DUE: its callback is
 */
KCOPYD_JOB_STATE(FREE)
KCOPYD_JOB_STATE(PREPARED)
KCOPYD_JOB_STATE(RUNNING)
KCOPYD_JOB_STATE(WAITING)
KCOPYD_JOB_STATE(STOPPED)
KCOPYD_JOB_STATE(DUE)

KCOPYD_JOB_MOVE(FREE, RUNNING)
KCOPYD_JOB_MOVE(FREE, PREPARED)
/* What a flush waits for, or tells of progress: a callback and nothing else. */
KCOPYD_JOB_MOVE(FREE, DUE)
KCOPYD_JOB_MOVE(PREPARED, DUE)
KCOPYD_JOB_MOVE(RUNNING, WAITING)
KCOPYD_JOB_MOVE(RUNNING, STOPPED)
KCOPYD_JOB_MOVE(RUNNING, DUE)
KCOPYD_JOB_MOVE(WAITING, RUNNING)
KCOPYD_JOB_MOVE(WAITING, STOPPED)
KCOPYD_JOB_MOVE(STOPPED, DUE)
KCOPYD_JOB_MOVE(DUE, FREE)

#undef KCOPYD_PART_STATE
#undef KCOPYD_PART_MOVE
#undef KCOPYD_JOB_STATE
#undef KCOPYD_JOB_MOVE
