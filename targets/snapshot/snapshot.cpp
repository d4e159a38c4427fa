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
#include "targets/snapshot/merge.hpp"
#include "targets/snapshot/stored.hpp"

namespace snapshot
{

class korigin {
public:
	using per_bio = bio_data;

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

private:
	dm::target target_;
	dm::device device_;
};

class ksnapshot;

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
	slot *same = nullptr; /* as its number */
	state is = state::free;
	bool zeroes = false;
	int error = 0;
	u64 from = 0;
	u64 to = 0;
	kdm_bio *bio = nullptr; /* that writes all of the chunk, or discards it */
	run *spare = nullptr;
	dm::held_bios own;
	dm::held_bios origins;
	kcopyd::request<kcopyd::member_call<&slot::copied, slot>> request{
		kcopyd::member_call<&slot::copied, slot>(*this)
	};
};

class ksnapshot final : public stored {
public:
	explicit ksnapshot(dm::target t) noexcept : stored(t, role::snapshot) {}
	~ksnapshot() override;

	int init(const dm::arguments &args) noexcept;
	kdm_mapped map(dm::bio b, per_bio &p) noexcept;
	kdm_ended end_io(dm::bio b, per_bio &p, int &error) noexcept;
	void resume() noexcept;

private:
	friend struct slot;

	static constexpr u32 client_pages = 512;
	static constexpr u32 nr_slots = 64; /* chunks on their way at a time */

	[[nodiscard]] int prepare_copies() noexcept;

	[[nodiscard]] bool waits_for(u64 sector, u64 count, dm::bio b) noexcept override;
	[[nodiscard]] dm::held_bios *waits_with(u64 chunk) noexcept;
	void settle() noexcept override;
	[[nodiscard]] way admit(dm::bio b, per_bio &p) noexcept;
	[[nodiscard]] way route(dm::bio b, per_bio &p) noexcept;
	[[nodiscard]] way zero(dm::bio b, u64 from, u64 to) noexcept;
	[[nodiscard]] way copy_first(dm::bio b, per_bio &p, u64 chunk) noexcept;
	[[nodiscard]] slot *slot_of(u64 chunk) noexcept;
	[[nodiscard]] slot *free_slot() noexcept;
	[[nodiscard]] slot *begin(u64 chunk, bool &full) noexcept;
	void release(slot &s) noexcept;
	void invalidate(const char *why) noexcept;
	[[nodiscard]] bool is_busy() const noexcept;

	void work() noexcept;
	void start_all() noexcept;
	void start(slot &s) noexcept;
	void commit() noexcept;
	[[nodiscard]] bool commit_next(bool &write) noexcept;
	[[nodiscard]] bool write_area() noexcept;
	void publish() noexcept;
	void drain() noexcept;
	void end_whole(dm::bio b, bool zeroed, int error) noexcept;
	[[nodiscard]] bool can_feed() noexcept;
	[[nodiscard]] dm::bio next_of(dm::held_bios &waiting) noexcept;
	void feed() noexcept;
	void own_go_on(dm::bio b, bool had_slot) noexcept;
	void drop() noexcept;
	void tell() noexcept;

	/* Is the store on disk still one of a good snapshot? Under the lock. */
	[[nodiscard]] bool must_drop() const noexcept
	{
		return is_ == condition::invalid && args_.persistent && !dropped_;
	}

	[[nodiscard]] bool covers(dm::bio b, u64 sector) const noexcept
	{
		return sector % args_.chunk_sectors == 0 && b.sectors() == args_.chunk_sectors;
	}

	slot slots_[nr_slots];
	kcopyd::client client_;

	/* Under the lock. */
	bool event_ = false;
	const char *why_ = nullptr;
	slot *first_ = nullptr;
	slot *last_ = nullptr;
	slot *by_chunk_[nr_slots] = {}; /* but for those that are zeroed */
	in_flight reads_;		/* of the origin */
	dm::held_bios own_;		/* that wait for a slot */
	dm::held_bios origins_;

