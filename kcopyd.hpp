/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kcopyd: asynchronous copies of sector ranges between block devices.
 *
 * The C++ interface: owning objects over the C calls of kcopyd.h, which remain
 * the contract. Freestanding C++20 that includes no kernel header and no
 * header of a C++ library. Nothing throws, and nothing allocates behind the
 * caller's back: what can fail says so in its type.
 *
 *	kcopyd::completion done([&](const kcopyd::outcome &o) { ... });
 *
 *	kcopyd::result<kcopyd::client> made = kcopyd::client::create(64);
 *	if (!made)
 *		return made.error();
 *	kcopyd::client client = made.take();
 *
 *	int err = client.copy({ from, 0, 2048 }, { { to, 0, 2048 } }, done);
 *
 * A module that uses it is built with compat/cxx.mk, which compiles
 * kcopyd_cpp_shim.cpp into the module's one C++ object.
 */
#ifndef KCOPYD_HPP
#define KCOPYD_HPP

#include "kcopyd.h"
#include "compat/cpp.h"

/*
 * States what must be true. Reports it in the kernel log, with a backtrace, if
 * it is not, and goes on.
 */
#define KCOPYD_CPP_ASSERT(condition)                                              \
	do {                                                                      \
		if (!(condition))                                                 \
			kcopyd_cpp_assert_failed(#condition, __FILE__, __LINE__); \
	} while (0)

namespace kcopyd
{

using size_t = decltype(sizeof(0));

/* The argument that selects the operator new that may fail: new (may_fail) T. */
struct may_fail_t {};
inline constexpr may_fail_t may_fail;

/* errno values that the C++ layer itself returns, as negative numbers. */
inline constexpr int enomem = 12;
inline constexpr int ebusy = 16;
inline constexpr int einval = 22;
inline constexpr int edeadlk = 35;

/**
 * struct region - struct io_region with a constructor
 *
 * Units are sectors of 512 bytes. The device is held open by the caller until
 * the callback of the copy has run.
 */
struct region : io_region {
	constexpr region(block_device *dev, sector_t first, sector_t length) noexcept
		: io_region{ dev, first, length }
	{
	}
};

/* An array of one is an array of the other, as C must read it. */
static_assert(sizeof(region) == sizeof(io_region));
static_assert(alignof(region) == alignof(io_region));
static_assert(__is_standard_layout(region) && __is_trivially_copyable(region));
static_assert(sizeof(sector_t) == 8);

#if __SIZEOF_POINTER__ == 8
static_assert(sizeof(io_region) == KCOPYD_CPP_SIZE_REGION);
static_assert(__builtin_offsetof(io_region, count) == KCOPYD_CPP_LAST_REGION);
static_assert(sizeof(kcopyd_limits) == KCOPYD_CPP_SIZE_LIMITS);
static_assert(__builtin_offsetof(kcopyd_limits, percent) == KCOPYD_CPP_LAST_LIMITS);
static_assert(sizeof(kcopyd_bad_range) == KCOPYD_CPP_SIZE_BAD_RANGE);
static_assert(__builtin_offsetof(kcopyd_bad_range, count) == KCOPYD_CPP_LAST_BAD_RANGE);
static_assert(sizeof(kcopyd_result) == KCOPYD_CPP_SIZE_RESULT);
static_assert(__builtin_offsetof(kcopyd_result, ended) == KCOPYD_CPP_LAST_RESULT);
static_assert(sizeof(kcopyd_request) == KCOPYD_CPP_SIZE_REQUEST);
static_assert(__builtin_offsetof(kcopyd_request, result) == KCOPYD_CPP_LAST_REQUEST);
static_assert(sizeof(kcopyd_client_stats) == KCOPYD_CPP_SIZE_STATS);
static_assert(__builtin_offsetof(kcopyd_client_stats, large) == KCOPYD_CPP_LAST_STATS);
#endif

/* How to copy: the KCOPYD_* flags of the C interface. */
enum class flags : unsigned int {
	none = 0,
	ignore_error = KCOPYD_IGNORE_ERROR,
	write_seq = KCOPYD_WRITE_SEQ,
	flush = KCOPYD_FLUSH,
	verify = KCOPYD_VERIFY,
	detect_zeroes = KCOPYD_DETECT_ZEROES,
	no_unmap = KCOPYD_NO_UNMAP,
	salvage = KCOPYD_SALVAGE,
};

[[nodiscard]] constexpr flags operator|(flags a, flags b) noexcept
{
	return static_cast<flags>(static_cast<unsigned int>(a) | static_cast<unsigned int>(b));
}

/**
 * class outcome - how a copy ended
 */
class outcome {
public:
	constexpr outcome(int read_err, unsigned int write_err) noexcept
		: read_err_(read_err), write_err_(write_err)
	{
	}

	/* Everything was read, and written to every destination. */
	[[nodiscard]] constexpr bool ok() const noexcept
	{
		return read_err_ == 0 && write_err_ == 0;
	}

	/* 0, or the negative errno of the first read that failed. */
	[[nodiscard]] constexpr int read_error() const noexcept { return read_err_; }

	/* Whether a write to destination @i failed. */
	[[nodiscard]] constexpr bool write_failed(unsigned int i) const noexcept
	{
		return i < KCOPYD_MAX_DESTS && (write_err_ & (1U << i)) != 0;
	}

	/* One bit for each destination. */
	[[nodiscard]] constexpr unsigned int write_errors() const noexcept { return write_err_; }

private:
	int read_err_;
	unsigned int write_err_;
};

/**
 * struct limits - struct kcopyd_limits, of which only some need be named
 *
 * As in { .bytes_per_second = 20000000 }; 0 is no limit.
 */
struct limits {
	unsigned long long bytes_per_second = 0;
	unsigned int ios_per_second = 0;
	unsigned int percent = 0;
};

static_assert(sizeof(limits) == sizeof(kcopyd_limits));

/* What a client is, and what it has done. */
using stats = kcopyd_client_stats;

/* Sectors that could not be read. */
using bad_range = kcopyd_bad_range;

/**
 * class report - how a request ended, and what became of it
 *
 * Looks at the request, and is good until that is accepted once more.
 */
class report : public outcome {
public:
	explicit report(const kcopyd_request &r) noexcept
		: outcome(r.result.read_err, r.result.write_err), r_(r), bad_(r.bad)
	{
	}

	/* Whether destination @i is among those that failed with -EOPNOTSUPP. */
	[[nodiscard]] bool unsupported(unsigned int i) const noexcept
	{
		return i < KCOPYD_MAX_DESTS && (r_.result.unsupported & (1U << i)) != 0;
	}

	/* Whether destination @i contains something else than was written. */
	[[nodiscard]] bool mismatch(unsigned int i) const noexcept
	{
		return i < KCOPYD_MAX_DESTS && (r_.result.mismatch & (1U << i)) != 0;
	}

	/* The bad ranges that are told, in ascending order: for (auto &b : report). */
	[[nodiscard]] const bad_range *begin() const noexcept { return bad_; }
	[[nodiscard]] const bad_range *end() const noexcept { return bad_ + r_.result.nr_bad; }

	/* Everything that there is: bytes, times, the first piece that failed. */
	[[nodiscard]] const kcopyd_result &details() const noexcept { return r_.result; }

private:
	const kcopyd_request &r_;
	const bad_range *bad_; /* not r_.bad: a rejected copy has left its own there */
};

class client;

/**
 * class completion_base - the part of a completion that does not depend on its
 * callable; not used by itself
 */
class completion_base {
public:
	completion_base(const completion_base &) = delete;
	completion_base &operator=(const completion_base &) = delete;

	/*
	 * True from an accepted copy until its callable is about to be called.
	 * Only a hint where the callable may run at the same time.
	 */
	[[nodiscard]] bool pending() const noexcept
	{
		return __atomic_load_n(&pending_, __ATOMIC_ACQUIRE);
	}

protected:
	explicit completion_base(kcopyd_notify_fn notify) noexcept : notify_(notify) {}
	~completion_base();

	void fired() noexcept { __atomic_store_n(&pending_, false, __ATOMIC_RELEASE); }

private:
	friend class client;

	/* False if a copy has it already. */
	[[nodiscard]] bool take() noexcept
	{
		return !__atomic_exchange_n(&pending_, true, __ATOMIC_ACQ_REL);
	}

	kcopyd_notify_fn notify_;
	bool pending_ = false;
};

/**
 * class completion - a callable, and the room that a copy needs to call it
 *
 * The caller owns the object and keeps it where it is until the callable has
 * been called; it can be neither copied nor moved. It serves one copy at a time
 * and any number in turn.
 *
 * The callable takes a const outcome &. It is called exactly once for each
 * accepted copy, from the client's own workqueue, one callback of a client at a
 * time: process context, may sleep, allocations are implicitly GFP_NOIO. It may
 * use this completion for the next copy, or destroy it as the last thing it
 * does: nothing here touches the object once the callable has been called.
 *
 * Destroying it earlier leaves a callback that would run on freed memory; this
 * is reported as a broken assertion. Declared before the client, it lives until
 * the client's destruction has waited for the copy.
 */
template <typename F> class completion final : public completion_base {
public:
	explicit completion(F fn) noexcept
		: completion_base(&completion::notify), fn_(static_cast<F &&>(fn))
	{
	}

private:
	static void notify(int read_err, unsigned int write_err, void *context) noexcept
	{
		auto *self = static_cast<completion *>(static_cast<completion_base *>(context));

		self->fired();
		self->fn_(outcome(read_err, write_err));
	}

	F fn_;
};

/**
 * struct options - what a request asks for, of which only some need be named
 *
 * As in { .how = flags::salvage, .bad = bad, .max_bad = 16 }.
 */
struct options {
	flags how = flags::none;
	unsigned short ioprio = 0;     /* of ioprio_set(2), class and level; 0: the normal one */
	sector_t progress_sectors = 0; /* told of progress after so many more */
	bad_range *bad = nullptr;      /* receives what could not be read */
	unsigned int max_bad = 0;      /* how many there is room for */
};

/**
 * class request_base - the part of a request that does not depend on its
 * callables; not used by itself
 */
class request_base {
public:
	request_base(const request_base &) = delete;
	request_base &operator=(const request_base &) = delete;

	/**
	 * reserve() - allocate the memory that copying takes
	 * @max_dests: for so many destinations, from 1 to KCOPYD_MAX_DESTS
	 *
	 * Once there is enough, submitting needs none. Not while a report of it is
	 * looked at, or somebody cancels it: it may move.
	 *
	 * Context: process context, may sleep.
	 * Return: 0; -EINVAL, -ENOMEM, or -EBUSY while it is pending.
	 */
	[[nodiscard]] int reserve(unsigned int max_dests) noexcept;

	/* As completion_base::pending(). */
	[[nodiscard]] bool pending() const noexcept
	{
		return __atomic_load_n(&pending_, __ATOMIC_ACQUIRE);
	}

	/**
	 * cancel() - cancel it
	 *
	 * As client::cancel(). The client that it was last submitted to exists, and
	 * nobody else submits it.
	 *
	 * Context: any, hard interrupts included. Does not wait.
	 * Return: 1, or 0 if it is not pending or has ended already.
	 */
	int cancel() noexcept;

	/**
	 * cancel_sync() - cancel it and wait
	 *
	 * As client::cancel_sync(). The client that it was last submitted to exists, and
	 * nobody else submits it.
	 *
	 * Context: process context, may sleep.
	 * Return: as cancel(); -EDEADLK in one of the client's own callables, and
	 * nothing is cancelled.
	 */
	int cancel_sync() noexcept;

protected:
	constexpr request_base(kcopyd_request_fn fn, kcopyd_progress_fn progress) noexcept
		: fn_(fn), progress_(progress)
	{
	}
	~request_base();

	void fired() noexcept { __atomic_store_n(&pending_, false, __ATOMIC_RELEASE); }

private:
	friend class client;

	/* Has it ever been accepted, so that its callable may not have returned yet? */
	[[nodiscard]] bool submitted() const noexcept
	{
		return __atomic_load_n(&submitted_, __ATOMIC_RELAXED);
	}
	void set_submitted(bool is) noexcept
	{
		__atomic_store_n(&submitted_, is, __ATOMIC_RELAXED);
	}

	kcopyd_request *r_ = nullptr;
	kcopyd_request_fn fn_;
	kcopyd_progress_fn progress_;
	unsigned int max_dests_ = 0;
	bool pending_ = false;
	bool submitted_ = false;
};

/* What a request without a callable for its progress has in its place. */
struct no_progress {};

/**
 * class request - a copy that cannot fail for want of memory, and that tells more
 *
 * It consists of the memory that it takes, the callable that is told of the end, and
 * one that is told of progress:
 *
 *	kcopyd::request r([&](const kcopyd::report &) { ... });
 *
 *	err = r.reserve(1);
 *	if (!err)
 *		err = client.submit(r, from, { to }, { .how = kcopyd::flags::verify });
 *
 * As for class completion: who owns it keeps it where it is until its callable has
 * been called, which takes a const report & (or a const outcome &). The callable may
 * submit it once more, or destroy it as the last thing it does.
 *
 * The callable for progress takes the number of sectors that are done with, is called
 * in turn with the client's other callables, and not after the one for the end.
 */
template <typename F, typename P = no_progress> class request final : public request_base {
public:
	explicit request(F fn) noexcept
		: request_base(&request::ended, nullptr), ended_(static_cast<F &&>(fn))
	{
	}

	request(F fn, P progress) noexcept
		: request_base(&request::ended, &request::went_on), ended_(static_cast<F &&>(fn)),
		  progress_(static_cast<P &&>(progress))
	{
	}

private:
	static request *of(const kcopyd_request *r) noexcept
	{
		return static_cast<request *>(static_cast<request_base *>(r->context));
	}

	static void ended(kcopyd_request *r) noexcept
	{
		request *self = of(r);

		self->fired();
		self->ended_(report(*r));
	}

	static void went_on(kcopyd_request *r, sector_t done) noexcept
	{
		if constexpr (!__is_same(P, no_progress))
			of(r)->progress_(done);
	}

	F ended_;
	[[no_unique_address]] P progress_ = P();
};

/**
 * class member_call - a member function of an object, as a callable
 */
template <auto M, typename T> class member_call {
public:
	constexpr explicit member_call(T &object) noexcept : object_(object) {}

	template <typename A> void operator()(const A &a) const noexcept { (object_.*M)(a); }

private:
	T &object_;
};

/* As in kcopyd::completion done(kcopyd::member<&leg::copied>(*this)). */
template <auto M, typename T> [[nodiscard]] constexpr member_call<M, T> member(T &object) noexcept
{
	return member_call<M, T>(object);
}

/**
 * class result - a value, or the negative errno that says why there is none
 *
 * T has an empty state, which is what its default constructor makes.
 */
template <typename T> class [[nodiscard]] result {
public:
	explicit result(T &&value) noexcept : value_(static_cast<T &&>(value)) {}
	explicit result(int error) noexcept : error_(error) { KCOPYD_CPP_ASSERT(error < 0); }

	[[nodiscard]] explicit operator bool() const noexcept { return error_ == 0; }

	/* 0 if there is a value. */
	[[nodiscard]] int error() const noexcept { return error_; }

	/* Moves the value out; an empty one if there is none. */
	[[nodiscard]] T take() noexcept { return static_cast<T &&>(value_); }

private:
	T value_;
	int error_ = 0;
};

/**
 * class throttle - owns limits on how fast the copies of some clients go
 *
 * Empty, or the only owner of a throttle: it can be moved and not copied. On an
 * empty one, set(), suspend() and resume() fail with -EINVAL and destruction does
 * nothing. Clients that it was given to keep the limits when it is gone.
 */
class [[nodiscard]] throttle {
public:
	constexpr throttle() noexcept = default;

	/* Takes over what kcopyd_throttle_create() or release() returned. */
	explicit throttle(kcopyd_throttle *t) noexcept : t_(t) {}

	throttle(throttle &&other) noexcept : t_(other.release()) {}
	throttle &operator=(throttle &&other) noexcept;
	throttle(const throttle &) = delete;
	throttle &operator=(const throttle &) = delete;

	/* As reset(). */
	~throttle() { reset(); }

	/**
	 * create() - create a throttle
	 * @most: the limits
	 *
	 * Context: process context, may sleep.
	 * Return: the throttle, or -EINVAL (more than 100 percent) or -ENOMEM.
	 */
	static result<throttle> create(const limits &most) noexcept;

	/**
	 * set() - change the limits
	 * @most: the new ones, which hold for what begins from now on
	 *
	 * Context: any, hard interrupts included.
	 * Return: 0, or -EINVAL and the limits are as they were.
	 */
	[[nodiscard]] int set(const limits &most) noexcept;

	/**
	 * suspend() - no limit holds until resume(), whatever is set meanwhile
	 *
	 * Context: any, hard interrupts included.
	 * Return: 0, or -EINVAL of an empty one.
	 */
	[[nodiscard]] int suspend() noexcept;

	/**
	 * resume() - they hold again, however often they were suspended
	 *
	 * Context: any, hard interrupts included.
	 * Return: 0, or -EINVAL of an empty one.
	 */
	[[nodiscard]] int resume() noexcept;

	/**
	 * get_limits() - which limits are set, by whomever, suspended or not
	 *
	 * Context: any, hard interrupts included.
	 * Return: the limits; none of an empty one.
	 */
	[[nodiscard]] limits get_limits() const noexcept;

	/**
	 * reset() - let go of the throttle, and be empty
	 *
	 * Context: process context, may sleep.
	 */
	void reset() noexcept;

	[[nodiscard]] explicit operator bool() const noexcept { return t_ != nullptr; }

	/* For the C interface; still owned by this object. */
	[[nodiscard]] kcopyd_throttle *get() const noexcept { return t_; }

	/* Hands the ownership to the caller, for kcopyd_throttle_destroy(). */
	[[nodiscard]] kcopyd_throttle *release() noexcept
	{
		kcopyd_throttle *t = t_;

		t_ = nullptr;
		return t;
	}

private:
	kcopyd_throttle *t_ = nullptr;
};

static_assert(sizeof(throttle) == sizeof(void *));

/**
 * class prepared_callback - owns a callback that has been announced
 *
 * Empty, or the only owner: it can be moved and not copied. It is fired once; the
 * client's destruction waits for it. One that is destroyed before is a callback that
 * never comes, which is reported as a broken assertion.
 */
class [[nodiscard]] prepared_callback {
public:
	constexpr prepared_callback() noexcept = default;
	explicit prepared_callback(kcopyd_job *job) noexcept : job_(job) {}

	prepared_callback(prepared_callback &&other) noexcept : job_(other.release()) {}
	prepared_callback &operator=(prepared_callback &&other) noexcept;
	prepared_callback(const prepared_callback &) = delete;
	prepared_callback &operator=(const prepared_callback &) = delete;
	~prepared_callback();

	/**
	 * fire() - have the callable called, and be empty
	 * @how: what it is told
	 *
	 * Context: any, hard interrupts included.
	 */
	void fire(const outcome &how) noexcept;

	[[nodiscard]] explicit operator bool() const noexcept { return job_ != nullptr; }

	/* Hands the ownership to the caller, for kcopyd_do_callback(). */
	[[nodiscard]] kcopyd_job *release() noexcept
	{
		kcopyd_job *job = job_;

		job_ = nullptr;
		return job;
	}

private:
	kcopyd_job *job_ = nullptr;
};

/**
 * class client - owns a client of the copy service, its pages and its workers
 *
 * Empty, or the only owner of a client: it can be moved and not copied. On an
 * empty one, all calls fail with -EINVAL and destruction does nothing.
 */
class [[nodiscard]] client {
public:
	constexpr client() noexcept = default;

	/* Takes over what kcopyd_client_create() or release() returned. */
	explicit client(kcopyd_client *kc) noexcept : kc_(kc) {}

	client(client &&other) noexcept : kc_(other.release()) {}
	client &operator=(client &&other) noexcept;
	client(const client &) = delete;
	client &operator=(const client &) = delete;

	/* As reset(). */
	~client() { reset(); }

	/**
	 * create() - create a client
	 * @num_pages: pages of data that the client owns, and never exceeds
	 *
	 * Context: process context, may sleep.
	 * Return: the client, or -EINVAL (no pages) or -ENOMEM.
	 */
	static result<client> create(unsigned int num_pages) noexcept;

	/* The same, with the name by which statistics and tracepoints call it. */
	static result<client> create(const char *name, unsigned int num_pages) noexcept;

	/**
	 * resize() - change how many pages the client owns
	 * @num_pages: how many
	 *
	 * Context and errors as kcopyd_client_resize().
	 */
	[[nodiscard]] int resize(unsigned int num_pages) noexcept;

	/**
	 * set_part_size() - change into what pieces copies are split
	 * @kib: the largest piece, in KiB
	 *
	 * Context and errors as kcopyd_client_set_part_size().
	 */
	[[nodiscard]] int set_part_size(unsigned int kib) noexcept;

	/**
	 * get_stats() - what the client is, and what it has done
	 *
	 * Context: any, hard interrupts included.
	 * Return: all of the same moment; all zeroes for an empty client.
	 */
	[[nodiscard]] stats get_stats() const noexcept;

	/**
	 * copy() - start a copy
	 * @from: what to read
	 * @dests: where to write it, as many as there are, all of @from's length
	 * @how: flags
	 * @done: told of the end; see class completion for how long it must live
	 *
	 * The regions may be gone when the call returns.
	 *
	 * Context: process context; may sleep for a job object.
	 * Return: 0, and @done will be called exactly once. A negative errno,
	 * and it will not, and nothing was written: that of kcopyd_copy(), or
	 * -EBUSY if @done still waits for another copy.
	 */
	template <size_t N>
	[[nodiscard]] int copy(const region &from, const region (&dests)[N], flags how,
			       completion_base &done) noexcept
	{
		static_assert(N <= KCOPYD_MAX_DESTS, "more destinations than kcopyd serves");
		return copy(from, N, dests, how, done);
	}

	template <size_t N>
	[[nodiscard]] int copy(const region &from, const region (&dests)[N],
			       completion_base &done) noexcept
	{
		return copy(from, dests, flags::none, done);
	}

	/* The same, for a number of destinations that is only known at run time. */
	[[nodiscard]] int copy(const region &from, unsigned int num_dests, const region *dests,
			       flags how, completion_base &done) noexcept;

	/**
	 * zero() - fill with zeroes
	 * @dests: what to fill, as many as there are, all of one length
	 * @how: flags
	 * @done: told of the end, with a read_error() of 0 unless it was cancelled
	 *
	 * By the device where it can, else by writing; takes no pages of the client.
	 *
	 * Context: as copy().
	 * Return: as copy(), with the errno of kcopyd_zero().
	 */
	template <size_t N>
	[[nodiscard]] int zero(const region (&dests)[N], flags how, completion_base &done) noexcept
	{
		static_assert(N <= KCOPYD_MAX_DESTS, "more destinations than kcopyd serves");
		return zero(N, dests, how, done);
	}

	template <size_t N>
	[[nodiscard]] int zero(const region (&dests)[N], completion_base &done) noexcept
	{
		return zero(dests, flags::none, done);
	}

	/* The same, for a number of destinations that is only known at run time. */
	[[nodiscard]] int zero(unsigned int num_dests, const region *dests, flags how,
			       completion_base &done) noexcept;

	/**
	 * submit() - start a copy that takes no memory
	 * @what: the request, with enough memory reserved
	 * @from: what to read
	 * @dests: where to write it, as many as there are, all of @from's length
	 * @opts: what else is asked for
	 *
	 * The regions may be gone when the call returns.
	 *
	 * Context: process context; does not sleep.
	 * Return: 0, and the request's callable will be called exactly once. A
	 * negative errno, and it will not, and nothing was written: that of
	 * kcopyd_submit(); -EBUSY if @what is pending; -ENOMEM if there is no memory
	 * reserved for so many destinations.
	 */
	template <size_t N>
	[[nodiscard]] int submit(request_base &what, const region &from, const region (&dests)[N],
				 const options &opts = {}) noexcept
	{
		static_assert(N <= KCOPYD_MAX_DESTS, "more destinations than kcopyd serves");
		return submit(what, from, N, dests, opts);
	}

	/* The same, for a number of destinations that is only known at run time. */
	[[nodiscard]] int submit(request_base &what, const region &from, unsigned int num_dests,
				 const region *dests, const options &opts = {}) noexcept;

	/* The same as submit(), without a source: fills with zeroes. */
	template <size_t N>
	[[nodiscard]] int submit_zero(request_base &what, const region (&dests)[N],
				      const options &opts = {}) noexcept
	{
		static_assert(N <= KCOPYD_MAX_DESTS, "more destinations than kcopyd serves");
		return submit_zero(what, N, dests, opts);
	}

	[[nodiscard]] int submit_zero(request_base &what, unsigned int num_dests,
				      const region *dests, const options &opts = {}) noexcept;

	/**
	 * prepare() - have a callable called later, from wherever that is decided
	 * @done: told what prepared_callback::fire() is given
	 *
	 * Context: as copy().
	 * Return: what is to be fired, or the errno of kcopyd_prepare_callback(), or
	 * -EBUSY.
	 */
	result<prepared_callback> prepare(completion_base &done) noexcept;

	/**
	 * flush() - wait for the callables that are due
	 *
	 * Does not wait for I/O, nor for callables that become due meanwhile.
	 *
	 * Context: process context, may sleep.
	 * Return: 0; -EDEADLK in one of the client's own callables.
	 */
	[[nodiscard]] int flush() noexcept;

	/**
	 * cancel() - cancel the copy that a completion was given to
	 * @done: the completion
	 *
	 * The copy starts no further I/O, and its callable comes as ever, with a
	 * read_error() of -ECANCELED: soon, but until then @done is pending. What
	 * the destinations contain is undefined.
	 *
	 * Context: any, hard interrupts included. Does not wait.
	 * Return: 1, or 0 if there is no such copy or it has ended already.
	 */
	int cancel(completion_base &done) noexcept;

	/**
	 * cancel_sync() - cancel the copy that a completion was given to, and wait
	 * @done: the completion; its callable has returned then, and unless that
	 *	has started another copy with it, it can be destroyed
	 *
	 * Context: process context, may sleep.
	 * Return: as cancel(); -EDEADLK in one of the client's own callables, and
	 * nothing is cancelled.
	 */
	int cancel_sync(completion_base &done) noexcept;

	/* The same for all copies of the client; they return how many there were. */
	int cancel_all() noexcept;
	int cancel_all_sync() noexcept;

	/**
	 * limit_by() - limit how fast the copies go, queued ones included
	 * @by: the limits; clients that are given the same throttle share them
	 *
	 * Context: process context, may sleep.
	 * Return: 0; -EINVAL if @by is empty, which is not taken for no limit;
	 * -ESHUTDOWN if the client is being destroyed.
	 */
	[[nodiscard]] int limit_by(const throttle &by) noexcept;

	/* Without limits from now on. Context and errors as limit_by(). */
	int unlimit() noexcept;

	/**
	 * reset() - destroy the client, and be empty
	 *
	 * Waits for all its copies; the callers of copy() have stopped. From
	 * one of the client's own callbacks it does not wait: the client then
	 * ends after the callback has returned.
	 *
	 * Context: process context, may sleep.
	 */
	void reset() noexcept;

	[[nodiscard]] explicit operator bool() const noexcept { return kc_ != nullptr; }

	/* For the C interface; still owned by this object. */
	[[nodiscard]] kcopyd_client *get() const noexcept { return kc_; }

	/* Hands the ownership to the caller, for kcopyd_client_destroy(). */
	[[nodiscard]] kcopyd_client *release() noexcept
	{
		kcopyd_client *kc = kc_;

		kc_ = nullptr;
		return kc;
	}

private:
	int start(request_base &what, const io_region &from, unsigned int num_dests,
		  const region *dests, const options &opts, unsigned int more) noexcept;

	kcopyd_client *kc_ = nullptr;
};

static_assert(sizeof(client) == sizeof(void *));

/*
 * What is called for each copy is inline, and so costs what the C call costs.
 */
inline int client::copy(const region &from, unsigned int num_dests, const region *dests, flags how,
			completion_base &done) noexcept
{
	if (!done.take())
		return -ebusy;

	/*
	 * The C prototype has no const, but the regions are only read. Once the
	 * copy is accepted, done may be gone.
	 */
	const int err = kcopyd_copy(kc_, const_cast<region *>(&from), num_dests,
				    const_cast<region *>(dests), static_cast<unsigned int>(how),
				    done.notify_, &done);
	if (err)
		done.fired();
	return err;
}

inline int client::zero(unsigned int num_dests, const region *dests, flags how,
			completion_base &done) noexcept
{
	if (!done.take())
		return -ebusy;

	/* As for copy(). */
	const int err = kcopyd_zero(kc_, num_dests, const_cast<region *>(dests),
				    static_cast<unsigned int>(how), done.notify_, &done);
	if (err)
		done.fired();
	return err;
}

inline int client::start(request_base &what, const io_region &from, unsigned int num_dests,
			 const region *dests, const options &opts, unsigned int more) noexcept
{
	if (__atomic_exchange_n(&what.pending_, true, __ATOMIC_ACQ_REL))
		return -ebusy;
	if (num_dests > what.max_dests_ || !what.r_) {
		what.fired();
		return num_dests > KCOPYD_MAX_DESTS ? -einval : -enomem;
	}

	kcopyd_request &r = *what.r_;

	/* But for the result: its callable may be looking at that of the copy before. */
	r.from = from;
	r.dests = dests;
	r.num_dests = num_dests;
	r.flags = static_cast<unsigned int>(opts.how) | more;
	r.ioprio = opts.ioprio;
	r.fn = what.fn_;
	r.context = &what;
	r.progress = what.progress_;
	r.progress_sectors = opts.progress_sectors;
	r.bad = opts.bad;
	r.max_bad = opts.max_bad;

	/* Once it is accepted, it may be gone; rejected, it is what it was. */
	const bool before = what.submitted();

	what.set_submitted(true);
	const int err = kcopyd_submit(kc_, &r);

	if (err) {
		what.set_submitted(before);
		what.fired();
	}
	return err;
}

inline int client::submit(request_base &what, const region &from, unsigned int num_dests,
			  const region *dests, const options &opts) noexcept
{
	return start(what, from, num_dests, dests, opts, 0);
}

inline int client::submit_zero(request_base &what, unsigned int num_dests, const region *dests,
			       const options &opts) noexcept
{
	return start(what, {}, num_dests, dests, opts, KCOPYD_ZERO);
}

/**
 * class cancel_guard - cancels what has not ended when a scope ends, and waits
 *
 * When it is gone the callable has returned, unless that has started another copy. The
 * client exists longer than the guard, and where it is. Not for prepared callbacks, which
 * are not cancelled, nor for a scope of one of the client's own callables, which is
 * reported as a broken assertion.
 */
class [[nodiscard]] cancel_guard {
public:
	/* Of the copy that @done was given to. */
	cancel_guard(client &c, completion_base &done) noexcept : client_(&c), done_(&done) {}

	/* Of a request. */
	explicit cancel_guard(request_base &what) noexcept : request_(&what) {}

	cancel_guard(const cancel_guard &) = delete;
	cancel_guard &operator=(const cancel_guard &) = delete;

	/* Context: process context, may sleep. */
	~cancel_guard();

private:
	client *client_ = nullptr;
	completion_base *done_ = nullptr;
	request_base *request_ = nullptr;
};

} /* namespace kcopyd */

/* Not every compiler knows it without the library's header. */
namespace std
{
enum class align_val_t : kcopyd::size_t;
}

/*
 * Memory for new (kcopyd::may_fail) T(...), which is null if there is none.
 * Process context, may sleep. Aligned to 8 bytes; what needs more cannot be had.
 */
[[nodiscard]] void *operator new(kcopyd::size_t size, const kcopyd::may_fail_t &) noexcept;
void *operator new(kcopyd::size_t, std::align_val_t, const kcopyd::may_fail_t &) = delete;

#endif /* KCOPYD_HPP */
