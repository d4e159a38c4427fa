/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a snapshot and one that is merged have in common: the line of the table, the
 * store, which one of them has at a time, and that writes to the origin may have to wait
 * for them.
 */
#ifndef KCOPYD_TARGETS_SNAPSHOT_STORED_HPP
#define KCOPYD_TARGETS_SNAPSHOT_STORED_HPP

#include "targets/dm/dm.hpp"
#include "targets/snapshot/args.hpp"
#include "targets/snapshot/exceptions.hpp"
#include "targets/snapshot/glue.h"
#include "targets/snapshot/store.hpp"
#include "targets/snapshot/tracked.hpp"
#include "targets/snapshot/transient.hpp"

namespace snapshot
{

/* Has the lock for everything as long as it exists: nothing there sleeps. */
class [[nodiscard]] locked {
public:
	locked() noexcept : flags_(ksnapshot_lock()) {}
	locked(const locked &) = delete;
	locked &operator=(const locked &) = delete;
	~locked() { ksnapshot_unlock(flags_); }

private:
	unsigned long flags_;
};

struct slot;

template <typename T> constexpr void exchange(T &a, T &b) noexcept
{
	const T was = a;

	a = b;
	b = was;
}

/* What goes with a bio of any of the targets, as each of them may hold the others'. */
struct bio_data {
	kdm_bio_place place;
	u64 sector;
	const dm::device *origin; /* that it is a write to */
	slot *writes;		  /* all of this slot's chunk */
	tracked on;		  /* a chunk */
};

/* Where a bio goes. */
enum class way {
	remapped,
	held,
	done,
	killed
};

class stored {
public:
	using per_bio = bio_data;

	stored(const stored &) = delete;
	stored &operator=(const stored &) = delete;
	virtual ~stored();

	void postsuspend() noexcept;
	int preresume() noexcept;
	void status(kdm_text &text) const noexcept;
	void table(kdm_text &text) const noexcept;
	int devices(kdm_device_fn fn, void *context) const noexcept;
	void hints(kdm_hints &h) const noexcept;

	/*
	 * Must a write to these sectors of @origin wait? Then it is held, if there is a bio
	 * of it. Under the lock.
	 */
	static bool hold(const dm::device &origin, u64 sector, u64 count, dm::bio b) noexcept;

	/* A write to the origin goes on that was held. */
	static void go_on(dm::bio b) noexcept;

	/* Is there a snapshot of @origin, perhaps? Any context. */
	[[nodiscard]] static bool has_any(const dm::device &origin) noexcept
	{
		return __atomic_load_n(of_origin(origin), __ATOMIC_ACQUIRE) != nullptr;
	}

	/* Of snapshots of @origin, the smallest chunk, or 0. Under the lock. */
	[[nodiscard]] static u32 smallest_chunk(const dm::device &origin) noexcept;

protected:
	enum class condition {
		idle,	 /* nothing is copied for it yet, or somebody else does */
		loading, /* its store is being read */
		active,
		invalid,
	};

	stored(dm::target t, role r) noexcept : target_(t), role_(r) {}

	[[nodiscard]] int open(const dm::arguments &args) noexcept;
	void join() noexcept;
	void leave() noexcept;

	/* As hold(), for this one. */
	[[nodiscard]] virtual bool waits_for(u64, u64, dm::bio) noexcept { return false; }

	/* Waits for what is on its way; no more comes. */
	virtual void settle() noexcept {}

	/* Is the origin being changed, not by a bio? Under the lock. */
	[[nodiscard]] virtual bool changes_origin() const noexcept { return false; }

	/* False if another one is merged into the same origin. */
	[[nodiscard]] bool merge_alone() noexcept;

	/* Changes when there is one more that the origin is not to change for. */
	[[nodiscard]] static u32 joined() noexcept { return nr_joined; }

	/* Does another one copy to the store? Under the lock. */
	[[nodiscard]] bool store_is_kept() const noexcept
	{
		const stored *user = user_of_store();

		return user && user->is_ != condition::invalid;
	}

	/* Others that wait for this one look again. Under the lock. */
	void tell_others() const noexcept;

	void wipe(unsigned char *at) const noexcept;

