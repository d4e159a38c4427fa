// SPDX-License-Identifier: GPL-2.0-only
/*
 * The targets "ksnapshot" and "ksnap-origin": what a device was at a moment. What is in
 * a table, in the status and on disk is as of mainline's "snapshot"; see args.hpp and
 * store.hpp.
 *
 * A chunk that is about to change for the first time has a slot until the COW device has
 * it, and the exception too. Bios that must wait for that are with the slot. A
 * snapshot's worker starts the copies and writes the store; exceptions are written in the
 * order in which their chunks were allocated. One lock is for all of the rest.
 */
#include "targets/dm/dm.hpp"
#include "targets/snapshot/args.hpp"
#include "targets/snapshot/exceptions.hpp"
#include "targets/snapshot/glue.h"
#include "targets/snapshot/store.hpp"
#include "targets/snapshot/transient.hpp"

namespace
{

using snapshot::u32;
using snapshot::u64;

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

/* Nothing is registered, or takes over, as long as it exists. */
class [[nodiscard]] devices_locked {
public:
	devices_locked() noexcept { ksnapshot_lock_devices(); }
	devices_locked(const devices_locked &) = delete;
	devices_locked &operator=(const devices_locked &) = delete;
	~devices_locked() { ksnapshot_unlock_devices(); }
};

class korigin {
public:
	struct per_bio {
		korigin *of;
		u64 sector;
	};

	explicit korigin(dm::target t) noexcept : target_(t) {}

	int init(const dm::arguments &args) noexcept;
	kdm_mapped map(dm::bio b, per_bio &p) noexcept;
	/* Nothing is to be said of it. */
	// NOLINTNEXTLINE(readability-convert-member-functions-to-static)
	void status(kdm_text &text) const noexcept { dm::line line(text); }
	void table(kdm_text &text) const noexcept { dm::line(text).add(device_.name()); }
	int devices(kdm_device_fn fn, void *context) const noexcept
	{
		return fn(context, device_.get(), 0, target_.length());
	}

	/* A write goes on that was held. */
	static void go_on(dm::bio b) noexcept;

private:
	dm::target target_;
	dm::device device_;
};

class ksnapshot {
	struct slot;

public:
	struct per_bio {
		kdm_bio_place place;
		u64 sector;
		slot *writes; /* all of this slot's chunk */
		bool reads;   /* the origin, which is not to change meanwhile */
	};

	explicit ksnapshot(dm::target t) noexcept : target_(t) {}
	~ksnapshot();

	int init(const dm::arguments &args) noexcept;
	kdm_mapped map(dm::bio b, per_bio &p) noexcept;
	kdm_ended end_io(dm::bio b, per_bio &p, int &error) noexcept;
	void postsuspend() noexcept;
	int preresume() noexcept;
	void resume() noexcept;
	void status(kdm_text &text) const noexcept;
	void table(kdm_text &text) const noexcept;
	int devices(kdm_device_fn fn, void *context) const noexcept;
	void hints(kdm_hints &h) const noexcept;

	/* Of snapshots of @origin, the smallest chunk, or 0. Under the lock. */
	[[nodiscard]] static u32 smallest_chunk(const block_device *origin) noexcept;

	/* Must a write to @origin wait? Then it is held. Under the lock. */
	static bool hold(const block_device *origin, dm::bio b, u64 sector) noexcept;

private:
	static constexpr u32 client_pages = 512;
	static constexpr u32 nr_slots = 64; /* chunks on their way at a time */
	static constexpr u32 nr_readers = 1024;

	enum class condition {
		idle,	 /* nothing is copied for it yet, or somebody else does */
		loading, /* its store is being read */
		active,
		invalid,
	};

	/* A chunk on its way, or one that is zeroed. */
	struct slot {
		enum class state {
			free,
			starts,
			copies,
			ended,
			committed, /* the exception is to be written with others */
			drains,	   /* reads of the origin are to end before it changes */
		};

		explicit slot() noexcept = default;
		void copied(const kcopyd::report &how) noexcept;

		ksnapshot *of = nullptr;
		slot *next = nullptr; /* the one whose chunk was allocated after it */
		state is = state::free;
		bool zeroes = false;
		int error = 0;
		u64 from = 0;
		u64 to = 0;
		kdm_bio *bio = nullptr; /* that writes all of the chunk, or discards it */
		snapshot::run *spare = nullptr;
		dm::held_bios own;
		dm::held_bios origins;
		kcopyd::request<kcopyd::member_call<&slot::copied, slot>> request{
			kcopyd::member_call<&slot::copied, slot>(*this)
		};
	};

