/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device-mapper targets in C++: a target is a class, and targets_of makes of it
 * what dm.h wants. Freestanding, as kcopyd.hpp.
 *
 *	struct mine {
 *		explicit mine(dm::target t);
 *		int init(const dm::arguments &args);
 *		kdm_mapped map(dm::bio b);
 *	};
 *
 *	constexpr kdm_ops mine_ops = dm::ops_of<mine>("mine", 1, 0, 0);
 *	const kdm_ops *const kdm_targets[] = { &mine_ops, nullptr };
 *
 * The constructor takes nothing that can fail; init() does, and its object is
 * destroyed if that returns an errno. What else a target does, it says by having
 *
 *	struct per_bio;					goes with each bio, all zeroes at first;
 *							map() has it as a second argument then
 *	void end_io(dm::bio b, per_bio &p, int &error);	or without per_bio; or it returns
 *							an enum kdm_ended
 *	void presuspend();  void presuspend_undo();  void postsuspend();
 *	int preresume();    void resume();
 *	void status(kdm_text &text) const;		the state
 *	void table(kdm_text &text) const;		the arguments, with status()
 *	int message(const dm::arguments &args, kdm_text &reply);
 *	int devices(kdm_device_fn fn, void *context) const;
 *	void hints(kdm_hints &h) const;
 *
 * struct kdm_ops has the context in which each is called.
 */
#ifndef KCOPYD_TARGETS_DM_HPP
#define KCOPYD_TARGETS_DM_HPP

#include "kcopyd.hpp"
#include "targets/dm/dm.h"
#include "targets/dm/text.hpp"

namespace dm
{

/**
 * class target - a line of a table, as device-mapper has it
 *
 * A handle that is copied freely. See dm.h for what the calls do.
 */
class target {
public:
	explicit constexpr target(kdm_target *ti) noexcept : ti_(ti) {}

	/* Says why the line is refused, and returns @err. */
	[[nodiscard]] int fail(const char *why, int err = -kcopyd::einval) const noexcept
	{
		kdm_fail(ti_, why);
		return err;
	}

	[[nodiscard]] sector_t begin() const noexcept { return kdm_begin(ti_); }
	[[nodiscard]] sector_t length() const noexcept { return kdm_length(ti_); }
	[[nodiscard]] int split_at(sector_t n) const noexcept { return kdm_split_at(ti_, n); }
	void wants(unsigned int flushes, unsigned int discards, unsigned int zeroes) const noexcept
	{
		kdm_wants(ti_, flushes, discards, zeroes);
	}
	[[nodiscard]] bool noflush() const noexcept { return kdm_noflush(ti_) != 0; }

	/* A line in the kernel's log, as of kdm_log(). */
	template <typename... A> void log(const char *format, A... args) const noexcept
	{
		kdm_log(ti_, format, args...);
	}

	[[nodiscard]] kdm_target *get() const noexcept { return ti_; }

private:
	kdm_target *ti_;
};

/**
 * class arguments - the words of a table's line, or of a message
 */
class arguments {
public:
	constexpr arguments(unsigned int argc, char **argv) noexcept : argc_(argc), argv_(argv) {}

	[[nodiscard]] constexpr unsigned int size() const noexcept { return argc_; }

	/* To read them one after the other. */
	[[nodiscard]] constexpr words all() const noexcept { return { argc_, argv_ }; }

	/* Word number @i; an empty one if there is none. */
	[[nodiscard]] constexpr const char *operator[](unsigned int i) const noexcept
	{
		return i < argc_ ? argv_[i] : "";
	}

	[[nodiscard]] constexpr bool is(unsigned int i, const char *word) const noexcept
	{
		const char *have = (*this)[i];

		while (*have != 0 && *have == *word) {
			have++;
			word++;
		}
		return *have == *word;
	}