	[[nodiscard]] u64 chunk_of(u64 sector) const noexcept
	{
		return sector / args_.chunk_sectors;
	}
	/* Of @count sectors of chunks, those that the origin has. */
	[[nodiscard]] u64 there_is(u64 first, u64 count) const noexcept
	{
		return snapshot::there_is(first, count, origin_.sectors(),
					  cow_.block_sectors() * 512,
					  origin_.block_sectors() * 512);
	}
	[[nodiscard]] u64 chunk_bytes() const noexcept { return u64{ args_.chunk_sectors } * 512; }

	dm::target target_;
	role role_;
	args args_;
	dm::device origin_;
	dm::device cow_;
	dm::memory area_;
	dm::memory scratch_;
	dm::memory buckets_;
	dm::io io_;
	dm::worker worker_;

	/* Under the lock. */
	condition is_ = condition::idle;
	bool overflowed_ = false;
	bool merge_failed_ = false;
	bool suspended_ = true;
	exceptions exceptions_{ nullptr, 0 };
	store store_{ nullptr, 1, 0 };
	transient_store transient_{ 1, 0 };
	bool leaving_ = false; /* it is being destroyed: no more comes, and what has come ends */
	bool taken_ = false;   /* another one has what it has, or will: it stays until then */
	bool merges_ = false;  /* what a merge says that it does alone */
	bool dropped_ = false; /* the store says that it is invalid */
	bool failed_ = false;  /* it could not be resumed the last time */
	bool missed_ = false;  /* nor is it known that what has changed since was copied */

	/* Of those that load. */
	const char *wrong_ = nullptr;
	bool loaded_ = false;
	bool fresh_ = false;
	bool was_invalid_ = false;
	bool no_memory_ = false;
	bool is_used_ = false; /* another one has the store, when the table is loaded */

private:
	[[nodiscard]] int open_devices() noexcept;
	[[nodiscard]] int choose_chunk() noexcept;
	[[nodiscard]] int allocate() noexcept;
	[[nodiscard]] int refuse(const char *why, int err = -kcopyd::einval) noexcept;
	[[nodiscard]] int peek(u32 &chunk) noexcept;
	[[nodiscard]] int check_store() noexcept;
	[[nodiscard]] stored *user_of_store() const noexcept;
	void inherit(bool began) noexcept;
	[[nodiscard]] bool can_take_over(const stored &from) const noexcept;
	[[nodiscard]] bool is_left() const noexcept;
	[[nodiscard]] static int store_is_left(void *of) noexcept;
	[[nodiscard]] int claim(stored *&from) noexcept;
	[[nodiscard]] int take_over(stored *&from) noexcept;
	void exchange_with(stored &from) noexcept;
	static void release_taken(stored &from, bool back) noexcept;
	[[nodiscard]] int open_store() noexcept;
	[[nodiscard]] int load() noexcept;
	[[nodiscard]] int start_store() noexcept;
	[[nodiscard]] bool add_loaded(const exception &e) noexcept;
	void empty() noexcept;
	[[nodiscard]] static int origin_is_left_alone(void *of) noexcept;

	/*
	 * All that there are, under the lock. A write to an origin looks at all snapshots
	 * of that one, and takes no lock if there is none.
	 */
	static constexpr u32 nr_origins = 256;
	static inline stored *all[nr_origins] = {};
	static inline u32 nr_merges = 0;
	static inline u32 nr_joined = 0;
	stored *next_ = nullptr;
	bool joined_ = false; /* nobody else's: is it one of them? */