	/* The worker's. */
	bool origins_first_ = false;
};

/* ------------------------------------------------------------------------- */
/* The origin */

int korigin::init(const dm::arguments &args) noexcept
{
	const char *path = nullptr;

	if (const char *wrong = read_origin(args.all(), path))
		return target_.fail(wrong);
	if (const int r = device_.open(target_, path))
		return target_.fail("The origin cannot be opened", r);
	target_.wants(1, 0, 0);
	return 0;
}

kdm_mapped korigin::map(dm::bio b, per_bio &p) noexcept
{
	const kdm_op op = b.op();

	p.origin = &device_;
	p.sector = b.sector(target_);
	if (op != KDM_FLUSH && op != KDM_READ && stored::has_any(device_)) {
		const locked l;

		if (const u32 chunk = stored::smallest_chunk(device_))
			b.trim(static_cast<u32>(chunk - p.sector % chunk));
		if (stored::hold(device_, p.sector, b.sectors(), b))
			return KDM_SUBMITTED;
	}
	b.remap(device_, p.sector);
	return KDM_REMAPPED;
}

/* It waits with the first chunk that it must wait for; all of them are begun. */
bool ksnapshot::waits_for(u64 sector, u64 count, dm::bio b) noexcept
{
	const u64 length = target_.length();
	dm::held_bios *in = nullptr;

	if (sector >= length)
		return false;

	const u64 end = count < length - sector ? sector + count : length;

	for (u64 chunk = chunk_of(sector); chunk <= chunk_of(end - 1); chunk++) {
		dm::held_bios *with = waits_with(chunk);

		if (!in)
			in = with;
		if (with == &origins_)
			break;
	}
	if (in && b)
		in->add(b);
	return in != nullptr;
}

/* With whom does a write to the origin wait? Null if this snapshot has the chunk. */
dm::held_bios *ksnapshot::waits_with(u64 chunk) noexcept
{
	bool full = false;

	if (is_ == condition::loading || must_drop())
		return &origins_;
	if (slot *s = slot_of(chunk))
		return &s->origins;
	/* Without what this changes it is not to be resumed later, if nobody else copies it. */
	if (failed_ && !missed_)
		missed_ = !store_is_kept();
	if (is_ != condition::active || exceptions_.find(chunk))
		return nullptr;

	slot *s = begin(chunk, full);

	if (full)
		invalidate("it is full");
	return s ? &s->origins : full && !must_drop() ? nullptr : &origins_;
}

/* ------------------------------------------------------------------------- */
/* A line of a table */

int ksnapshot::init(const dm::arguments &args) noexcept
{
	if (const int r = open(args))
		return r;
	if (const int r = prepare_copies())
		return r;
	if (worker_.create<&ksnapshot::work>("ksnapshot", *this) != 0)
		return target_.fail("No memory for the snapshot", -kcopyd::enomem);
	target_.wants(1, args_.discard_zeroes_cow ? 1 : 0, 0);
	join();
	return 0;
}

int ksnapshot::prepare_copies() noexcept
{
	kcopyd::result<kcopyd::client> client = kcopyd::client::create("ksnapshot", client_pages);

	if (!client)
		return target_.fail("No client of kcopyd", client.error());
	client_ = client.take();
	for (slot &s : slots_) {
		s.of = this;
		s.spare = new (kcopyd::may_fail) run;
		if (!s.spare || s.request.reserve(1) != 0)
			return target_.fail("No memory to copy", -kcopyd::enomem);
	}
	return 0;
}

