/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The target "ksnapshot-merge": what a snapshot has is copied back into the origin, the
 * last exceptions first, and then they are removed from the store. It takes the place of
 * the origin meanwhile; what has an exception still is on the COW device.
 *
 * A run of exceptions that is copied stays valid until the store has lost it: a copy that
 * failed can be done once more.
 */
#ifndef KCOPYD_TARGETS_SNAPSHOT_MERGE_HPP
#define KCOPYD_TARGETS_SNAPSHOT_MERGE_HPP

#include "targets/snapshot/stored.hpp"

namespace snapshot
{

class kmerge final : public stored {
public:
	explicit kmerge(dm::target t) noexcept : stored(t, role::merge) {}
	~kmerge() override;

	int init(const dm::arguments &args) noexcept;
	kdm_mapped map(dm::bio b, per_bio &p) noexcept;
	kdm_ended end_io(dm::bio b, per_bio &p, int &error) noexcept;
	void presuspend() noexcept;
	void presuspend_undo() noexcept { resume(); }
	int preresume() noexcept;
	void resume() noexcept;

private:
	static constexpr u32 client_pages = 512;

	/* Writes to what is merged wait no longer than so many sectors take. */
	static constexpr u64 most_sectors = 32768;

	/* Others are asked for so many at a time, as interrupts wait for that. */
	static constexpr u64 asked_sectors = 1024;

	enum class step {
		rests,
		waits, /* for other snapshots, and for writes that have begun */
		copies,
		copied,
	};

	[[nodiscard]] bool changes_origin() const noexcept override
	{
		return step_ == step::copies;
	}

	[[nodiscard]] way route(dm::bio b, per_bio &p) noexcept;
	[[nodiscard]] bool is_merged(u64 chunk) const noexcept { return chunk - first_ < chunks_; }

	void work() noexcept;
	[[nodiscard]] bool go_on_merging() noexcept;
	[[nodiscard]] bool find_run() noexcept;
	[[nodiscard]] bool is_known(const exception &last, u32 n) const noexcept;
	[[nodiscard]] bool copy_run() noexcept;
	[[nodiscard]] bool others_have_it() noexcept;
	void copied(const kcopyd::report &how) noexcept;
	[[nodiscard]] bool remove_run() noexcept;
	[[nodiscard]] bool forget_exceptions() noexcept;
	void let_go() noexcept;
	void held_go_on() noexcept;
	bool fail(const char *why) noexcept;

	kcopyd::request<kcopyd::member_call<&kmerge::copied, kmerge>> request_{
		kcopyd::member_call<&kmerge::copied, kmerge>(*this)
	};
	kcopyd::client client_;