	/* Reads word number @i. Returns 0, or a negative errno and @value is untouched. */
	[[nodiscard]] int number(unsigned int i, unsigned long long &value) const noexcept
	{
		return kdm_number((*this)[i], &value);
	}

private:
	unsigned int argc_;
	char **argv_;
};

/**
 * class device - owns an open device of a target
 *
 * Empty, or the only owner. Destroyed no later than the target.
 */
class device {
public:
	constexpr device() noexcept = default;
	device(device &&other) noexcept : ti_(other.ti_), dev_(other.dev_) { other.dev_ = nullptr; }
	device &operator=(device &&other) noexcept
	{
		if (this != &other) {
			reset();
			ti_ = other.ti_;
			dev_ = other.dev_;
			other.dev_ = nullptr;
		}
		return *this;
	}
	device(const device &) = delete;
	device &operator=(const device &) = delete;
	~device() { reset(); }

	/* Opens it, in init(). Returns 0 or a negative errno. */
	[[nodiscard]] int open(target t, const char *path) noexcept { return open(t, path, false); }

	/* The same for a device that is not going to be written. */
	[[nodiscard]] int open_to_read(target t, const char *path) noexcept
	{
		return open(t, path, true);
	}

	void reset() noexcept
	{
		if (dev_)
			kdm_close(ti_, dev_);
		dev_ = nullptr;
	}

	[[nodiscard]] explicit operator bool() const noexcept { return dev_ != nullptr; }
	[[nodiscard]] kdm_dev *get() const noexcept { return dev_; }
	[[nodiscard]] sector_t sectors() const noexcept { return kdm_sectors(dev_); }
	[[nodiscard]] bool is_read_only() const noexcept { return kdm_is_read_only(dev_) != 0; }
	[[nodiscard]] const char *name() const noexcept { return kdm_name(dev_); }
	[[nodiscard]] unsigned int block_sectors() const noexcept
	{
		return kdm_block_sectors(dev_);
	}

	/* Sectors of it, for kcopyd. */
	[[nodiscard]] kcopyd::region region(sector_t first, sector_t count) const noexcept
	{
		return { kdm_bdev(dev_), first, count };
	}

private:
	[[nodiscard]] int open(target t, const char *path, bool reads) noexcept
	{
		reset();
		ti_ = t.get();
		return kdm_open(ti_, path, reads ? 1 : 0, &dev_);
	}

	kdm_target *ti_ = nullptr;
	kdm_dev *dev_ = nullptr;
};

/**
 * class bio - a bio that has come; a handle that is copied freely
 */
class bio {
public:
	explicit constexpr bio(kdm_bio *b) noexcept : b_(b) {}

	[[nodiscard]] kdm_op op() const noexcept { return kdm_bio_op(b_); }
	[[nodiscard]] bool reads_ahead() const noexcept { return kdm_bio_reads_ahead(b_) != 0; }
	[[nodiscard]] unsigned int sectors() const noexcept { return kdm_bio_sectors(b_); }

	/* Of one with data: see kdm_bio_suits(). */
	[[nodiscard]] bool suits(const device &d) const noexcept
	{
		return kdm_bio_suits(b_, d.get()) != 0;
	}

	/* From the start of the target, until it is remapped. */
	[[nodiscard]] sector_t sector(target t) const noexcept
	{
		return kdm_bio_sector(t.get(), b_);
	}

	/* Which one it is of those that target::wants() asked for. */
	[[nodiscard]] unsigned int number() const noexcept { return kdm_bio_target(b_); }

	void remap(const device &to, sector_t sector) const noexcept
	{
		kdm_bio_remap(b_, to.get(), sector);
	}

	/* To try it elsewhere after it has failed: see kdm_bio_save(). */
	void save(kdm_bio_place &place) const noexcept { kdm_bio_save(b_, &place); }
	void restore(const kdm_bio_place &place) const noexcept { kdm_bio_restore(b_, &place); }

	/* In map(): only so many sectors are taken now. */
	void trim(unsigned int sectors) const noexcept { kdm_bio_trim(b_, sectors); }

