/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of the life of copies in one client, after core/copy.c, core/notify.c and
 * kcopyd.c, for Spin. Names are those of the code. Each atomic sequence is what the
 * code does under the client's lock, in one go; what it leaves open, such as which of
 * several waiting jobs is the next, is any.
 *
 * Two copies: job 0 with CHUNKS parts and what it is configured for, at most two
 * parts at a time; and job 1, an ordinary copy of one part. Both read one disk and
 * write two others. A third object is no copy but a callback alone.
 *
 * Documentation/states.rst says what is left out.
 */

#ifndef CHUNKS
#define CHUNKS		2	/* the parts of job 0 */
#endif
#ifndef PAGES
#define PAGES		2	/* of the pool; a part takes 1, or 2 to verify */
#endif
#ifndef PIECES
#define PIECES		1	/* granules of a part */
#endif
#ifndef CANCELS
#define CANCELS		1	/* who cancels, each once at most */
#endif
#ifndef IGNORE
#define IGNORE		0
#endif
#ifndef SEQ
#define SEQ		0
#endif
#ifndef VERIFY
#define VERIFY		0
#endif
#ifndef FLUSH
#define FLUSH		0
#endif
#ifndef ZERO
#define ZERO		0
#endif
#ifndef THROTTLE
#define THROTTLE	0
#endif
#ifndef SHARES
#define SHARES		0	/* disks may have their share of the pool */
#endif
#ifndef SYNC
#define SYNC		0	/* who cancels waits for the callbacks */
#endif
#ifndef PREPARE
#define PREPARE		0	/* a callback is prepared */
#endif
#ifndef RESUBMIT
#define RESUBMIT	0	/* job 0's callback submits job 1 */
#endif
#ifndef NOFAIL
#define NOFAIL		0	/* no I/O fails */
#endif
#ifndef ANYTIME
#define ANYTIME		0	/* the client is destroyed at any moment, not at once */
#endif
#ifndef ONE
#define ONE		0	/* there is no job 1 */
#endif

/* What is submitted beside callbacks. */
#if RESUBMIT || ONE
#define NR_SUBMITTED	1
#else
#define NR_SUBMITTED	2
#endif

#define CALLBACK	2	/* the third object */
#define NR_PARTS	4
#define NR_OPS		8

#define JOB(p)		((p) / 2)
#define FIRST(j)	((j) * 2)
#define PART(k)		((k) / 2)
#define SLOT(k)		((k) % 2)

/* Job 1 is an ordinary copy. */
#define ignore(j)	(IGNORE && (j) == 0)
#define seq(j)		(SEQ && (j) == 0)
#define verify(j)	(VERIFY && (j) == 0)
#define flush(j)	(FLUSH && (j) == 0)
#define zero(j)		(ZERO && (j) == 0)
#define pieces(j)	((j) == 0 -> PIECES : 1)
#define count(j)	((j) == 0 -> CHUNKS : 1)
#define needs(j)	(verify(j) -> 2 : 1)

/* The states, and the moves that were made: not part of the model's state. */
mtype = {
#define KCOPYD_PART_STATE(state) PART_##state,
#define KCOPYD_JOB_STATE(state) JOB_##state,
#include "../../core/states.h"
	OK, EIO, ECANCELED,
	NONE, READY, POPPED, FLIGHT,
	OP, CANCEL, RESUME
};

c_decl {
	enum {
#define KCOPYD_PART_STATE(state) C_PART_##state,
#include "../../core/states.h"
		C_PARTS
	};
	enum {
#define KCOPYD_JOB_STATE(state) C_JOB_##state,
#include "../../core/states.h"
		C_JOBS
	};
	static unsigned char part_moved[C_PARTS][C_PARTS];
	static unsigned char job_moved[C_JOBS][C_JOBS];

	static void __attribute__((destructor)) tell_moves(void)
	{
#define KCOPYD_PART_MOVE(from, to) if (part_moved[C_PART_##from][C_PART_##to]) printf("moved part %s %s\n", #from, #to);
#define KCOPYD_JOB_MOVE(from, to) if (job_moved[C_JOB_##from][C_JOB_##to]) printf("moved job %s %s\n", #from, #to);
#include "../../core/states.h"
	}
}