ksnapshot::~ksnapshot()
{
	leave();
	client_.reset();
	worker_.reset();
	for (slot &s : slots_)
		delete s.spare;
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
	{
		const locked l;

		to = admit(b, p);
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

/* What has no slot yet. Under the lock. */
way ksnapshot::admit(dm::bio b, per_bio &p) noexcept
{
	return overflowed_ && b.op() != KDM_READ ? way::killed : route(b, p);
}

/* Under the lock. */
way ksnapshot::route(dm::bio b, per_bio &p) noexcept
{
	const kdm_op op = b.op();
	const u64 chunk = chunk_of(p.sector);
	const u64 behind = p.sector % args_.chunk_sectors;

	if (is_ != condition::active)
		return way::killed;
	if (const run *r = exceptions_.find(chunk)) {
		if (op == KDM_DISCARD && covers(b, p.sector))
			return zero(b, chunk, r->to_of(chunk));
		b.remap(cow_, r->to_of(chunk) * args_.chunk_sectors + behind);
		return way::remapped;
	}
	/* Nothing is copied to be discarded. */
	if (op == KDM_DISCARD && !args_.discard_passdown_origin)
		return way::done;
	/* Neither what is read nor what is discarded may be what comes later. */
	if (op == KDM_READ || op == KDM_DISCARD) {
		reads_.add(p.on, chunk);
		b.remap(origin_, p.sector);
		return way::remapped;
	}
	return copy_first(b, p, chunk);
}

/* A chunk that is discarded is zeroes: it has an exception. */
way ksnapshot::zero(dm::bio b, u64 from, u64 to) noexcept
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
way ksnapshot::copy_first(dm::bio b, per_bio &p, u64 chunk) noexcept
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
		b.save(p.place);
		p.writes = s;
		s->bio = b.get();
	} else {
		s->own.add(b);
	}
	return way::held;
}

kdm_ended ksnapshot::end_io(dm::bio, per_bio &p, int &error) noexcept
{
	if (p.on.on_its_way()) {
		const locked l;

		p.on.ended();
		if (slot_of(p.on.chunk()))
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
		worker_.wake();
		if (error != 0) {
			/* It is a write like any other one that fails: there is what was there. */
			s->bio = nullptr;
			s->is = slot::state::starts;
			return KDM_DONE;
		}
		s->is = slot::state::ended;
		return KDM_KEPT;
	}
	return KDM_DONE;
}

/* ------------------------------------------------------------------------- */
/* Slots, under the lock */

slot *ksnapshot::slot_of(u64 chunk) noexcept
{
	slot *s = by_chunk_[chunk % nr_slots];

	while (s && s->from != chunk)
		s = s->same;
	return s;
}

slot *ksnapshot::free_slot() noexcept
{
	for (slot &s : slots_) {
		if (s.is == slot::state::free)
			return &s;
	}
	return nullptr;
}

/* Null if there is no slot, or no room, and then @full is set. */
slot *ksnapshot::begin(u64 chunk, bool &full) noexcept
{
	slot *s = free_slot();
	u64 to = 0;

	if (!s)
		return nullptr;
	/* lvextend changes the device's size, and nothing else. */
	store_.resize(cow_.sectors());
	transient_.resize(cow_.sectors());
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
	s->same = by_chunk_[chunk % nr_slots];
	by_chunk_[chunk % nr_slots] = s;
	worker_.wake();
	return s;
}

void ksnapshot::release(slot &s) noexcept
{
	for (slot **at = &by_chunk_[s.from % nr_slots]; *at; at = &(*at)->same) {
		if (*at == &s) {
			*at = s.same;
			break;
		}
	}
	s.zeroes = false;
	s.error = 0;
	s.is = slot::state::free;
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
	return must_drop() || !own_.empty() || !origins_.empty();
}

void ksnapshot::settle() noexcept
{
	worker_.wake();
	ksnapshot_wait(
		[](void *of) noexcept -> int {
			const locked l;

			return !static_cast<ksnapshot *>(of)->is_busy();
		},
		this);
}

/* ------------------------------------------------------------------------- */
/* The worker */

void ksnapshot::work() noexcept
{
	start_all();
	commit();
	drop();
	drain();
	feed();
	tell();
	ksnapshot_wake();
}