	/* What the target held goes on, or ends. */
	void submit() const noexcept { kdm_bio_submit(b_); }
	void end(int error) const noexcept { kdm_bio_end(b_, error); }
	void requeue() const noexcept { kdm_bio_requeue(b_); }

	/* What class T has with it, as in b.data<mine>(). */
	template <typename T> [[nodiscard]] auto &data() const noexcept
	{
		using per_bio = typename T::per_bio;

		return *static_cast<per_bio *>(kdm_bio_data(b_, sizeof(per_bio)));
	}

	[[nodiscard]] explicit operator bool() const noexcept { return b_ != nullptr; }
	[[nodiscard]] kdm_bio *get() const noexcept { return b_; }

private:
	kdm_bio *b_;
};

/**
 * class held_bios - bios that a target holds, in order; it locks them
 *
 * Those that are still there when it is destroyed would be lost, which is reported as
 * a broken assertion.
 */
class held_bios {
public:
	constexpr held_bios() noexcept = default;
	held_bios(const held_bios &) = delete;
	held_bios &operator=(const held_bios &) = delete;
	~held_bios() { KCOPYD_CPP_ASSERT(empty()); }

	[[nodiscard]] bool empty() const noexcept { return bios_.head == nullptr; }
	void add(bio b) noexcept { kdm_bios_add(&bios_, b.get()); }

	/* The first one, which is false if there is none. */
	[[nodiscard]] bio pop() noexcept { return bio(kdm_bios_pop(&bios_)); }

	/* Takes over all that @other holds; this one is empty. */
	void take(held_bios &other) noexcept
	{
		KCOPYD_CPP_ASSERT(empty());
		bios_ = other.bios_;
		other.bios_ = {};
	}

private:
	kdm_bios bios_ = {};
};

/**
 * class memory - owns memory of kdm_alloc()
 */
class memory {
public:
	constexpr memory() noexcept = default;
	memory(const memory &) = delete;
	memory &operator=(const memory &) = delete;
	~memory() { kdm_free(bytes_); }

	/* Allocates it, zeroed; what there was is freed. Returns 0 or -ENOMEM. */
	[[nodiscard]] int allocate(unsigned long long size) noexcept
	{
		kdm_free(bytes_);
		bytes_ = nullptr;
		if (size <= ~size_t{ 0 } >> 1)
			bytes_ = static_cast<unsigned char *>(kdm_alloc(size));
		return bytes_ ? 0 : -kcopyd::enomem;
	}

	[[nodiscard]] unsigned char *bytes() const noexcept { return bytes_; }

	void swap(memory &other) noexcept
	{
		unsigned char *const mine = bytes_;

		bytes_ = other.bytes_;
		other.bytes_ = mine;
	}

private:
	unsigned char *bytes_ = nullptr;
};

/**
 * class lock - a lock that is taken in any context, and not for long; see class locked
 */
class lock {
public:
	constexpr lock() noexcept = default;
	lock(const lock &) = delete;
	lock &operator=(const lock &) = delete;
	~lock() { kdm_lock_destroy(lock_); }

	/* Once, before it is used. Returns 0 or -ENOMEM. */
	[[nodiscard]] int create() noexcept { return kdm_lock_create(&lock_); }

private:
	friend class locked;

	kdm_lock *lock_ = nullptr;
};

/* Has a lock as long as it exists: nothing there sleeps. */
class [[nodiscard]] locked {
public:
	explicit locked(const lock &l) noexcept : lock_(l.lock_), flags_(kdm_lock_take(lock_)) {}
	locked(const locked &) = delete;
	locked &operator=(const locked &) = delete;
	~locked() { kdm_lock_release(lock_, flags_); }

private:
	kdm_lock *lock_;
	unsigned long flags_;
};

/**
 * class worker - calls a member function in process context when it is asked to
 *
 * See struct kdm_worker. Without create(), it does nothing.
 */
class worker {
public:
	constexpr worker() noexcept = default;
	worker(const worker &) = delete;
	worker &operator=(const worker &) = delete;
	~worker() { reset(); }