/* Lists of jobs that wait. */
#define NOWHERE		0
#define STARVED		1
#define SLOWED		2
#define QUEUE		3	/* and the next two: the source's, the destinations' */
#define NR_LISTS	6

typedef job_t {
	mtype state;
	bit stopped;
	bit cancelled;
	bit flushed;
	byte inflight;
	byte next;
	byte list;
	mtype read_err;
	bit write_err[2];
	bit refused[2];
	/* What the model alone knows. */
	bit accepted;
	byte won;
	byte called;
	byte written;
};

typedef part_t {
	mtype state;
	byte nr_pages;
	byte chunk;
	byte left;
	byte count;
	byte pending;
	bit alone;
	bit nomerge;
};

job_t job[3];
part_t part[NR_PARTS];
mtype op[NR_OPS];
bit zeroes[NR_OPS];		/* the device is asked to zero */

chan done = [3] of { byte };

byte nr_free;
byte reading, writing[2], coming[2];
bit resume[3];
byte waiting;
bit throttle;
bit resume_work, notify_work, notifying;
byte jobs;
bit shutdown, freed;
byte submitting;
bit resubmitting, idle_wake, cancel_wake;
byte cancelling;
bit sync[2];

/* Only of use inside an atomic sequence, and 0 outside. */
mtype x_event;
byte x_p, x_op, x_i, x_j, x_part, x_wait, x_from, x_phase, x_list;
bit x_ended, x_next, x_again, x_go[2];

inline forget()
{
	x_event = 0;
	x_p = 0;
	x_op = 0;
	x_i = 0;
	x_j = 0;
	x_part = 0;
	x_wait = 0;
	x_from = 0;
	x_phase = 0;
	x_list = 0;
	x_ended = 0;
	x_again = 0;
	x_go[0] = 0;
	x_go[1] = 0
}