	[[nodiscard]] static stored **of_origin(const dm::device &origin) noexcept
	{
		/* What is below a page is the same for all. */
		const u64 at = reinterpret_cast<__UINTPTR_TYPE__>(kdm_bdev(origin.get()));

		return &all[(at / 4096 ^ at / 64) % nr_origins];
	}
	[[nodiscard]] bool is_of(const dm::device &origin) const noexcept
	{
		return kdm_bdev(origin_.get()) == kdm_bdev(origin.get());
	}
};

/* ------------------------------------------------------------------------- */
/* Writes to the origin */

inline u32 stored::smallest_chunk(const dm::device &origin) noexcept
{
	u32 least = 0;

	for (const stored *s = *of_origin(origin); s; s = s->next_) {
		if (s->is_of(origin) && (least == 0 || s->args_.chunk_sectors < least))
			least = s->args_.chunk_sectors;
	}
	return least;
}

inline bool stored::hold(const dm::device &origin, u64 sector, u64 count, dm::bio b) noexcept
{
	bool held = false;

	/* It waits for one of them, and then looks for the others. */
	for (stored *s = *of_origin(origin); s; s = s->next_) {
		if (!s->leaving_ && s->is_of(origin) &&
		    s->waits_for(sector, count, held ? dm::bio(nullptr) : b))
			held = true;
	}
	return held;
}

inline void stored::go_on(dm::bio b) noexcept
{
	const bio_data &p = b.data<stored>();

	{
		const locked l;

		if (hold(*p.origin, p.sector, b.sectors(), b))
			return;
	}
	b.remap(*p.origin, p.sector);
	b.submit();
}

/* Who merges waits for what others have not copied yet. */
inline void stored::tell_others() const noexcept
{
	if (nr_merges == 0)
		return;
	for (const stored *s = *of_origin(origin_); s; s = s->next_) {
		if (s->role_ == role::merge && s->is_ == condition::active && s->is_of(origin_))
			s->worker_.wake();
	}
}

/* ------------------------------------------------------------------------- */
/* A line of a table */

inline int stored::open(const dm::arguments &args) noexcept
{
	if (const char *wrong = read_args(args.all(), role_, args_))
		return target_.fail(wrong);
	if (const int r = open_devices())
		return r;
	if (const int r = choose_chunk())
		return r;
	if (allocate() != 0)
		return target_.fail("No memory for the snapshot", -kcopyd::enomem);
	if (const int r = target_.split_at(args_.chunk_sectors))
		return target_.fail("The chunk size is too large", r);
	return check_store();
}

inline int stored::open_devices() noexcept
{
	int r = origin_.open(target_, args_.origin);

	/*
	 * A snapshot does not write there. But it is not the first choice: device-mapper opens
	 * a device once for a table, and anew if it is to be written, too.
	 */
	if (r != 0 && role_ == role::snapshot)
		r = origin_.open_to_read(target_, args_.origin);
	if (r != 0)
		return target_.fail("The origin cannot be opened", r);
	r = cow_.open(target_, args_.cow);
	if (r != 0)
		return target_.fail("The COW device cannot be opened", r);
	if (kdm_bdev(origin_.get()) == kdm_bdev(cow_.get()))
		return target_.fail("The origin and the COW device are the same");
	args_.origin = origin_.name();
	args_.cow = cow_.name();
	r = io_.create();
	return r != 0 ? target_.fail("No memory for I/O", r) : 0;
}

/* That of the table, or of the store. */
inline int stored::choose_chunk() noexcept
{
	if (args_.chunk_sectors == 0)
		args_.chunk_sectors = default_chunk(cow_.block_sectors() * 512);
	if (args_.persistent) {
		ksnapshot_wait(store_is_left, this);
		{
			const locked l;
			const stored *user = user_of_store();

			/* It may be suspended, and so its devices: nothing is read. */
			is_used_ = user != nullptr;
			if (user && user->args_.persistent)
				args_.chunk_sectors = user->args_.chunk_sectors;
		}
		if (!is_used_) {
			if (const int r = peek(args_.chunk_sectors))
				return r;
		}
	}
	if (const char *wrong = check_chunk(args_.chunk_sectors, cow_.block_sectors() * 512,
					    origin_.block_sectors() * 512))
		return target_.fail(wrong);
	if (args_.persistent && !store::fits(args_.chunk_sectors, cow_.sectors()))
		return target_.fail("The COW device is too small");
	return 0;
}

inline int stored::allocate() noexcept
{
	const u64 nr_buckets = exceptions::buckets_for(cow_.sectors() / args_.chunk_sectors);

	if (const int r = buckets_.allocate(nr_buckets * sizeof(void *)))
		return r;
	if (args_.persistent) {
		if (const int r = area_.allocate(chunk_bytes()))
			return r;
		if (const int r = scratch_.allocate(chunk_bytes()))
			return r;
	}
	exceptions_ = exceptions(reinterpret_cast<run **>(buckets_.bytes()), nr_buckets);
	store_ = store(area_.bytes(), args_.chunk_sectors, cow_.sectors());
	transient_ = transient_store(args_.chunk_sectors, cow_.sectors());
	return 0;
}

/* Why the store cannot be used, for whoever creates or resumes it. */
inline int stored::refuse(const char *why, int err) noexcept
{
	wrong_ = why;
	return target_.fail(why, err);
}

/* What the header of the store says, which is not changed. */
inline int stored::peek(u32 &chunk) noexcept
{
	dm::memory block;

	fresh_ = false;
	was_invalid_ = false;
	if (block.allocate(u64{ cow_.block_sectors() } * 512) != 0)
		return refuse("No memory for the snapshot", -kcopyd::enomem);
	if (const int r = io_.read(cow_, 0, cow_.block_sectors(), block.bytes()))
		return refuse("The store cannot be read", r);
	switch (read_store_header(block.bytes(), chunk)) {
	case store_kind::fresh:
		fresh_ = true;
		return 0;
	case store_kind::ours:
		return 0;
	case store_kind::invalid:
		was_invalid_ = true;
		return 0;
	case store_kind::newer:
		return refuse("The store is of a version that is not known");
	case store_kind::corrupt:
		return refuse("The store has a chunk size that there cannot be");
	case store_kind::foreign:
		break;
	}
	return refuse("On the COW device there is something else than a store");
}

/*
 * Can these exceptions be? They are read again when it is resumed, as others may have had
 * the store meanwhile; who has it now still changes it.
 */
inline int stored::check_store() noexcept
{
	if (!args_.persistent || fresh_ || was_invalid_ || is_used_)
		return 0;
	return load();
}

/* From now on writes to the origin look at it. */
inline void stored::join() noexcept
{
	const locked l;

	stored **head = of_origin(origin_);

	next_ = *head;
	__atomic_store_n(head, this, __ATOMIC_RELEASE);
	joined_ = true;
	nr_merges += role_ == role::merge ? 1 : 0;
}

/* Those with another store wait for nothing that is done here: its devices may hang. */
inline void stored::leave() noexcept
{
	/* Or it has never been one of them. */
	if (!joined_)
		return;

	{
		const locked l;

		leaving_ = true;
		if (is_ != condition::invalid)
			is_ = condition::idle;
	}
	ksnapshot_wait(
		[](void *of) noexcept -> int {
			const locked l;

			return !static_cast<stored *>(of)->taken_;
		},
		this);
	settle();
	{
		const locked l;
		stored **at = of_origin(origin_);

		while (*at != this)
			at = &(*at)->next_;
		__atomic_store_n(at, next_, __ATOMIC_RELAXED);
		nr_merges -= role_ == role::merge ? 1 : 0;
	}
	ksnapshot_wake();
}

inline stored::~stored()
{
	worker_.reset();
	empty();
}

inline void stored::empty() noexcept
{
	u64 search = 0;

	if (!buckets_.bytes())
		return;
	while (run *r = exceptions_.take_any(search))
		delete r;
}

inline void stored::status(kdm_text &text) const noexcept
{
	dm::line line(text);
	state now;
	const locked l;
	const u64 chunk = args_.chunk_sectors;

	/* Or it was taken over. */
	now.invalid = is_ == condition::invalid || (loaded_ && is_ == condition::idle);
	now.merge_failed = merge_failed_;
	now.overflowed = overflowed_;
	now.total = cow_.sectors();
	if (args_.persistent) {
		now.allocated = store_.chunks_allocated() * chunk;
		now.metadata = store_.chunks_of_metadata() * chunk;
	} else {
		now.allocated = transient_.chunks_allocated() * chunk;
	}
	write_status(now, line);
}

inline void stored::table(kdm_text &text) const noexcept
{
	dm::line line(text);

	write_table(args_, line);
}

inline int stored::devices(kdm_device_fn fn, void *context) const noexcept
{
	const int r = fn(context, origin_.get(), 0, target_.length());

	return r != 0 ? r : fn(context, cow_.get(), 0, cow_.sectors());
}

inline void stored::hints(kdm_hints &h) const noexcept
{
	if (args_.discard_zeroes_cow)
		h.discard_granularity = static_cast<u32>(chunk_bytes());
}

/* ------------------------------------------------------------------------- */
/* Suspended, and not */

inline void stored::postsuspend() noexcept
{
	const locked l;

	suspended_ = true;
	merges_ = false;
}

/* What else has the store; no more than one does. Under the lock. */
inline stored *stored::user_of_store() const noexcept
{
	for (stored *head : all) {
		for (stored *s = head; s; s = s->next_) {
			if (s != this && !s->leaving_ && s->is_ != condition::idle &&
			    kdm_bdev(s->cow_.get()) == kdm_bdev(cow_.get()))
				return s;
		}
	}
	return nullptr;
}

/* Is nobody any more still writing to the store? Under the lock. */
inline bool stored::is_left() const noexcept
{
	for (const stored *head : all) {
		for (const stored *s = head; s; s = s->next_) {
			if (s != this && s->leaving_ &&
			    kdm_bdev(s->cow_.get()) == kdm_bdev(cow_.get()))
				return false;
		}
	}
	return true;
}

inline int stored::store_is_left(void *of) noexcept
{
	const locked l;

	return static_cast<const stored *>(of)->is_left() ? 1 : 0;
}

/* Of two that are not idle: may @from leave its store to this one, or is it another? */
inline bool stored::can_take_over(const stored &from) const noexcept
{
	return from.suspended_ && from.is_ != condition::loading &&
	       args_.persistent == from.args_.persistent &&
	       from.args_.chunk_sectors == args_.chunk_sectors;
}

/*
 * What another table has of the same store ends here, as soon as it is all on disk; writes
 * to the origin wait meanwhile. That cannot fail from one snapshot to another: the old
 * table is gone in any case, and nobody would be there for whom the origin waits. A merge
 * reads the store, which has exceptions in the order in which they are to go.
 */
inline int stored::take_over(stored *&from) noexcept
{
	int r = 0;

	do {
		ksnapshot_wait(store_is_left, this);
		r = claim(from);
	} while (r == -KDM_EAGAIN);
	if (r != 0 || !from)
		return r;
	from->settle();
	exchange_with(*from);
	return 0;
}

/* From now on the store is this one's, and @from is not destroyed. */
inline int stored::claim(stored *&from) noexcept
{
	const locked l;

	/* Another one leaves. */
	if (!is_left())
		return -KDM_EAGAIN;
	from = user_of_store();
	if (from && (from->taken_ || !can_take_over(*from)))
		return -kcopyd::ebusy;
	is_ = condition::loading;
	nr_joined++;
	if (!from)
		return 0;
	from->taken_ = true;
	if (from->is_ != condition::invalid)
		from->is_ = condition::idle;
	return 0;
}

inline void stored::exchange_with(stored &from) noexcept
{
	const locked l;

	was_invalid_ = from.is_ == condition::invalid;
	/* Who looks for the user of the store is to find this one. */
	from.is_ = condition::idle;
	if (role_ != role::snapshot || from.role_ != role::snapshot)
		return;
	buckets_.swap(from.buckets_);
	area_.swap(from.area_);
	exchange(exceptions_, from.exceptions_);
	exchange(store_, from.store_);
	exchange(transient_, from.transient_);
	overflowed_ = from.overflowed_;
	loaded_ = true;
}

/*
 * It may be destroyed. With @back, it has the store again, which could not be read, if it
 * is not about to be. Under the lock; ksnapshot_wake() is to follow.
 */
inline void stored::release_taken(stored &from, bool back) noexcept
{
	if (back && !from.leaving_)
		from.is_ = condition::active;
	from.taken_ = false;
}

/* The origin can become one of them only. */
inline bool stored::merge_alone() noexcept
{
	const locked l;

	/* One that was taken over merges nothing. */
	if (loaded_ && is_ == condition::idle)
		return true;
	for (const stored *s = *of_origin(origin_); s; s = s->next_) {
		if (s != this && !s->leaving_ && s->merges_ && s->is_of(origin_))
			return false;
	}
	merges_ = true;
	return true;
}

inline int stored::origin_is_left_alone(void *of) noexcept
{
	const stored &self = *static_cast<stored *>(of);
	const locked l;

	for (const stored *s = *of_origin(self.origin_); s; s = s->next_) {
		if (s->is_of(self.origin_) && s->changes_origin())
			return 0;
	}
	return 1;
}

/*
 * What a table has missed that had this store, which may be loaded anew because of that. It
 * is true of the store until one @began. Under the lock.
 */
inline void stored::inherit(bool began) noexcept
{
	if (!args_.persistent)
		return;
	for (stored *s = *of_origin(origin_); s; s = s->next_) {
		if (kdm_bdev(s->cow_.get()) != kdm_bdev(cow_.get()))
			continue;
		s->missed_ &= !began;
		missed_ |= s->missed_;
	}
}

inline int stored::preresume() noexcept
{
	if (loaded_)
		return 0;

	was_invalid_ = false;

	stored *from = nullptr;
	bool known = false; /* the store says that it is invalid */
	bool began = false; /* it is of now */
	bool missed = false;
	int r = take_over(from);

	if (r != 0) {
		target_.log("the COW device %s is in use", cow_.name());
		return r;
	}
	/* It is what the origin was before a run is merged, or after; not if that failed. */
	ksnapshot_wait(origin_is_left_alone, this);
	/* What the store had when the table was loaded is no use. */
	if (!loaded_)
		empty();
	if (!loaded_ && args_.persistent && !was_invalid_) {
		r = open_store();
		known = was_invalid_;
		began = r == 0 && fresh_;
	}
	{
		const locked l;

		inherit(began);
		missed = missed_;
		was_invalid_ |= missed;
		failed_ = r != 0;
		if (from)
			release_taken(*from, r != 0);
		is_ = r != 0	   ? condition::idle :
		      was_invalid_ ? condition::invalid :
				     condition::active;
		dropped_ = known;
		tell_others();
	}
	ksnapshot_wake();
	/* A merge that is invalid is the origin. */
	if (missed)
		empty();
	loaded_ = r == 0;
	worker_.wake();
	if (r == 0 && was_invalid_)
		target_.log("the snapshot on %s %s", cow_.name(),
			    missed ? "has missed writes to the origin" : "was invalid before");
	return r;
}

inline int stored::open_store() noexcept
{
	u32 chunk = args_.chunk_sectors;
	int r = peek(chunk);

	/* Nor has the device the size that it had then. */
	store_ = store(area_.bytes(), args_.chunk_sectors, cow_.sectors());
	/* Somebody may have begun a store since the table was loaded. */
	if (r == 0 && chunk != args_.chunk_sectors)
		r = refuse("The store has got another chunk size");
	if (r == 0 && !was_invalid_)
		r = fresh_ ? start_store() : load();
	if (r != 0)
		target_.log("the store on %s: %s", cow_.name(), wrong_);
	return r;
}

inline void stored::wipe(unsigned char *at) const noexcept
{
	for (u64 i = 0; i < chunk_bytes(); i++)
		at[i] = 0;
}

inline int stored::start_store() noexcept
{
	const u64 chunk = args_.chunk_sectors;
	unsigned char *header = scratch_.bytes();

	store_.start();
	wipe(header);
	write_store_header(header, args_.chunk_sectors, true);

	/* There is an area before there is a header. */
	int r = io_.write(cow_, store_.current_chunk() * chunk, chunk, area_.bytes());

	if (r == 0)
		r = io_.write(cow_, 0, chunk, header, KDM_IO_FLUSH | KDM_IO_FUA);
	return r != 0 ? refuse("The store cannot be written", r) : 0;
}

inline bool stored::add_loaded(const exception &e) noexcept
{
	if (e.to > max_chunk)
		return false;

	auto *r = new (kcopyd::may_fail) run(e.from, e.to);

	if (!r) {
		no_memory_ = true;
		return false;
	}

	const added how = exceptions_.add(*r);

	if (how != added::kept)
		delete r;
	return how != added::twice;
}

inline int stored::load() noexcept
{
	const u64 chunk = args_.chunk_sectors;

	no_memory_ = false;
	for (u64 n = 0;; n++) {
		if (const int r =
			    io_.read(cow_, store_.area_chunk(n) * chunk, chunk, area_.bytes()))
			return refuse("The store cannot be read", r);
		switch (store_.load(n, [this](const exception &e) noexcept {
			return add_loaded(e);
		})) {
		case loaded::more:
			continue;
		case loaded::all:
			return 0;
		case loaded::corrupt:
			break;
		}
		if (no_memory_)
			return refuse("No memory for the exceptions", -kcopyd::enomem);
		return refuse("The store has exceptions that there cannot be");
	}
}

} /* namespace snapshot */

#endif /* KCOPYD_TARGETS_SNAPSHOT_STORED_HPP */