	/* As in create<&mine::work>("mine", *this). Once. Returns 0 or -ENOMEM. */
	template <auto M, typename T> [[nodiscard]] int create(const char *name, T &of) noexcept
	{
		return kdm_worker_create(name, call<M, T>, &of, &worker_);
	}

	/* Waits, and calls it no more. Whoever could wake it has stopped. */
	void reset() noexcept
	{
		kdm_worker_destroy(worker_);
		worker_ = nullptr;
	}

	void wake() const noexcept { kdm_worker_wake(worker_); }
	void wake_in(unsigned int ms) const noexcept { kdm_worker_wake_in(worker_, ms); }
	void flush() const noexcept { kdm_worker_flush(worker_); }

	/* Wakes up who waits for an event of the device of @of, which is the worker's target. */
	void event(target of) const noexcept { kdm_worker_event(worker_, of.get()); }

private:
	template <auto M, typename T> static void call(void *of) noexcept
	{
		(static_cast<T *>(of)->*M)();
	}

	kdm_worker *worker_ = nullptr;
};

/**
 * class io - I/O of a target's own; see kdm_io_read() and the others
 *
 * Process context, and not in map().
 */
class io {
public:
	constexpr io() noexcept = default;
	io(const io &) = delete;
	io &operator=(const io &) = delete;
	~io() { kdm_io_destroy(io_); }

	/* Once, before it is used. Returns 0 or a negative errno. */
	[[nodiscard]] int create() noexcept { return kdm_io_create(&io_); }

	[[nodiscard]] int read(const device &from, sector_t sector, sector_t count,
			       void *buffer) const noexcept
	{
		return kdm_io_read(io_, from.get(), sector, count, buffer);
	}

	[[nodiscard]] int write(const device &to, sector_t sector, sector_t count,
				const void *buffer, unsigned int flags = 0) const noexcept
	{
		return kdm_io_write(io_, to.get(), sector, count, buffer, flags);
	}

	[[nodiscard]] int flush(const device &d) const noexcept
	{
		return kdm_io_flush(io_, d.get());
	}

