/* SPDX-License-Identifier: GPL-2.0-only */
/* Allocations of the current task that fail, by the kernel's fault injection. */
#ifndef KCOPYD_TESTS_STARVE_H
#define KCOPYD_TESTS_STARVE_H

#include <linux/sched/signal.h>

/* The @nth allocation from now on fails. */
static inline void starve(unsigned int nth)
{
#ifdef CONFIG_FAULT_INJECTION
	WRITE_ONCE(current->fail_nth, nth);
#endif
}

/* Fail no more. Has an allocation failed? */
static inline bool starve_stop(void)
{
#ifdef CONFIG_FAULT_INJECTION
	bool failed = !READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	return failed;
#else
	return false;
#endif
}

/* All of a task's objects of the slab fail, or none do: guest.sh has set that up. */
static inline void starve_task(struct task_struct *task, bool on)
{
#ifdef CONFIG_FAULT_INJECTION
	WRITE_ONCE(task->make_it_fail, on);
#endif
}

/* The allocations of all workers are spared, whatever they do next. */
static inline void starve_stop_workers(void)
{
#ifdef CONFIG_FAULT_INJECTION
	struct task_struct *task;

	rcu_read_lock();
	for_each_process(task) {
		if (task->flags & PF_WQ_WORKER)
			WRITE_ONCE(task->fail_nth, 0);
	}
	rcu_read_unlock();
#endif
}

#endif /* KCOPYD_TESTS_STARVE_H */