inline part_move(p, next_state)
{
	if
#define KCOPYD_PART_MOVE(from, to)						\
	:: part[p].state == PART_##from && next_state == PART_##to ->		\
		c_code { part_moved[C_PART_##from][C_PART_##to] = 1; }
#include "../../core/states.h"
	/* There is no such move. */
	:: else -> assert(false)
	fi;
	part[p].state = next_state
}

inline job_move(j, next_state)
{
	if
#define KCOPYD_JOB_MOVE(from, to)						\
	:: job[j].state == JOB_##from && next_state == JOB_##to ->		\
		c_code { job_moved[C_JOB_##from][C_JOB_##to] = 1; }
#include "../../core/states.h"
	:: else -> assert(false)
	fi;
	job[j].state = next_state
}

#define on_its_way(p)	(part[p].state != PART_FREE)
#define failed(j)								\
	(job[j].read_err != OK || job[j].write_err[0] || job[j].write_err[1])
#define listed(l)	(job[0].list == (l) || job[1].list == (l))

/* The other part of the job comes before this one. */
#define comes_second(p)								\
	(on_its_way((p) ^ 1) && part[(p) ^ 1].chunk < part[p].chunk)

inline queue_add(k)
{
	/* What has stopped starts no I/O. */
	assert(!job[JOB(PART(k))].stopped);
	assert(op[k] == NONE);
	op[k] = READY
}

inline stop(j)
{
	if
	:: !job[j].stopped ->
		job[j].stopped = 1;
		job_move(j, JOB_STOPPED)
	:: else
	fi
}

inline queue_mark(q, given)
{
	if
	:: waiting && given && listed(QUEUE + q) -> resume[q] = 1
	:: else
	fi
}

inline part_read(p)
{
	part_move(p, PART_READING);
	reading = reading + part[p].nr_pages;
	queue_add(p * 2)
}

inline part_write_to(p, i)
{
	coming[i] = coming[i] - part[p].nr_pages;
	writing[i] = writing[i] + part[p].nr_pages;
	zeroes[p * 2 + i] = zero(JOB(p)) && !job[JOB(p)].refused[i];
	queue_add(p * 2 + i)
}

inline part_write(p)
{
#ifdef BREAK_MOVE
	part_move(p, PART_COMPARING);
#endif
	part_move(p, PART_WRITING);
	part[p].pending = 2;
	/* In sequence: after the one before it, and not after a failed one. */
	assert(!seq(JOB(p)) || !failed(JOB(p)));
	assert(!seq(JOB(p)) || part[p].chunk == job[JOB(p)].written);
	part_write_to(p, 0);
	part_write_to(p, 1)
}

inline part_coming(p)
{
	coming[0] = coming[0] + part[p].nr_pages;
	coming[1] = coming[1] + part[p].nr_pages
}

inline part_forget(p)
{
	coming[0] = coming[0] - part[p].nr_pages;
	coming[1] = coming[1] - part[p].nr_pages;
	queue_mark(1, part[p].nr_pages);
	queue_mark(2, part[p].nr_pages)
}

inline write_again(p, i)
{
	writing[i] = writing[i] + part[p].nr_pages;
	queue_add(p * 2 + i)
}

inline part_take(j, p)
{
	if
	:: seq(j) -> part[p].chunk = job[j].next
	:: else
	fi;
	part[p].left = pieces(j);
	part[p].count = pieces(j);
	part[p].alone = 0;
	job[j].next++;
	job[j].inflight++
}

inline part_ready(p)
{
	if
#ifndef BREAK_ORDER
	:: seq(JOB(p)) && comes_second(p) -> part_move(p, PART_READ)
#endif
	:: else -> part_write(p)
	fi
}

/* What is not in use any more is the same in all states of the model. */
inline part_put(p)
{
	part_move(p, PART_FREE);
	part[p].nr_pages = 0;
	part[p].chunk = 0;
	part[p].left = 0;
	part[p].count = 0;
	part[p].pending = 0;
	part[p].alone = 0;
	part[p].nomerge = 0;
	zeroes[p * 2] = 0;
	zeroes[p * 2 + 1] = 0
}

inline part_retire(p)
{
	assert(op[p * 2] == NONE && op[p * 2 + 1] == NONE);
#ifdef BREAK_LEAK
	if
	:: job[JOB(p)].stopped
	:: else -> nr_free = nr_free + part[p].nr_pages
	fi;
#else
	nr_free = nr_free + part[p].nr_pages;
#endif
	job[JOB(p)].inflight--;
	part_put(p)
}

/* Of the part beside @p, which is gone. */
inline seq_next(p)
{
	x_part = (p) ^ 1;
	if
	:: part[x_part].state == PART_READ ->
		if
#ifndef BREAK_SEQ
		:: job[JOB(x_part)].stopped ->
			part_forget(x_part);
			part_retire(x_part)
#endif
		:: else -> part_write(x_part)
		fi
	:: else
	fi
}

inline part_next(p)
{
	part[p].left = part[p].left - part[p].count;
	if
	:: part[p].left && !job[JOB(p)].stopped ->
		if
		:: part[p].left < 2 * part[p].count -> part[p].count = part[p].left
		:: else -> part[p].count = 2 * part[p].count
		fi;
		part_coming(p);
		part_read(p)
	:: else ->
		if
		:: seq(JOB(p)) && part[p].state != PART_READING &&
		   part[p].state != PART_FLUSHING ->
			job[JOB(p)].written++
		:: else
		fi;
		part_retire(p);
		if
		:: seq(JOB(p)) -> seq_next(p)
		:: else
		fi;
		x_ended = 1
	fi
}

inline read_end(p, err)
{
	reading = reading - part[p].nr_pages;
	queue_mark(0, part[p].nr_pages);
	if
	:: err == OK && !job[JOB(p)].stopped -> part_ready(p)
	:: err == EIO && !job[JOB(p)].stopped &&
	   (!part[p].alone || (ignore(JOB(p)) && part[p].count > 1)) ->
		if
		:: part[p].alone -> part[p].count = part[p].count / 2
		:: else -> part[p].alone = 1
		fi;
		part_read(p)
	:: else ->
		if
		:: err == EIO && part[p].alone ->
			if
			:: job[JOB(p)].read_err == OK -> job[JOB(p)].read_err = EIO
			:: else
			fi;
			if
			:: !ignore(JOB(p)) -> stop(JOB(p))
			:: else
			fi
		:: else
		fi;
		part_forget(p);
		x_next = 1
	fi
}

inline write_failed(p, i)
{
	if
	:: zeroes[p * 2 + i] && part[p].state == PART_WRITING ->
		job[JOB(p)].refused[i] = 1;
		zeroes[p * 2 + i] = 0;
		if
		:: job[JOB(p)].stopped
		:: else ->
			write_again(p, i);
			x_again = 1
		fi
	:: part[p].state == PART_VERIFYING && !part[p].nomerge &&
	   !job[JOB(p)].stopped ->
		part[p].nomerge = 1;
		write_again(p, i);
		x_again = 1
	:: else ->
		job[JOB(p)].write_err[i] = 1;
		if
		:: !ignore(JOB(p)) -> stop(JOB(p))
		:: else
		fi
	fi
}

/* The next destination to read back is number x_i, or 2 if there is none. */
inline part_verify(p, i)
{
	if
	:: part[p].state == PART_WRITING -> x_i = 0
	:: else -> x_i = i + 1
	fi;
	do
	:: x_i < 2 && job[JOB(p)].write_err[x_i] -> x_i++
	:: else -> break
	od
}

inline write_end(p, i, err)
{
	writing[i] = writing[i] - part[p].nr_pages;
	queue_mark(1 + i, part[p].nr_pages);
	x_again = 0;
	if
	:: err == EIO -> write_failed(p, i)
	:: else
	fi;
	if
	:: x_again
	:: !x_again && part[p].state == PART_VERIFYING && err == OK &&
	   !job[JOB(p)].stopped ->
		part_move(p, PART_COMPARING);
		write_again(p, i)
	:: else ->
		part[p].pending--;
		if
		:: part[p].pending
		:: else ->
			x_i = 2;
			if
			:: verify(JOB(p)) && part[p].state != PART_FLUSHING ->
				part_verify(p, i)
			:: else
			fi;
			if
			:: x_i < 2 && !job[JOB(p)].stopped ->
				part_move(p, PART_VERIFYING);
				part[p].pending = 1;
				part[p].nomerge = 0;
				write_again(p, x_i)
			:: else -> x_next = 1
			fi
		fi
	fi
}

inline end_op(k, err)
{
	x_p = PART(k);
	op[k] = NONE;
	x_ended = 0;
	if
	:: part[x_p].state == PART_READING -> read_end(x_p, err)
	:: else -> write_end(x_p, SLOT(k), err)
	fi;
	if
	:: x_next -> part_next(x_p)
	:: else
	fi;
	x_next = 0
}

/* The list is x_wait from here on, or NOWHERE if the part is granted. */
inline part_grant(j)
{
	if
	:: nr_free >= needs(j) -> x_wait = NOWHERE
	:: nr_free < needs(j) -> x_wait = STARVED
#if SHARES
	:: reading -> x_wait = QUEUE
	:: writing[0] -> x_wait = QUEUE + 1
	:: writing[1] -> x_wait = QUEUE + 2
#endif
	fi
}

inline others_first()
{
	if
	:: listed(STARVED) -> x_wait = STARVED
	:: !listed(STARVED) && listed(SLOWED) -> x_wait = SLOWED
	:: !listed(STARVED) && !listed(SLOWED) -> x_wait = NOWHERE
#if SHARES
	:: !listed(STARVED) && !listed(SLOWED) && listed(QUEUE) -> x_wait = QUEUE
	:: !listed(STARVED) && !listed(SLOWED) && listed(QUEUE + 1) -> x_wait = QUEUE + 1
	:: !listed(STARVED) && !listed(SLOWED) && listed(QUEUE + 2) -> x_wait = QUEUE + 2
#endif
	fi
}

inline throttle_grant()
{
	if
	:: !throttle || !(x_from != SLOWED && listed(SLOWED)) -> x_wait = NOWHERE
	:: throttle -> x_wait = SLOWED
	fi
}

inline part_get(j)
{
	if
	:: !on_its_way(FIRST(j)) -> x_part = FIRST(j)
	:: on_its_way(FIRST(j)) && j == 0 && !on_its_way(1) -> x_part = 1
	/* There is no memory for another one. */
	:: on_its_way(FIRST(j)) -> x_part = NR_PARTS
	fi
}

inline job_wait(j, l)
{
	assert(job[j].list == NOWHERE);
	job[j].list = l;
	waiting++;
	job_move(j, JOB_WAITING)
}

/* Comes from list x_from, and is in x_wait afterwards. */
inline job_advance(j)
{
	do
	:: job[j].stopped || job[j].next == count(j) ||
	   (seq(j) && job[j].inflight == 2) ->
		x_wait = NOWHERE;
		break
	:: else ->
		x_wait = NOWHERE;
		if
		:: !zero(j) && waiting && x_from == NOWHERE -> others_first()
		:: else
		fi;
		if
		:: x_wait != NOWHERE ->
			job_wait(j, x_wait);
			x_wait = NOWHERE;
			break
		:: else
		fi;
		if
		:: !zero(j) -> part_grant(j)
		:: else
		fi;
		if
		:: x_wait != NOWHERE ->
			job_wait(j, x_wait);
			break
		:: else
		fi;
		part_get(j);
		if
		:: x_part == NR_PARTS -> break
		:: else
		fi;
		throttle_grant();
		if
		:: x_wait != NOWHERE ->
			part_put(x_part);
			job_wait(j, x_wait);
			if
			:: zero(j) && x_from == NOWHERE -> x_wait = NOWHERE
			:: else
			fi;
			break
		:: else
		fi;
		part_take(j, x_part);
		if
		:: zero(j) -> part_ready(x_part)
		:: else ->
			part[x_part].nr_pages = needs(j);
			assert(nr_free >= needs(j));
			nr_free = nr_free - needs(j);
			part_coming(x_part);
			part_read(x_part)
		fi;
		x_from = NOWHERE
	od
}

inline fifo_advance()
{
	if
	:: job[0].list == x_list -> x_j = 0
	:: job[1].list == x_list -> x_j = 1
	fi;
	job[x_j].list = NOWHERE;
	waiting--;
	if
	:: !job[x_j].stopped -> job_move(x_j, JOB_RUNNING)
	:: else
	fi;
	x_from = x_list;
	job_advance(x_j)
}

#define in_flight(l)								\
	((l) == QUEUE -> reading : (writing[(l) == QUEUE + 2]))

/* x_phase: 0 those of the throttle, 1 of the pool, 2 of disks, 3 enough */
inline advance(deferred)
{
	do
	:: x_phase == 3 -> break
	:: x_phase == 0 && !listed(SLOWED) -> x_phase = 1
	:: x_phase == 1 && !listed(STARVED) -> x_phase = 2
	:: x_phase == 2 && resume[0] && !listed(QUEUE) -> resume[0] = 0
	:: x_phase == 2 && resume[1] && !listed(QUEUE + 1) -> resume[1] = 0
	:: x_phase == 2 && resume[2] && !listed(QUEUE + 2) -> resume[2] = 0
	:: x_phase == 2 && !resume[0] && !resume[1] && !resume[2] -> x_phase = 3
	:: else ->
		if
		:: x_phase == 0 -> x_list = SLOWED
		:: x_phase == 1 -> x_list = STARVED
		:: x_phase == 2 && resume[0] && listed(QUEUE) -> x_list = QUEUE
		:: x_phase == 2 && resume[1] && listed(QUEUE + 1) -> x_list = QUEUE + 1
		:: x_phase == 2 && resume[2] && listed(QUEUE + 2) -> x_list = QUEUE + 2
		fi;
		fifo_advance();
		if
		:: x_phase == 0 && x_wait == SLOWED -> x_phase = 1
		:: x_phase == 1 && x_wait == STARVED -> x_phase = 3
		:: x_phase == 2 && x_wait == STARVED -> x_phase = 3
		:: x_phase == 2 && x_wait != STARVED && x_wait != NOWHERE &&
		   (x_wait == x_list || in_flight(x_list)) ->
			resume[x_list - QUEUE] = 0
		:: x_phase == 2 && x_wait != STARVED && x_wait != NOWHERE &&
		   x_wait != x_list && !in_flight(x_list) && !deferred ->
			resume_work = 1;
			x_phase = 3
		:: else
		fi
	od
}

inline notify(j)
{
	if
	:: empty(done) -> notify_work = 1
	:: nempty(done)
	fi;
	done!j;
	job_move(j, JOB_DUE)
}

inline job_finish(j)
{
	if
	:: job[j].list != NOWHERE ->
		job[j].list = NOWHERE;
		waiting--
	:: else
	fi;
	notify(j)
}

inline job_stopped(j)
{
	if
	:: job[j].inflight
	:: else ->
		job_finish(j);
		if
		:: job[j].cancelled -> cancel_wake = 1
		:: else
		fi
	fi
}

/* x_again: there is something to flush */
inline job_flush(j)
{
	x_again = 0;
	if
	:: flush(j) && !job[j].flushed ->
		job[j].flushed = 1;
		part_move(FIRST(j), PART_FLUSHING);
		if
		:: !job[j].write_err[0] ->
			part[FIRST(j)].pending++;
			write_again(FIRST(j), 0)
		:: else
		fi;
		if
		:: !job[j].write_err[1] ->
			part[FIRST(j)].pending++;
			write_again(FIRST(j), 1)
		:: else
		fi;
		if
		:: part[FIRST(j)].pending ->
			job[j].inflight++;
			x_again = 1
		:: else -> part_put(FIRST(j))
		fi
	:: else
	fi
}

inline job_continue(j)
{
	if
	:: job[j].stopped -> job_stopped(j)
	:: !job[j].stopped && job[j].next == count(j) ->
#ifndef BREAK_EARLY
		if
		:: job[j].inflight
		:: else ->
			job_flush(j);
			if
			:: x_again
			:: else -> job_finish(j)
			fi
		fi
#else
		if
		:: job[j].state != JOB_DUE -> job_finish(j)
		:: else
		fi
#endif
	:: !job[j].stopped && job[j].next != count(j) && job[j].list == NOWHERE ->
		x_from = NOWHERE;
		job_advance(j)
	:: else
	fi
}

#if PREPARE
/* kcopyd_do_callback(), whenever the caller's own event is. */
proctype event()
{
	atomic {
		job[CALLBACK].state == JOB_PREPARED -> notify(CALLBACK)
	}
}
#endif

#if THROTTLE
/* As long as somebody waits for it, it will expire. */
proctype timer()
{
end:
	do
	:: atomic {
		throttle && listed(SLOWED) && !resume_work ->
		resume_work = 1
	}
	od
}
#endif

#define runs(j)									\
	(job[j].state == JOB_RUNNING || job[j].state == JOB_WAITING ||		\
	 job[j].state == JOB_STOPPED)

/* Looked for where it waits, and among the parts on their way. */
#ifndef BREAK_CANCEL_WAITING
#define found(j)								\
	(job[j].list != NOWHERE || on_its_way(FIRST(j)) || on_its_way(FIRST(j) + 1))
#else
#define found(j)								\
	(on_its_way(FIRST(j)) || on_its_way(FIRST(j) + 1))
#endif
#ifndef BREAK_CANCEL_TWICE
#define can_win(j)	(found(j) && !job[j].cancelled)
#else
#define can_win(j)	(found(j))
#endif

inline cancel(j)
{
	if
	:: can_win(j) ->
		job[j].read_err = ECANCELED;
		job[j].cancelled = 1;
		stop(j);
		job[j].won++;
		x_go[j] = 1
	:: else ->
		/* It is not told that it was too late for one that goes on. */
		assert(!runs(j) || job[j].cancelled)
	fi;
	sync[j] = SYNC
}

inline accept(j)
{
	job[j].accepted = 1;
	jobs++;
	job_move(j, JOB_RUNNING);
	x_go[j] = 1
}

#define held(k)		(op[k] == POPPED || op[k] == FLIGHT)
#define dropped(k)	(op[k] == READY && x_go[JOB(PART(k))])

/* Of the operations of cancelled jobs that are ready, the first. */
inline next_dropped()
{
	x_op = 0;
	do
	:: x_op < 6 && !dropped(x_op) -> x_op++
	:: else -> break
	od
}

/*
 * What happens under the client's lock, but for callbacks: the submitter, the queues'
 * workers, the end_io, who cancels, and the worker that resumes. An event, and then
 * what follows from it.
 */
proctype core()
{
	mtype err;
	byte cancels = CANCELS;
end:
	do
	:: atomic {
		if
		:: submitting < NR_SUBMITTED ->
			accept(submitting);
			submitting++;
			shutdown = !ANYTIME && submitting == NR_SUBMITTED
#if RESUBMIT
		:: resubmitting ->
			resubmitting = 0;
			if
			:: shutdown
			:: else -> accept(1)
			fi
#endif
		/* A worker pops an operation; several can be, and are looked at later. */
		:: op[0] == READY -> op[0] = POPPED
		:: op[1] == READY -> op[1] = POPPED
		:: op[2] == READY -> op[2] = POPPED
		:: op[3] == READY -> op[3] = POPPED
		:: op[4] == READY -> op[4] = POPPED
		:: op[5] == READY -> op[5] = POPPED
		/*
		 * It is submitted, or ends as its job has stopped. What was submitted
		 * ends, well or not: in the end_io, or in the worker where it compares
		 * or dm-io refuses.
		 */
		:: held(0) -> x_event = OP; x_op = 0
		:: held(1) -> x_event = OP; x_op = 1
		:: held(2) -> x_event = OP; x_op = 2
		:: held(3) -> x_event = OP; x_op = 3
		:: held(4) -> x_event = OP; x_op = 4
		:: held(5) -> x_event = OP; x_op = 5
		/* In a callback, once the client is being destroyed. */
		:: cancels && !freed && (!shutdown || (jobs && !SYNC)) ->
			cancels--;
			x_event = CANCEL;
			cancelling = cancelling + SYNC;
			if
			:: true -> cancel(0)
#if !ONE
			:: true -> cancel(1)
			:: true ->
				cancel(0);
				cancel(1)
#endif
			fi
		:: resume_work ->
			resume_work = 0;
			x_event = RESUME
		fi;
		assert(!freed);

		if
		:: x_event == OP && op[x_op] == POPPED && !job[JOB(PART(x_op))].stopped ->
			op[x_op] = FLIGHT;
			x_op = 6
		:: x_event == OP && op[x_op] == POPPED && job[JOB(PART(x_op))].stopped ->
			err = ECANCELED
		:: x_event == OP && op[x_op] == FLIGHT -> err = OK
		:: x_event == OP && op[x_op] == FLIGHT && !NOFAIL -> err = EIO
		:: x_event == CANCEL ->
			err = ECANCELED;
			next_dropped()
		:: x_event != OP && x_event != CANCEL -> x_op = 6
		fi;
		do
		:: x_op == 6 -> break
		:: else ->
			end_op(x_op, err);
			x_op = 6;
			if
			:: x_event == CANCEL -> next_dropped()
			:: else -> x_go[JOB(x_p)] = x_ended
			fi
		od;
		err = 0;

		if
		:: x_event == RESUME
#ifndef BREAK_WAKEUP
		:: x_event == OP && waiting &&
		   (resume[0] || resume[1] || resume[2] || listed(STARVED))
#endif
		:: else -> x_phase = 3
		fi;
		advance(x_event == RESUME);

		x_j = 0;
		do
		:: x_j < 2 && x_go[x_j] ->
			job_continue(x_j);
			x_j++
		:: x_j < 2 && !x_go[x_j] -> x_j++
		:: else -> break
		od;
		if
		:: x_event == CANCEL && waiting -> resume_work = 1
		:: else
		fi;
		forget()
	}
	od
}

#if SYNC
#define cancelled_goes_on(j)							\
	(sync[j] && job[j].cancelled &&						\
	 (on_its_way(FIRST(j)) || on_its_way(FIRST(j) + 1)))

/* Who has cancelled waits for the callbacks. */
proctype canceller()
{
end:
	cancelling;
	do
	:: atomic {
		cancel_wake = 0;
		if
		:: cancelled_goes_on(0) || cancelled_goes_on(1)
		:: else -> break
		fi
	};
		cancel_wake
	od;
	/* kcopyd_client_flush() */
	atomic {
		jobs++;
		notify(CALLBACK)
	};
	job[CALLBACK].called;
	atomic {
		assert(!sync[0] || !job[0].cancelled || job[0].called);
		assert(!sync[1] || !job[1].cancelled || job[1].called);
		cancelling--
	}
}
#endif

/* Everything that must be true of a job whose callback is called. */
inline check_ended(j)
{
	assert(!job[j].called && job[j].accepted);
	assert(job[j].inflight == 0 && job[j].list == NOWHERE);
	assert(!on_its_way(FIRST(j)) && !on_its_way(FIRST(j) + 1));
	assert(job[j].won == job[j].cancelled);
	assert(job[j].cancelled == (job[j].read_err == ECANCELED));
	/* All was done, or there is a reason. */
	assert(job[j].stopped || job[j].next == count(j));
	assert(!job[j].stopped || failed(j))
}

proctype notifier()
{
	byte j;
end:
	do
	:: atomic {
		notify_work ->
		notify_work = 0;
		notifying = 1
	};
		do
		:: atomic {
			done?j;
			assert(!freed);
			if
			:: j != CALLBACK -> check_ended(j)
			:: else
			fi;
			job_move(j, JOB_FREE)
		};
			/* The callback. */
			atomic {
				assert(!freed);
				job[j].called++;
#if RESUBMIT
				if
				:: j == 0 -> resubmitting = 1
				:: else
				fi
			};
			atomic {
				!resubmitting;
#endif
				jobs--;
				j = 0;
				if
				:: !jobs -> idle_wake = 1
				:: else
				fi;
				/* Other work has its turn. */
				if
				:: nempty(done) ->
					notify_work = 1;
					break
				:: true
				fi
			}
		:: atomic { empty(done) -> break }
		od;
	notifying = 0
	od
}

inline check_part(p)
{
	assert(part[p].state == PART_FREE);
	assert(op[p * 2] == NONE && op[p * 2 + 1] == NONE)
}

/* The caller has stopped what else uses the client, but for its callbacks. */
proctype destroyer()
{
#if ANYTIME
	atomic { submitting == NR_SUBMITTED && !cancelling -> shutdown = 1 };
#else
	submitting == NR_SUBMITTED && !cancelling;
#endif
#if THROTTLE
	atomic {
		throttle = 0;
		waiting--;
		if
		:: listed(SLOWED) -> resume_work = 1
		:: else
		fi
	};
#endif
#ifndef BREAK_DESTROY
	do
	:: atomic {
		idle_wake = 0;
		if
		:: !jobs -> break
		:: else
		fi
	};
		idle_wake
	od;
#endif
	/* The workqueues are destroyed. */
	!notify_work && !notifying && !resume_work;
	atomic {
		freed = 1;
		assert(job[0].called == job[0].accepted);
		assert(job[1].called == job[1].accepted);
		assert(!PREPARE || job[CALLBACK].called);
		assert(nr_free == PAGES);
		assert(!reading && !writing[0] && !writing[1] && !coming[0] && !coming[1]);
		assert(!waiting);
		check_part(0);
		check_part(1);
		check_part(2);
		check_part(3)
	}
}

init {
	atomic {
		nr_free = PAGES;
		throttle = THROTTLE;
		waiting = THROTTLE;
		do
		:: x_i < 3 ->
			job[x_i].state = JOB_FREE;
			job[x_i].read_err = OK;
			x_i++
		:: else -> break
		od;
		x_i = 0;
		do
		:: x_i < NR_OPS ->
			op[x_i] = NONE;
			part[PART(x_i)].state = PART_FREE;
			x_i++
		:: else -> break
		od;
		forget();
#if PREPARE
		jobs++;
		job_move(CALLBACK, JOB_PREPARED);
		job[CALLBACK].accepted = 1;
#endif
		run core();
		run notifier();
#if THROTTLE
		run timer();
#endif
#if PREPARE
		run event();
#endif
#if SYNC
		run canceller();
#endif
		run destroyer()
	}
}