	enum class way {
		remapped,
		held,
		done,
		killed
	};

	[[nodiscard]] int open_devices() noexcept;
	[[nodiscard]] int choose_chunk() noexcept;
	[[nodiscard]] int allocate() noexcept;
	[[nodiscard]] int prepare_copies() noexcept;

	[[nodiscard]] bool waits_for(dm::bio b, u64 sector, bool held) noexcept;
	[[nodiscard]] way route(dm::bio b, per_bio &p) noexcept;
	[[nodiscard]] way zero(dm::bio b, u64 from, u64 to) noexcept;
	[[nodiscard]] way copy_first(dm::bio b, per_bio &p, u64 chunk) noexcept;
	[[nodiscard]] slot *slot_of(u64 chunk) noexcept;
	[[nodiscard]] slot *free_slot() noexcept;
	[[nodiscard]] slot *begin(u64 chunk, bool &full) noexcept;
	void invalidate(const char *why) noexcept;
	[[nodiscard]] bool is_busy() const noexcept;
	void settle() noexcept;

	void work() noexcept;
	void start_all() noexcept;
	void start(slot &s) noexcept;
	void commit() noexcept;
	[[nodiscard]] bool commit_next(bool &write) noexcept;
	[[nodiscard]] bool write_area() noexcept;
	void publish() noexcept;
	void drain() noexcept;
	void end_whole(dm::bio b, bool zeroed, int error) noexcept;
	void feed() noexcept;
	void own_go_on(dm::bio b) noexcept;
	void tell() noexcept;

	[[nodiscard]] int peek(u32 &chunk) noexcept;
	[[nodiscard]] int take_over() noexcept;
	[[nodiscard]] int open_store() noexcept;
	[[nodiscard]] int load() noexcept;
	[[nodiscard]] int start_store() noexcept;
	[[nodiscard]] bool add_loaded(const snapshot::exception &e) noexcept;
	void empty() noexcept;
	void wipe(unsigned char *at) const noexcept;

	[[nodiscard]] u64 chunk_of(u64 sector) const noexcept
	{
		return sector / args_.chunk_sectors;
	}
	[[nodiscard]] bool covers(dm::bio b, u64 sector) const noexcept
	{
		return sector % args_.chunk_sectors == 0 && b.sectors() == args_.chunk_sectors;
	}
	[[nodiscard]] u64 chunk_bytes() const noexcept { return u64{ args_.chunk_sectors } * 512; }

	/* All that there are, under the lock. */
	static ksnapshot *all;

	dm::target target_;
	snapshot::args args_;
	dm::device origin_;
	dm::device cow_;
	dm::memory area_;
	dm::memory scratch_;
	dm::memory buckets_;
	dm::io io_;
	slot slots_[nr_slots];
	kcopyd::client client_;
	dm::worker worker_;

	/* Under the lock. */
	ksnapshot *next_ = nullptr;
	condition is_ = condition::idle;
	bool overflowed_ = false;
	bool event_ = false;
	bool suspended_ = true;
	const char *why_ = nullptr;
	snapshot::exceptions exceptions_{ nullptr, 0, snapshot::exceptions::kind::complete };
	snapshot::store store_{ nullptr, 1, 0 };
	snapshot::transient_store transient_{ 1, 0 };
	slot *first_ = nullptr;
	slot *last_ = nullptr;
	u32 readers_[nr_readers] = {}; /* reads of the origin, by chunk */
	dm::held_bios own_;	       /* that wait for a slot */
	dm::held_bios origins_;