	void to_all(bio b, unsigned int nr, const kdm_place *places,
		    kdm_written &done) const noexcept
	{
		kdm_io_to_all(io_, b.get(), nr, places, &done);
	}

private:
	kdm_io *io_ = nullptr;
};

/* What goes with each bio of a target; nothing unless the class says so. */
template <typename T> struct per_bio_of {
	static constexpr unsigned int size = 0;
};

template <typename T>
requires requires
{
	sizeof(typename T::per_bio);
}
struct per_bio_of<T> {
	static constexpr unsigned int size = sizeof(typename T::per_bio);
	static_assert(__is_trivially_copyable(typename T::per_bio), "bios are not destroyed");
	static_assert(alignof(typename T::per_bio) <= 8);
};

/* As the members of T: what device-mapper calls by struct kdm_ops. */
template <typename T> class calls {
public:
	static int create(kdm_target *ti, unsigned int argc, char **argv, void **made) noexcept
	{
		const target t(ti);
		T *object = new (kcopyd::may_fail) T(t);

		if (!object)
			return t.fail("No memory for the target", -kcopyd::enomem);
		const int r = object->init(arguments(argc, argv));

		if (r) {
			delete object;
			return r;
		}
		*made = object;
		return 0;
	}

	static void destroy(void *t) noexcept { delete of(t); }

	static int map(void *t, kdm_bio *b, [[maybe_unused]] void *p) noexcept
	{
		if constexpr (per_bio_of<T>::size != 0) {
			auto *per_bio = static_cast<typename T::per_bio *>(p);

			*per_bio = {};
			return of(t)->map(bio(b), *per_bio);
		} else {
			return of(t)->map(bio(b));
		}
	}

	// NOLINTNEXTLINE(readability-non-const-parameter): the class may change it
	static int end_io(void *t, kdm_bio *b, void *p, int *error) noexcept
	{
		if constexpr (__is_same(decltype(ended(t, b, p, *error)), kdm_ended)) {
			return ended(t, b, p, *error);
		} else {
			ended(t, b, p, *error);
			return KDM_DONE;
		}
	}

	static void presuspend(void *t) noexcept { of(t)->presuspend(); }
	static void presuspend_undo(void *t) noexcept { of(t)->presuspend_undo(); }
	static void postsuspend(void *t) noexcept { of(t)->postsuspend(); }
	static int preresume(void *t) noexcept { return of(t)->preresume(); }
	static void resume(void *t) noexcept { of(t)->resume(); }

	static void status(void *t, kdm_text *text, int table) noexcept
	{
		if (table)
			of(t)->table(*text);
		else
			of(t)->status(*text);
	}

	static int message(void *t, unsigned int argc, char **argv, kdm_text *reply) noexcept
	{
		return of(t)->message(arguments(argc, argv), *reply);
	}

	static int devices(void *t, kdm_device_fn fn, void *context) noexcept
	{
		return of(t)->devices(fn, context);
	}

	static void hints(void *t, kdm_hints *h) noexcept { of(t)->hints(*h); }

private:
	static auto ended(void *t, kdm_bio *b, [[maybe_unused]] void *p, int &error) noexcept
	{
		if constexpr (per_bio_of<T>::size != 0)
			return of(t)->end_io(bio(b), *static_cast<typename T::per_bio *>(p), error);
		else
			return of(t)->end_io(bio(b), error);
	}

	static T *of(void *t) noexcept { return static_cast<T *>(t); }
};

/**
 * ops_of() - what a class is for device-mapper
 * @name: by which tables call it
 *
 * A member function is only there for device-mapper if T has it, and it is public.
 */
template <typename T>
constexpr kdm_ops ops_of(const char *name, unsigned int major, unsigned int minor,
			 unsigned int patch) noexcept
{
	kdm_ops ops = {};

	ops.name = name;
	ops.version[0] = major;
	ops.version[1] = minor;
	ops.version[2] = patch;
	ops.per_bio = per_bio_of<T>::size;
	ops.create = calls<T>::create;
	ops.destroy = calls<T>::destroy;
	ops.map = calls<T>::map;
	if constexpr (requires { &T::end_io; })
		ops.end_io = calls<T>::end_io;
	if constexpr (requires { &T::presuspend; })
		ops.presuspend = calls<T>::presuspend;
	if constexpr (requires { &T::presuspend_undo; })
		ops.presuspend_undo = calls<T>::presuspend_undo;
	if constexpr (requires { &T::postsuspend; })
		ops.postsuspend = calls<T>::postsuspend;
	if constexpr (requires { &T::preresume; })
		ops.preresume = calls<T>::preresume;
	if constexpr (requires { &T::resume; })
		ops.resume = calls<T>::resume;
	if constexpr (requires { &T::status; })
		ops.status = calls<T>::status;
	if constexpr (requires { &T::message; })
		ops.message = calls<T>::message;
	if constexpr (requires { &T::devices; })
		ops.devices = calls<T>::devices;
	if constexpr (requires { &T::hints; })
		ops.hints = calls<T>::hints;
	return ops;
}

/**
 * also_known_as() - a target that does what one of mainline's does
 * @ops: the target
 * @name: what mainline calls it
 *
 * The version is that of mainline's, by which programs know what it can do.
 */
constexpr kdm_ops also_known_as(kdm_ops ops, const char *name, unsigned int major,
				unsigned int minor, unsigned int patch) noexcept
{
	ops.mainline = name;
	ops.mainline_version[0] = major;
	ops.mainline_version[1] = minor;
	ops.mainline_version[2] = patch;
	return ops;
}

} /* namespace dm */

#endif /* KCOPYD_TARGETS_DM_HPP */