	/* Under the lock; the worker alone changes those of the run. */
	step step_ = step::rests;
	bool stops_ = true;
	bool in_doubt_ = false; /* is the run still in the store? */
	int error_ = 0;
	u64 first_ = 0; /* the run that is merged */
	u64 chunks_ = 0;
	u64 to_ = 0;
	in_flight writes_; /* to the COW device */
	dm::held_bios held_;
};

inline int kmerge::init(const dm::arguments &args) noexcept
{
	if (const int r = open(args))
		return r;

	kcopyd::result<kcopyd::client> client =
		kcopyd::client::create("ksnapshot-merge", client_pages);

	if (!client)
		return target_.fail("No client of kcopyd", client.error());
	client_ = client.take();
	if (request_.reserve(1) != 0 ||
	    worker_.create<&kmerge::work>("ksnapshot-merge", *this) != 0)
		return target_.fail("No memory to copy", -kcopyd::enomem);
	/* What was written may be on either device. */
	target_.wants(2, args_.discard_zeroes_cow ? 1 : 0, 0);
	join();
	return 0;
}

inline kmerge::~kmerge()
{
	leave();
	client_.reset();
	worker_.reset();
}

/* ------------------------------------------------------------------------- */
/* Bios that come, and that end */

inline kdm_mapped kmerge::map(dm::bio b, per_bio &p) noexcept
{
	const kdm_op op = b.op();
	way to = way::killed;

	if (op == KDM_FLUSH) {
		b.remap(b.number() == 0 ? origin_ : cow_, 0);
		return KDM_REMAPPED;
	}
	if (op == KDM_DISCARD) {
		b.end(0);
		return KDM_SUBMITTED;
	}
	p.sector = b.sector(target_);
	b.trim(static_cast<u32>(args_.chunk_sectors - p.sector % args_.chunk_sectors));
	{
		const locked l;

		to = route(b, p);
	}
	return to == way::remapped ? KDM_REMAPPED : to == way::held ? KDM_SUBMITTED : KDM_KILL;
}

/* Under the lock. */
inline way kmerge::route(dm::bio b, per_bio &p) noexcept
{
	const bool writes = b.op() != KDM_READ;
	const u64 chunk = chunk_of(p.sector);

	if (is_ != condition::active && is_ != condition::invalid)
		return way::killed;
	if (writes && is_merged(chunk)) {
		if (in_doubt_)
			return way::killed;
		held_.add(b);
		return way::held;
	}
	if (const run *r = exceptions_.find(chunk)) {
		b.remap(cow_,
			r->to_of(chunk) * args_.chunk_sectors + p.sector % args_.chunk_sectors);
		if (writes)
			writes_.add(p.on, chunk);
		return way::remapped;
	}
	/* Of one that was given up, nothing is to be had: it is the origin only. */
	p.origin = &origin_;
	if (writes && hold(origin_, p.sector, b.sectors(), b))
		return way::held;
	b.remap(origin_, p.sector);
	return way::remapped;
}

inline kdm_ended kmerge::end_io(dm::bio, per_bio &p, int &) noexcept
{
	if (p.on.on_its_way()) {
		const locked l;

		p.on.ended();
		if (is_merged(p.on.chunk()))
			worker_.wake();
	}
	return KDM_DONE;
}

/* ------------------------------------------------------------------------- */
/* The worker */

inline void kmerge::work() noexcept
{
	while (go_on_merging())
		continue;
}

/* False if it is to be woken. */
inline bool kmerge::go_on_merging() noexcept
{
	step now = step::rests;

	{
		const locked l;

		now = step_;
	}
	switch (now) {
	case step::rests:
		return find_run();
	case step::waits:
		return copy_run();
	case step::copies:
		break;
	case step::copied:
		return remove_run();
	}
	return false;
}

inline bool kmerge::find_run() noexcept
{
	const u64 chunk = args_.chunk_sectors;
	const u64 most = most_sectors > chunk ? most_sectors / chunk : 1;
	exception last = {};
	u64 area = 0;

	{
		const locked l;

		if (stops_ || merge_failed_ || is_ != condition::active)
			return false;
	}
	if (store_.must_read(area)) {
		if (io_.read(cow_, store_.area_chunk(area) * chunk, chunk, area_.bytes()) != 0)
			return fail("the store cannot be read");

		const locked l;

		store_.back();
	}

	u32 n = store_.last_run(last);

	if (n == 0)
		return false;
	if (n > most)
		n = static_cast<u32>(most);
	if (!is_known(last, n))
		return fail("the store has other exceptions than it had");

	const locked l;

	first_ = last.from - (n - 1);
	to_ = last.to - (n - 1);
	chunks_ = n;
	step_ = step::waits;
	return true;
}

/* Are these the exceptions in memory? */
inline bool kmerge::is_known(const exception &last, u32 n) const noexcept
{
	if (last.from > (origin_.sectors() - 1) / args_.chunk_sectors)
		return false;
	for (u32 i = 0; i < n; i++) {
		const run *r = exceptions_.find(last.from - i);

		if (!r || r->to_of(last.from - i) != last.to - i)
			return false;
	}
	return true;
}

/*
 * Have the other snapshots what is there now? Once they have it, they do for good: one that
 * comes later waits as long as something is copied.
 */
inline bool kmerge::others_have_it() noexcept
{
	const u64 begin = first_ * args_.chunk_sectors;
	const u64 end = begin + chunks_ * args_.chunk_sectors;
	bool wait = false;

	for (u64 at = begin; at < end; at += asked_sectors) {
		const u64 left = end - at;
		const locked l;

		if (hold(origin_, at, left < asked_sectors ? left : asked_sectors,
			 dm::bio(nullptr)))
			wait = true;
	}
	return !wait;
}

inline bool kmerge::copy_run() noexcept
{
	const u64 chunk = args_.chunk_sectors;
	const u64 first = first_ * chunk;
	const u64 count = there_is(first, chunks_ * chunk);
	u32 others = 0;
	bool stops = false;

	{
		const locked l;

		others = joined();
		stops = stops_;
	}
	if (stops) {
		let_go();
		return false;
	}
	if (!others_have_it())
		return false;
	{
		const locked l;

		if (others != joined())
			return true;
		if (writes_.any(first_, chunks_))
			return false;
		step_ = step::copies;
	}

	/* The origin has it for good when the exceptions go. */
	const int r = client_.submit(request_, cow_.region(to_ * chunk, count),
				     { origin_.region(first, count) },
				     { .how = kcopyd::flags::flush });

	if (r == 0)
		return false;

	const locked l;

	error_ = r;
	step_ = step::copied;
	/* Somebody may have seen it copying. */
	ksnapshot_wake();
	return true;
}

inline void kmerge::copied(const kcopyd::report &how) noexcept
{
	const locked l;

	error_ = how.read_error() != 0 ? how.read_error() : how.ok() ? 0 : -KDM_EIO;
	step_ = step::copied;
	ksnapshot_wake();
	worker_.wake();
}

inline bool kmerge::remove_run() noexcept
{
	const u64 chunk = args_.chunk_sectors;

	if (error_ != 0) {
		(void)fail("a run cannot be copied");
		let_go();
		return false;
	}
	{
		const locked l;

		store_.merged(static_cast<u32>(chunks_));
	}
	if (io_.write(cow_, store_.current_chunk() * chunk, chunk, area_.bytes(),
		      KDM_IO_FLUSH | KDM_IO_FUA) != 0 ||
	    !forget_exceptions()) {
		/* Writes to it would get lost if the store has it no more. */
		{
			const locked l;

			in_doubt_ = true;
			step_ = step::rests;
		}
		held_go_on();
		return fail("the store cannot be written");
	}
	let_go();
	return true;
}

inline bool kmerge::forget_exceptions() noexcept
{
	for (u64 i = chunks_; i-- != 0;) {
		run *freed = nullptr;
		removed how = removed::missing;

		{
			const locked l;

			how = exceptions_.remove(first_ + i, freed);
		}
		delete freed;
		if (how == removed::missing || how == removed::inside)
			return false;
	}
	return true;
}

inline void kmerge::let_go() noexcept
{
	{
		const locked l;

		chunks_ = 0;
		step_ = step::rests;
	}
	held_go_on();
}

inline void kmerge::held_go_on() noexcept
{
	dm::held_bios held;

	{
		const locked l;

		held.take(held_);
	}
	while (const dm::bio b = held.pop()) {
		way to = way::killed;

		{
			const locked l;

			to = route(b, b.data<kmerge>());
		}
		if (to == way::remapped)
			b.submit();
		else if (to == way::killed)
			b.end(-KDM_EIO);
	}
}

/* Returns false. */
inline bool kmerge::fail(const char *why) noexcept
{
	target_.log("the snapshot on %s is not merged: %s", cow_.name(), why);

	const locked l;

	merge_failed_ = true;
	return false;
}

/* ------------------------------------------------------------------------- */
/* Suspended, and not */

/*
 * What is held goes on, and from now on nothing is. A copy is not left half done: whoever
 * makes a snapshot suspends the origin before, and what is below would be neither the one
 * nor the other.
 */
inline void kmerge::presuspend() noexcept
{
	{
		const locked l;

		stops_ = true;
	}
	/* Nothing is begun after that; what was begun ends, and is then let go. */
	worker_.wake();
	worker_.flush();
	ksnapshot_wait(
		[](void *of) noexcept -> int {
			const locked l;

			return static_cast<const kmerge *>(of)->step_ != step::copies;
		},
		this);
	worker_.wake();
	worker_.flush();
}

inline int kmerge::preresume() noexcept
{
	if (!merge_alone()) {
		target_.log("another snapshot is merged into %s", origin_.name());
		return -kcopyd::ebusy;
	}

	const int r = stored::preresume();

	if (r != 0) {
		const locked l;

		merges_ = false;
	}
	return r;
}

/* One that failed is tried once more, unless nobody knows what the store has. */
inline void kmerge::resume() noexcept
{
	{
		const locked l;

		suspended_ = false;
		stops_ = false;
		if (!in_doubt_)
			merge_failed_ = false;
	}
	worker_.wake();
}

} /* namespace snapshot */

#endif /* KCOPYD_TARGETS_SNAPSHOT_MERGE_HPP */