	/* Of those that load, and the worker. */
	bool loaded_ = false;
	bool fresh_ = false;
	bool was_invalid_ = false;
	bool dropped_ = false; /* the store says that it is invalid */
};

ksnapshot *ksnapshot::all = nullptr;

/* ------------------------------------------------------------------------- */
/* The origin */

int korigin::init(const dm::arguments &args) noexcept
{
	const char *path = nullptr;

	if (const char *wrong = snapshot::read_origin(args.all(), path))
		return target_.fail(wrong);
	if (const int r = device_.open(target_, path))
		return target_.fail("The origin cannot be opened", r);
	target_.wants(1, 0, 0);
	return 0;
}

kdm_mapped korigin::map(dm::bio b, per_bio &p) noexcept
{
	const kdm_op op = b.op();

	p = { this, b.sector(target_) };
	if (op != KDM_FLUSH && op != KDM_READ) {
		const locked l;
		const block_device *device = kdm_bdev(device_.get());

		if (const u32 chunk = ksnapshot::smallest_chunk(device))
			b.trim(static_cast<u32>(chunk - p.sector % chunk));
		if (ksnapshot::hold(device, b, p.sector))
			return KDM_SUBMITTED;
	}
	b.remap(device_, p.sector);
	return KDM_REMAPPED;
}

void korigin::go_on(dm::bio b) noexcept
{
	const per_bio &p = b.data<korigin>();

	{
		const locked l;

		if (ksnapshot::hold(kdm_bdev(p.of->device_.get()), b, p.sector))
			return;
	}
	b.remap(p.of->device_, p.sector);
	b.submit();
}

u32 ksnapshot::smallest_chunk(const block_device *origin) noexcept
{
	u32 least = 0;

	for (const ksnapshot *s = all; s; s = s->next_) {
		if (kdm_bdev(s->origin_.get()) == origin &&
		    (least == 0 || s->args_.chunk_sectors < least))
			least = s->args_.chunk_sectors;
	}
	return least;
}

bool ksnapshot::hold(const block_device *origin, dm::bio b, u64 sector) noexcept
{
	bool held = false;

	/* It waits for one of them, and then looks for the others. */
	for (ksnapshot *s = all; s; s = s->next_) {
		if (kdm_bdev(s->origin_.get()) == origin && sector < s->target_.length() &&
		    s->waits_for(b, sector, held))
			held = true;
	}
	return held;
}

/* Must a write to the origin wait for this snapshot? @held: it is held already. */
bool ksnapshot::waits_for(dm::bio b, u64 sector, bool held) noexcept
{
	dm::held_bios *in = &origins_;

	if (is_ != condition::loading) {
		const u64 chunk = chunk_of(sector);
		slot *of = slot_of(chunk);

		if (!of) {
			if (is_ != condition::active || exceptions_.find(chunk))
				return false;

			bool full = false;

			of = begin(chunk, full);
			if (full) {
				invalidate("it is full");
				return false;
			}
		}
		if (of)
			in = &of->origins;
	}
	if (!held)
		in->add(b);
	return true;
}

/* ------------------------------------------------------------------------- */
/* A line of a table */

int ksnapshot::init(const dm::arguments &args) noexcept
{
	if (const char *wrong = snapshot::read_args(args.all(), snapshot::role::snapshot, args_))
		return target_.fail(wrong);
	if (const int r = open_devices())
		return r;
	if (const int r = choose_chunk())
		return r;
	if (allocate() != 0)
		return target_.fail("No memory for the snapshot", -kcopyd::enomem);
	if (const int r = prepare_copies())
		return r;
	target_.wants(1, args_.discard_zeroes_cow ? 1 : 0, 0);
	if (const int r = target_.split_at(args_.chunk_sectors))
		return target_.fail("The chunk size is too large", r);

	const devices_locked d;
	const locked l;

	next_ = all;
	all = this;
	return 0;
}

int ksnapshot::open_devices() noexcept
{
	if (const int r = origin_.open(target_, args_.origin))
		return target_.fail("The origin cannot be opened", r);
	if (const int r = cow_.open(target_, args_.cow))
		return target_.fail("The COW device cannot be opened", r);
	if (kdm_bdev(origin_.get()) == kdm_bdev(cow_.get()))
		return target_.fail("The origin and the COW device are the same");
	args_.origin = origin_.name();
	args_.cow = cow_.name();
	if (const int r = io_.create())
		return target_.fail("No memory for I/O", r);
	return 0;
}

/* That of the table, or of the store. */
int ksnapshot::choose_chunk() noexcept
{
	if (args_.chunk_sectors == 0)
		args_.chunk_sectors = snapshot::default_chunk(cow_.block_sectors() * 512);
	if (args_.persistent) {
		if (const int r = peek(args_.chunk_sectors))
			return r;
	}
	if (const char *wrong = snapshot::check_chunk(
		    args_.chunk_sectors, cow_.block_sectors() * 512, origin_.block_sectors() * 512))
		return target_.fail(wrong);
	if (args_.persistent && !snapshot::store::fits(args_.chunk_sectors, cow_.sectors()))
		return target_.fail("The COW device is too small");
	return 0;
}

int ksnapshot::allocate() noexcept
{
	constexpr auto complete = snapshot::exceptions::kind::complete;
	const u64 chunks = cow_.sectors() / args_.chunk_sectors;
	const u64 nr_buckets = snapshot::exceptions::buckets_for(chunks, complete);

	if (const int r = buckets_.allocate(nr_buckets * sizeof(void *)))
		return r;
	if (args_.persistent) {
		if (const int r = area_.allocate(chunk_bytes()))
			return r;
		if (const int r = scratch_.allocate(chunk_bytes()))
			return r;
	}
	exceptions_ = snapshot::exceptions(reinterpret_cast<snapshot::run **>(buckets_.bytes()),
					   nr_buckets, complete);
	store_ = snapshot::store(area_.bytes(), args_.chunk_sectors, cow_.sectors());
	transient_ = snapshot::transient_store(args_.chunk_sectors, cow_.sectors());
	return worker_.create<&ksnapshot::work>("ksnapshot", *this);
}

int ksnapshot::prepare_copies() noexcept
{
	kcopyd::result<kcopyd::client> client = kcopyd::client::create("ksnapshot", client_pages);

	if (!client)
		return target_.fail("No client of kcopyd", client.error());
	client_ = client.take();
	for (slot &s : slots_) {
		s.of = this;
		s.spare = new (kcopyd::may_fail) snapshot::run;
		if (!s.spare || s.request.reserve(1) != 0)
			return target_.fail("No memory to copy", -kcopyd::enomem);
	}
	return 0;
}

/* What the header of the store says, which is not changed. */
int ksnapshot::peek(u32 &chunk) noexcept
{
	dm::memory block;

	fresh_ = false;
	was_invalid_ = false;
	if (block.allocate(u64{ cow_.block_sectors() } * 512) != 0)
		return target_.fail("No memory for the snapshot", -kcopyd::enomem);
	if (const int r = io_.read(cow_, 0, cow_.block_sectors(), block.bytes()))
		return target_.fail("The store cannot be read", r);
	switch (snapshot::read_store_header(block.bytes(), chunk)) {
	case snapshot::store_kind::fresh:
		fresh_ = true;
		return 0;
	case snapshot::store_kind::ours:
		return 0;
	case snapshot::store_kind::invalid:
		was_invalid_ = true;
		return 0;
	case snapshot::store_kind::newer:
		return target_.fail("The store is of a version that is not known");
	case snapshot::store_kind::corrupt:
		return target_.fail("The store has a chunk size that there cannot be");
	case snapshot::store_kind::foreign:
		break;
	}
	return target_.fail("On the COW device there is something else than a store");
}

ksnapshot::~ksnapshot()
{
	{
		const devices_locked d;
		bool known = false;

		{
			const locked l;

			for (ksnapshot **at = &all; *at; at = &(*at)->next_) {
				if (*at != this)
					continue;
				*at = next_;
				known = true;
				break;
			}
			if (is_ != condition::invalid)
				is_ = condition::idle;
		}
		if (known)
			settle();
	}
	client_.reset();
	worker_.reset();
	empty();
	for (slot &s : slots_)
		delete s.spare;
}

void ksnapshot::empty() noexcept
{
	u64 search = 0;

	if (!buckets_.bytes())
		return;
	while (snapshot::run *r = exceptions_.take_any(search))
		delete r;
}

void ksnapshot::status(kdm_text &text) const noexcept
{
	dm::line line(text);
	snapshot::state state;
	const locked l;
	const u64 chunk = args_.chunk_sectors;

	state.invalid = is_ == condition::invalid;
	state.overflowed = overflowed_;
	state.total = cow_.sectors();
	if (args_.persistent) {
		state.allocated = store_.chunks_allocated() * chunk;
		state.metadata = store_.chunks_of_metadata() * chunk;
	} else {
		state.allocated = transient_.chunks_allocated() * chunk;
	}
	snapshot::write_status(state, line);
}

void ksnapshot::table(kdm_text &text) const noexcept
{
	dm::line line(text);

	snapshot::write_table(args_, line);
}

int ksnapshot::devices(kdm_device_fn fn, void *context) const noexcept
{
	const int r = fn(context, origin_.get(), 0, target_.length());

	return r != 0 ? r : fn(context, cow_.get(), 0, cow_.sectors());
}

void ksnapshot::hints(kdm_hints &h) const noexcept
{
	if (args_.discard_zeroes_cow)
		h.discard_granularity = static_cast<u32>(chunk_bytes());
}

/* ------------------------------------------------------------------------- */
/* Bios that come, and that end */

kdm_mapped ksnapshot::map(dm::bio b, per_bio &p) noexcept
{
	way to = way::killed;

	if (b.op() == KDM_FLUSH) {
		b.remap(cow_, 0);
		return KDM_REMAPPED;
	}
	p.sector = b.sector(target_);
	b.trim(static_cast<u32>(args_.chunk_sectors - p.sector % args_.chunk_sectors));
	b.save(p.place);
	{
		const locked l;

		to = route(b, p);
	}
	switch (to) {
	case way::remapped:
		return KDM_REMAPPED;
	case way::held:
		return KDM_SUBMITTED;
	case way::done:
		b.end(0);
		return KDM_SUBMITTED;
	case way::killed:
		break;
	}
	return KDM_KILL;
}

/* Under the lock. */
ksnapshot::way ksnapshot::route(dm::bio b, per_bio &p) noexcept
{
	const kdm_op op = b.op();
	const u64 chunk = chunk_of(p.sector);
	const u64 behind = p.sector % args_.chunk_sectors;

	if (is_ != condition::active || (overflowed_ && op != KDM_READ))
		return way::killed;
	if (const snapshot::run *r = exceptions_.find(chunk)) {
		if (op == KDM_DISCARD && covers(b, p.sector))
			return zero(b, chunk, r->to_of(chunk));
		b.remap(cow_, r->to_of(chunk) * args_.chunk_sectors + behind);
		return way::remapped;
	}
	/* Nothing is copied to be discarded. */
	if (op == KDM_DISCARD && !args_.discard_passdown_origin)
		return way::done;
	if (op == KDM_DISCARD) {
		b.remap(origin_, p.sector);
		return way::remapped;
	}
	if (op == KDM_READ) {
		p.reads = true;
		readers_[chunk % nr_readers]++;
		b.remap(origin_, p.sector);
		return way::remapped;
	}
	return copy_first(b, p, chunk);
}

/* A chunk that is discarded is zeroes: it has an exception. */
ksnapshot::way ksnapshot::zero(dm::bio b, u64 from, u64 to) noexcept
{
	slot *s = free_slot();

	if (!s) {
		own_.add(b);
		return way::held;
	}
	s->is = slot::state::starts;
	s->zeroes = true;
	s->from = from;
	s->to = to;
	s->bio = b.get();
	worker_.wake();
	return way::held;
}

/* A write to a chunk that is the origin's still. */
ksnapshot::way ksnapshot::copy_first(dm::bio b, per_bio &p, u64 chunk) noexcept
{
	if (slot *s = slot_of(chunk)) {
		s->own.add(b);
		return way::held;
	}

	bool full = false;
	slot *s = begin(chunk, full);

	if (full) {
		if (!args_.overflow) {
			invalidate("it is full");
			return way::killed;
		}
		overflowed_ = true;
		event_ = true;
		worker_.wake();
		return way::killed;
	}
	if (!s) {
		own_.add(b);
	} else if (b.op() == KDM_WRITE && covers(b, p.sector)) {
		p.writes = s;
		s->bio = b.get();
	} else {
		s->own.add(b);
	}
	return way::held;
}

kdm_ended ksnapshot::end_io(dm::bio, per_bio &p, int &error) noexcept
{
	if (p.reads) {
		const locked l;

		p.reads = false;
		if (--readers_[chunk_of(p.sector) % nr_readers] == 0)
			worker_.wake();
		/* The origin may have changed before it was read. */
		if (is_ == condition::invalid && error == 0)
			error = -KDM_EIO;
		return KDM_DONE;
	}
	if (p.writes) {
		const locked l;
		slot *s = p.writes;

		p.writes = nullptr;
		s->error = error;
		s->is = slot::state::ended;
		worker_.wake();
		return KDM_KEPT;
	}
	return KDM_DONE;
}

/* ------------------------------------------------------------------------- */
/* Slots, under the lock */

ksnapshot::slot *ksnapshot::slot_of(u64 chunk) noexcept
{
	for (slot &s : slots_) {
		if (s.is != slot::state::free && !s.zeroes && s.from == chunk)
			return &s;
	}
	return nullptr;
}

ksnapshot::slot *ksnapshot::free_slot() noexcept
{
	for (slot &s : slots_) {
		if (s.is == slot::state::free)
			return &s;
	}
	return nullptr;
}

/* Null if there is no slot, or no room, and then @full is set. */
ksnapshot::slot *ksnapshot::begin(u64 chunk, bool &full) noexcept
{
	slot *s = free_slot();
	u64 to = 0;

	if (!s)
		return nullptr;
	full = !(args_.persistent ? store_.allocate(to) : transient_.allocate(to));
	if (full)
		return nullptr;
	s->is = slot::state::starts;
	s->zeroes = false;
	s->error = 0;
	s->from = chunk;
	s->to = to;
	s->next = nullptr;
	(last_ ? last_->next : first_) = s;
	last_ = s;
	worker_.wake();
	return s;
}

void ksnapshot::invalidate(const char *why) noexcept
{
	if (is_ == condition::invalid)
		return;
	is_ = condition::invalid;
	why_ = why;
	event_ = true;
	worker_.wake();
}

bool ksnapshot::is_busy() const noexcept
{
	for (const slot &s : slots_) {
		if (s.is != slot::state::free)
			return true;
	}
	return !own_.empty() || !origins_.empty();
}

/* Waits for what is on its way; no more comes. */
void ksnapshot::settle() noexcept
{
	for (bool busy = true; busy;) {
		worker_.wake();
		worker_.flush();

		const locked l;

		busy = is_busy();
	}
}

/* ------------------------------------------------------------------------- */
/* The worker */

void ksnapshot::work() noexcept
{
	start_all();
	commit();
	drain();
	feed();
	tell();
}

void ksnapshot::slot::copied(const kcopyd::report &how) noexcept
{
	const locked l;

	error = how.ok() ? 0 : -KDM_EIO;
	is = zeroes ? state::drains : state::ended;
	of->worker_.wake();
}

void ksnapshot::start_all() noexcept
{
	for (slot &s : slots_) {
		{
			const locked l;

			if (s.is != slot::state::starts)
				continue;
		}
		if (!s.spare)
			s.spare = new (kcopyd::may_fail) snapshot::run;
		/* It is only a matter of time. */
		if (!s.spare) {
			worker_.wake_in(20);
			continue;
		}
		{
			const locked l;

			s.is = slot::state::copies;
		}
		start(s);
	}
}

void ksnapshot::start(slot &s) noexcept
{
	const u64 chunk = args_.chunk_sectors;
	const u64 first = s.from * chunk;
	const u64 end = origin_.sectors();
	const u64 count = first + chunk > end ? end - first : chunk;
	int r = 0;

	if (s.zeroes) {
		r = client_.submit_zero(s.request, { cow_.region(s.to * chunk, chunk) });
	} else if (s.bio) {
		const dm::bio b(s.bio);

		b.remap(cow_, s.to * chunk);
		b.submit();
		return;
	} else {
		r = client_.submit(s.request, origin_.region(first, count),
				   { cow_.region(s.to * chunk, count) });
	}
	if (r == 0)
		return;

	const locked l;

	s.error = r;
	s.is = s.zeroes ? slot::state::drains : slot::state::ended;
	worker_.wake();
}

/* In the order in which chunks were allocated, as a merge needs it. */
void ksnapshot::commit() noexcept
{
	bool write = false;

	while (commit_next(write)) {
		if (!write)
			continue;
		if (!write_area()) {
			const locked l;

			invalidate("the store cannot be written");
		}
		publish();
	}
}

/* False if the next one has not ended. @write: what is committed is to be on disk now. */
bool ksnapshot::commit_next(bool &write) noexcept
{
	const locked l;
	slot *s = first_;

	if (!s || s->is != slot::state::ended)
		return false;
	first_ = s->next;
	if (!first_)
		last_ = nullptr;
	s->is = slot::state::committed;
	write = true;
	if (s->error != 0)
		invalidate("a chunk could not be copied");
	if (args_.persistent && s->error != 0)
		(void)store_.forget();
	else if (args_.persistent && is_ != condition::invalid)
		write = store_.commit({ s->from, s->to });
	return true;
}

/* There is nothing to write where there is no store, or none that is valid. */
bool ksnapshot::write_area() noexcept
{
	{
		const locked l;

		if (!args_.persistent || is_ == condition::invalid)
			return true;
	}

	const u64 chunk = args_.chunk_sectors;
	const u64 next = store_.is_full() ? store_.next_chunk() : 0;

	/* Where exceptions end is known at any time. */
	if (next != 0) {
		wipe(scratch_.bytes());
		if (io_.write(cow_, next * chunk, chunk, scratch_.bytes()) != 0)
			return false;
	}
	if (io_.write(cow_, store_.current_chunk() * chunk, chunk, area_.bytes(),
		      KDM_IO_FLUSH | KDM_IO_FUA) != 0)
		return false;

	const locked l;

	store_.written();
	return true;
}

void ksnapshot::publish() noexcept
{
	const locked l;

	for (slot &s : slots_) {
		if (s.is != slot::state::committed)
			continue;
		if (s.error == 0 && is_ != condition::invalid) {
			*s.spare = snapshot::run(s.from, s.to);
			if (exceptions_.add(*s.spare) == snapshot::added::kept)
				s.spare = nullptr;
		}
		s.is = slot::state::drains;
	}
}

void ksnapshot::drain() noexcept
{
	for (slot &s : slots_) {
		dm::held_bios own;
		dm::held_bios origins;
		dm::bio b(nullptr);
		bool zeroed = false;
		int error = 0;

		{
			const locked l;

			if (s.is != slot::state::drains ||
			    (!s.zeroes && readers_[s.from % nr_readers] != 0))
				continue;
			own.take(s.own);
			origins.take(s.origins);
			b = dm::bio(s.bio);
			s.bio = nullptr;
			zeroed = s.zeroes;
			error = is_ == condition::invalid ? -KDM_EIO : s.error;
			s.zeroes = false;
			s.error = 0;
			s.is = slot::state::free;
		}
		if (b)
			end_whole(b, zeroed, error);
		while (const dm::bio held = own.pop())
			own_go_on(held);
		while (const dm::bio held = origins.pop())
			korigin::go_on(held);
	}
}

/* What was for a whole chunk: a discard, of which zeroes were made, or a write. */
void ksnapshot::end_whole(dm::bio b, bool zeroed, int error) noexcept
{
	const per_bio &p = b.data<ksnapshot>();

	if (zeroed && error == 0 && args_.discard_passdown_origin) {
		b.remap(origin_, p.sector);
		b.submit();
		return;
	}
	if (!zeroed)
		b.restore(p.place);
	b.end(error);
}

void ksnapshot::own_go_on(dm::bio b) noexcept
{
	way to = way::killed;

	{
		const locked l;

		to = route(b, b.data<ksnapshot>());
	}
	if (to == way::remapped)
		b.submit();
	else if (to != way::held)
		b.end(to == way::done ? 0 : -KDM_EIO);
}

/* Those that had no slot. */
void ksnapshot::feed() noexcept
{
	dm::held_bios own;
	dm::held_bios origins;

	{
		const locked l;

		if (!free_slot() || is_ == condition::loading)
			return;
		own.take(own_);
		origins.take(origins_);
	}
	while (const dm::bio b = own.pop())
		own_go_on(b);
	while (const dm::bio b = origins.pop())
		korigin::go_on(b);
}

void ksnapshot::tell() noexcept
{
	const char *why = nullptr;
	bool event = false;
	bool drop = false;

	{
		const locked l;

		event = event_;
		event_ = false;
		why = why_;
		why_ = nullptr;
		drop = is_ == condition::invalid && args_.persistent && !dropped_;
	}
	if (drop) {
		dropped_ = true;
		wipe(scratch_.bytes());
		snapshot::write_store_header(scratch_.bytes(), args_.chunk_sectors, false);
		if (io_.write(cow_, 0, args_.chunk_sectors, scratch_.bytes(),
			      KDM_IO_FLUSH | KDM_IO_FUA) != 0)
			target_.log("the store on %s cannot be marked invalid", cow_.name());
	}
	if (why)
		target_.log("the snapshot on %s is invalid: %s", cow_.name(), why);
	if (event)
		target_.event();
}

/* ------------------------------------------------------------------------- */
/* Suspended, and not */

void ksnapshot::postsuspend() noexcept
{
	const locked l;

	suspended_ = true;
}

/*
 * What another table has of the same store ends here, as soon as it is all on disk; writes
 * to the origin wait meanwhile. Devices are locked.
 */
int ksnapshot::take_over() noexcept
{
	ksnapshot *from = nullptr;

	{
		const locked l;

		for (ksnapshot *s = all; s; s = s->next_) {
			if (s == this || kdm_bdev(s->cow_.get()) != kdm_bdev(cow_.get()) ||
			    s->is_ == condition::idle)
				continue;
			if (!s->suspended_ || !args_.persistent || !s->args_.persistent ||
			    s->args_.chunk_sectors != args_.chunk_sectors)
				return -kcopyd::ebusy;
			from = s;
		}
		is_ = condition::loading;
		if (!from)
			return 0;
		if (from->is_ != condition::invalid)
			from->is_ = condition::idle;
	}
	from->settle();
	return 0;
}

int ksnapshot::preresume() noexcept
{
	if (loaded_)
		return 0;

	const devices_locked d;
	int r = take_over();

	if (r != 0) {
		target_.log("the COW device %s is in use", cow_.name());
		return r;
	}
	if (args_.persistent)
		r = open_store();
	{
		const locked l;

		is_ = r == 0 ? condition::active : condition::idle;
		if (r == 0 && was_invalid_) {
			is_ = condition::invalid;
			dropped_ = true;
		}
	}
	loaded_ = r == 0;
	worker_.wake();
	if (was_invalid_)
		target_.log("the snapshot on %s was invalid before", cow_.name());
	return r;
}

int ksnapshot::open_store() noexcept
{
	u32 chunk = args_.chunk_sectors;
	int r = peek(chunk);

	/* Somebody may have begun a store since the table was loaded. */
	if (r == 0 && chunk != args_.chunk_sectors)
		r = -kcopyd::einval;
	if (r != 0) {
		target_.log("the store on %s is not what it was", cow_.name());
		return r;
	}
	if (was_invalid_)
		return 0;
	return fresh_ ? start_store() : load();
}

void ksnapshot::resume() noexcept
{
	const locked l;

	suspended_ = false;
}

void ksnapshot::wipe(unsigned char *at) const noexcept
{
	for (u64 i = 0; i < chunk_bytes(); i++)
		at[i] = 0;
}

int ksnapshot::start_store() noexcept
{
	const u64 chunk = args_.chunk_sectors;
	unsigned char *header = scratch_.bytes();

	store_.start();
	wipe(header);
	snapshot::write_store_header(header, args_.chunk_sectors, true);

	/* There is an area before there is a header. */
	int r = io_.write(cow_, store_.current_chunk() * chunk, chunk, area_.bytes());

	if (r == 0)
		r = io_.write(cow_, 0, chunk, header, KDM_IO_FLUSH | KDM_IO_FUA);
	if (r != 0)
		target_.log("the store on %s cannot be written", cow_.name());
	return r;
}

bool ksnapshot::add_loaded(const snapshot::exception &e) noexcept
{
	if (e.to > snapshot::max_chunk)
		return false;

	auto *r = new (kcopyd::may_fail) snapshot::run(e.from, e.to);

	if (!r)
		return false;

	const snapshot::added how = exceptions_.add(*r);

	if (how != snapshot::added::kept)
		delete r;
	return how != snapshot::added::twice;
}

int ksnapshot::load() noexcept
{
	const u64 chunk = args_.chunk_sectors;

	empty();
	for (u64 n = 0;; n++) {
		if (const int r =
			    io_.read(cow_, store_.area_chunk(n) * chunk, chunk, area_.bytes())) {
			target_.log("the store on %s cannot be read", cow_.name());
			return r;
		}
		switch (store_.load(n, [this](const snapshot::exception &e) noexcept {
			return add_loaded(e);
		})) {
		case snapshot::loaded::more:
			continue;
		case snapshot::loaded::all:
			return 0;
		case snapshot::loaded::corrupt:
			break;
		}
		target_.log("the store on %s has exceptions that there cannot be", cow_.name());
		return -kcopyd::einval;
	}
}

constexpr kdm_ops snapshot_ops = dm::ops_of<ksnapshot>("ksnapshot", 1, 0, 0);
constexpr kdm_ops origin_ops = dm::ops_of<korigin>("ksnap-origin", 1, 0, 0);

} /* namespace */

const kdm_ops *const kdm_targets[] = { &snapshot_ops, &origin_ops, nullptr };