void slot::copied(const kcopyd::report &how) noexcept
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
			s.spare = new (kcopyd::may_fail) run;
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
	const u64 count = there_is(first, chunk);
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
			*s.spare = run(s.from, s.to);
			if (exceptions_.add(*s.spare) == added::kept)
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

			if (s.is != slot::state::drains || (!s.zeroes && reads_.any(s.from, 1)))
				continue;
			own.take(s.own);
			origins.take(s.origins);
			b = dm::bio(s.bio);
			s.bio = nullptr;
			zeroed = s.zeroes;
			error = is_ == condition::invalid ? -KDM_EIO : s.error;
			release(s);
			tell_others();
		}
		if (b)
			end_whole(b, zeroed, error);
		while (const dm::bio held = own.pop())
			own_go_on(held, true);
		while (const dm::bio held = origins.pop())
			go_on(held);
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

/* What had a slot had room, too: it is done after an overflow. */
void ksnapshot::own_go_on(dm::bio b, bool had_slot) noexcept
{
	way to = way::killed;

	{
		const locked l;

		per_bio &p = b.data<ksnapshot>();

		to = had_slot ? route(b, p) : admit(b, p);
	}
	if (to == way::remapped)
		b.submit();
	else if (to != way::held)
		b.end(to == way::done ? 0 : -KDM_EIO);
}

/* Under the lock. */
bool ksnapshot::can_feed() noexcept
{
	return free_slot() && is_ != condition::loading && !must_drop();
}

/* Those for which there is no slot stay: there may be many. */
dm::bio ksnapshot::next_of(dm::held_bios &waiting) noexcept
{
	const locked l;

	return can_feed() ? waiting.pop() : dm::bio(nullptr);
}

/* Those that had no slot. */
void ksnapshot::feed() noexcept
{
	{
		const locked l;

		if (!can_feed())
			return;
	}
	/* By turns, or those that come first would leave no slot to the others for ever. */
	origins_first_ = !origins_first_;
	if (origins_first_) {
		while (const dm::bio b = next_of(origins_))
			go_on(b);
	}
	while (const dm::bio b = next_of(own_))
		own_go_on(b, false);
	while (const dm::bio b = next_of(origins_))
		go_on(b);
}

/*
 * The store says that it is invalid before the origin changes without it: or the snapshot
 * would be taken for a good one after a crash.
 */
void ksnapshot::drop() noexcept
{
	{
		const locked l;

		if (!must_drop())
			return;
	}
	wipe(scratch_.bytes());
	write_store_header(scratch_.bytes(), args_.chunk_sectors, false);
	if (io_.write(cow_, 0, args_.chunk_sectors, scratch_.bytes(), KDM_IO_FLUSH | KDM_IO_FUA) !=
	    0)
		target_.log("the store on %s cannot be marked invalid", cow_.name());

	const locked l;

	dropped_ = true;
	tell_others();
}

void ksnapshot::tell() noexcept
{
	const char *why = nullptr;
	bool event = false;

	{
		const locked l;

		event = event_;
		event_ = false;
		why = why_;
		why_ = nullptr;
	}
	if (why)
		target_.log("the snapshot on %s is invalid: %s", cow_.name(), why);
	if (event)
		worker_.event(target_);
}

/* ------------------------------------------------------------------------- */
/* Suspended, and not */

void ksnapshot::resume() noexcept
{
	const locked l;

	suspended_ = false;
}

constexpr kdm_ops snapshot_ops =
	dm::also_known_as(dm::ops_of<ksnapshot>("ksnapshot", 1, 0, 0), "snapshot", 1, 16, 0);
constexpr kdm_ops merge_ops = dm::also_known_as(dm::ops_of<kmerge>("ksnapshot-merge", 1, 0, 0),
						"snapshot-merge", 1, 5, 0);
constexpr kdm_ops origin_ops =
	dm::also_known_as(dm::ops_of<korigin>("ksnap-origin", 1, 0, 0), "snapshot-origin", 1, 9, 0);

} /* namespace snapshot */

const kdm_ops *const kdm_targets[] = { &snapshot::snapshot_ops, &snapshot::merge_ops,
				       &snapshot::origin_ops, nullptr };
