// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target "kmirror": the same sectors on several devices, its legs. What is in a
 * table, in the status and on disk is as of mainline's "mirror"; see args.hpp. What it
 * decides is in legs.hpp and log.hpp; here is when it does so.
 *
 * A worker alone changes the log and starts what is not a plain read, so that between a
 * look at the log and what follows of it nothing else begins. The lock is for those
 * that come from elsewhere meanwhile: bios that come or end, copies that end, status. It is
 * not held while the worker searches the log, which may be of 2^32 regions.
 */
#include "targets/dm/dm.hpp"
#include "targets/mirror/args.hpp"
#include "targets/mirror/legs.hpp"
#include "targets/mirror/log.hpp"

namespace
{

using mirror::u32;
using mirror::u64;

class kmirror {
public:
	enum class bio_kind : u32 {
		read,
		write, /* or a discard */
		flush,
	};

	/* Of a read: where it was, and the legs that it has been tried on. */
	struct per_bio {
		kdm_bio_place place;
		kdm_written written;
		kmirror *of;
		kdm_bio *bio;
		u64 sector;
		bio_kind kind;
		u32 legs;    /* mask of those that a write goes to, or a read was tried on */
		u32 leg;     /* that a read is on */
		u32 failed;  /* mask of those that a write failed on */
		u32 refused; /* mask of those of them that would not have it */
		bool discards;
	};

	explicit kmirror(dm::target t) noexcept : target_(t) {}
	~kmirror();

	int init(const dm::arguments &args) noexcept;
	kdm_mapped map(dm::bio b, per_bio &p) noexcept;
	kdm_ended end_io(dm::bio b, per_bio &p, int &error) noexcept;
	void presuspend() noexcept;
	void presuspend_undo() noexcept { resume(); }
	void postsuspend() noexcept;
	int preresume() noexcept;
	void resume() noexcept;
	void status(kdm_text &text) const noexcept;
	void table(kdm_text &text) const noexcept;
	int message(const dm::arguments &args, kdm_text &reply) noexcept;
	int devices(kdm_device_fn fn, void *context) const noexcept;

private:
	/* The pool of its client, in pages: copies are at most that large at a time. */
	static constexpr u32 client_pages = 512;

	/* So many regions are in recovery at a time. */
	static constexpr u32 max_recoveries = 4;

	/*
	 * Regions that have the same remainder share a counter of writes: then one that is
	 * busy has the others wait with it, which does no harm.
	 */
	static constexpr u64 max_counters = 65536;

	/* A region is dirty for so long after its last write, and at most twice that. */
	static constexpr u32 clean_ms = 1000;

	static constexpr u64 log_bits_bytes = u64{ mirror::log_bits_sector } * 512;

	/* A region that is in recovery, or none. */
	struct slot {
		enum class state : u32 {
			idle,
			waits, /* for writes to the region, of which no more begin */
			copies,
			ended,
		};

		explicit slot() noexcept = default;
		void copied(const kcopyd::report &how) noexcept;

		kmirror *of = nullptr;
		state is = state::idle;
		u64 region = 0;
		mirror::recovery plan = {};
		u32 left_out = 0; /* a bit for each of the plan's legs that is not copied to */
		int read_error = 0;
		u32 write_errors = 0; /* a bit for each of the plan's legs */
		kcopyd::request<kcopyd::member_call<&slot::copied, slot>> request{
			kcopyd::member_call<&slot::copied, slot>(*this)
		};
	};

	/* What the worker does, in this order. */
	void work() noexcept;
	void end_recoveries() noexcept;
	void retry_reads() noexcept;
	void deal_with_failed() noexcept;
	void begin_recoveries() noexcept;
	void mark(dm::held_bios &go) noexcept;
	void clean() noexcept;
	void write_log() noexcept;
	void log_is(mirror::log_health health) noexcept;
	[[nodiscard]] bool waits_for_log() noexcept;
	void write(dm::bio b) noexcept;
	void tell() noexcept;

	int open_legs() noexcept;
	int open_log() noexcept;
	int allocate() noexcept;
	int prepare_copies() noexcept;
	void look_for_work(slot &s) noexcept;
	bool ready_to_copy(slot &s) noexcept;
	void copy(slot &s) noexcept;
	void cannot_copy(slot &s, int read_error) noexcept;
	[[nodiscard]] bool is_there(u32 leg, const mirror::recovery &plan) const noexcept;
	void unblock() noexcept;
	void try_held_again() noexcept;
	void hurry() noexcept;
	[[nodiscard]] bool is_misplaced(const per_bio &p) const noexcept;
	mirror::verdict failed(per_bio &p, bool misplaced) noexcept;
	void flush_legs() noexcept;
	[[nodiscard]] bool flush_failed() noexcept;
	void refuse(dm::bio b, mirror::verdict v) noexcept;
	void let_go() noexcept;
	static void written(void *context, u32 failed, u32 refused) noexcept;
	void has_dirty(u64 first, u64 end) noexcept;
	bool mark_all_if_flush_failed() noexcept;
	int read_log(u64 &nr_known) noexcept;

	[[nodiscard]] u64 log_sectors() const noexcept
	{
		return mirror::log_sectors(args_.nr_regions(target_.length()),
					   log_device_.block_sectors());
	}
	[[nodiscard]] u64 region_of(u64 sector) const noexcept
	{
		return sector / args_.region_sectors;
	}
	[[nodiscard]] u32 &writes_to(u64 region) noexcept
	{
		return writes_in_flight_[region % nr_counters_];
	}
	[[nodiscard]] bool waits_for_recovery(u64 region) const noexcept;
	void read_from(dm::bio b, per_bio &p) noexcept
	{
		legs_.begin_read(p.leg, p.sector, b.sectors());
		b.remap(leg_[p.leg], args_.legs[p.leg].offset + p.sector);
	}

	dm::target target_;
	mirror::args args_;
	dm::device leg_[mirror::max_legs];
	dm::device log_device_;
	dm::lock lock_;
	dm::memory log_memory_;
	dm::memory counters_;
	dm::io io_;
	kcopyd::throttle throttle_;
	slot slots_[max_recoveries];
	kcopyd::client client_;
	dm::worker worker_;

	/* Under the lock. */
	mirror::legs legs_{ mirror::args{}, false };
	mirror::region_log log_{ nullptr, 0 };
	u32 *writes_in_flight_ = nullptr;
	u64 nr_counters_ = 1;
	dm::held_bios writes_;	/* that have come */
	dm::held_bios retries_; /* reads that are to be tried on another leg */
	dm::held_bios failed_;	/* writes that were not done by all legs */
	dm::held_bios held_;	/* until the mirror is suspended, or it is well again */
	bool event_ = false;
	bool suspending_ = true;
	bool paused_ = false;
	bool again_ = false; /* regions that could not be copied are tried once more */
	bool flush_failed_ = false;

	/* The worker's, and theirs that wait for it. */
	dm::held_bios waiting_; /* writes to regions in recovery */
	mirror::changed_bytes changed_;
	u64 dirty_first_ = ~0ULL; /* there is no dirty region that is in sync before */
	u64 dirty_end_ = 0;	  /* nor from here on */
	u64 clean_at_ = 0;
	bool hurries_ = false; /* the limits are suspended */
	bool dirtied_ = false; /* a write waits for the log to be written */
	bool clean_now_ = false;
	bool all_dirty_ = false;     /* and stay so: a flush has failed */
	bool header_failed_ = false; /* it is still to be written */
	bool started_ = false;
	bool stopped_ = true; /* suspended: the devices may be somebody else's */
	char shown_[mirror::max_legs] = {};
	mirror::log_health log_health_ = mirror::log_health::alive;
};

/* ------------------------------------------------------------------------- */
/* A line of a table */

int kmirror::init(const dm::arguments &args) noexcept
{
	if (const char *wrong = mirror::read_args(args.all(), target_.length(), args_))
		return target_.fail(wrong);
	if (const int r = open_legs())
		return r;
	if (const int r = open_log())
		return r;
	if (const int r = allocate())
		return target_.fail("No memory for the mirror", r);
	if (const int r = prepare_copies())
		return target_.fail("No client of kcopyd", r);
	target_.wants(1, 1, 0);
	if (const int r = target_.split_at(args_.region_sectors))
		return target_.fail("The region size is too large", r);
	return 0;
}

int kmirror::open_legs() noexcept
{
	for (u32 i = 0; i < args_.nr_legs; i++) {
		const u64 offset = args_.legs[i].offset;

		if (const int r = leg_[i].open(target_, args_.legs[i].device))
			return target_.fail("A leg cannot be opened", r);
		if (offset > leg_[i].sectors() || target_.length() > leg_[i].sectors() - offset)
			return target_.fail("A leg is too small");
		if (const char *wrong =
			    mirror::check_region(args_.region_sectors, leg_[i].block_sectors()))
			return target_.fail(wrong);
		args_.legs[i].device = leg_[i].name();
		shown_[i] = 'A';
	}
	return 0;
}

int kmirror::open_log() noexcept
{
	if (!args_.log_device)
		return 0;
	if (const int r = log_device_.open(target_, args_.log_device))
		return target_.fail("The log's device cannot be opened", r);
	args_.log_device = log_device_.name();
	if (log_sectors() > log_device_.sectors())
		return target_.fail("The log's device is too small");
	return 0;
}

int kmirror::allocate() noexcept
{
	const u64 nr_regions = args_.nr_regions(target_.length());
	const u64 on_disk = log_device_ ? log_sectors() * 512 : 0;
	u64 log_bytes = log_bits_bytes + mirror::region_log::bytes_for(nr_regions);

	if (log_bytes < on_disk)
		log_bytes = on_disk;
	nr_counters_ = nr_regions < max_counters ? nr_regions : max_counters;
	if (const int r = log_memory_.allocate(log_bytes))
		return r;
	if (const int r = counters_.allocate(nr_counters_ * sizeof(u32)))
		return r;
	writes_in_flight_ = reinterpret_cast<u32 *>(counters_.bytes());
	log_ = mirror::region_log(log_memory_.bytes() + log_bits_bytes, nr_regions);
	if (const int r = lock_.create())
		return r;
	if (const int r = io_.create())
		return r;
	return worker_.create<&kmirror::work>("kmirror", *this);
}

int kmirror::prepare_copies() noexcept
{
	kcopyd::result<kcopyd::throttle> throttle = kcopyd::throttle::create({});

	if (!throttle)
		return throttle.error();
	throttle_ = throttle.take();

	kcopyd::result<kcopyd::client> client = kcopyd::client::create("kmirror", client_pages);

	if (!client)
		return client.error();
	client_ = client.take();
	for (slot &s : slots_) {
		s.of = this;
		if (const int r = s.request.reserve(args_.nr_legs - 1))
			return r;
	}
	return client_.limit_by(throttle_);
}

kmirror::~kmirror()
{
	/* A copy that ends wakes the worker. */
	client_.reset();
	worker_.reset();
}

void kmirror::status(kdm_text &text) const noexcept
{
	char health[mirror::max_legs + 1] = {};
	dm::line line(text);
	const dm::locked l(lock_);

	for (u32 i = 0; i < args_.nr_legs; i++)
		health[i] = legs_.health(i);
	mirror::write_status(args_, health, log_.nr_in_sync(), log_.size(), log_health_, line);
}

void kmirror::table(kdm_text &text) const noexcept
{
	dm::line line(text);

	mirror::write_table(args_, line);
}

/*
 * rate KIB	so many KiB a second are copied at most, each to all legs; 0: no limit
 * pause	nothing is copied
 * resume	it goes on, also with regions that could not be copied
 * state	what is said by the above
 */
int kmirror::message(const dm::arguments &args, kdm_text &reply) noexcept
{
	u64 kib = 0;

	if (args.size() == 2 && args.is(0, "rate")) {
		if (!dm::read_number(args[1], ~0ULL / 1024, kib))
			return -kcopyd::einval;
		return throttle_.set({ .bytes_per_second = kib * 1024 });
	}
	if (args.size() != 1)
		return -kcopyd::einval;
	if (args.is(0, "state")) {
		const dm::locked l(lock_);
		dm::line line(reply);

		line.add(paused_ ? "paused rate " : "running rate ")
			.add((throttle_.get_limits().bytes_per_second + 1023) / 1024);
		return 1;
	}
	if (args.is(0, "pause")) {
		{
			const dm::locked l(lock_);

			paused_ = true;
		}
		worker_.wake();
		worker_.flush();
		client_.cancel_all();
		return 0;
	}
	if (args.is(0, "resume")) {
		const dm::locked l(lock_);

		paused_ = false;
		again_ = true;
		worker_.wake();
		return 0;
	}
	return -kcopyd::einval;
}

int kmirror::devices(kdm_device_fn fn, void *context) const noexcept
{
	int r = 0;

	for (u32 i = 0; i < args_.nr_legs && r == 0; i++)
		r = fn(context, leg_[i].get(), args_.legs[i].offset, target_.length());
	return r;
}

/* ------------------------------------------------------------------------- */
/* Bios that come, and that end */

kdm_mapped kmirror::map(dm::bio b, per_bio &p) noexcept
{
	const kdm_op op = b.op();

	p.of = this;
	p.bio = b.get();
	p.written = { written, &p };
	if (op == KDM_READ) {
		p.kind = bio_kind::read;
		p.sector = b.sector(target_);
		b.save(p.place);
		{
			const dm::locked l(lock_);

			p.leg = legs_.choose(p.sector, log_.in_sync(region_of(p.sector)), 0);
		}
		if (p.leg == mirror::legs::none)
			return KDM_KILL;
		p.legs = 1U << p.leg;
		read_from(b, p);
		return KDM_REMAPPED;
	}
	if (op == KDM_FLUSH) {
		p.kind = bio_kind::flush;
	} else if (op == KDM_WRITE || op == KDM_DISCARD) {
		p.kind = bio_kind::write;
		p.sector = b.sector(target_);
		p.discards = op == KDM_DISCARD;
		/* Discards are not split for us, and are of one region here. */
		if (p.discards) {
			const u64 left = args_.region_sectors - p.sector % args_.region_sectors;

			if (left < b.sectors())
				b.trim(static_cast<u32>(left));
		}
	} else {
		return KDM_KILL;
	}

	const dm::locked l(lock_);

	writes_.add(b);
	worker_.wake();
	return KDM_SUBMITTED;
}

kdm_ended kmirror::end_io(dm::bio b, per_bio &p, int &error) noexcept
{
	if (p.kind != bio_kind::read)
		return KDM_DONE;
	/* Of one that has been given up, that has been done. */
	if (p.leg == mirror::legs::none)
		return KDM_DONE;
	legs_.end_read(p.leg);
	/* A device may refuse to read ahead, or to where the caller wants it. */
	if (error == 0 || error == -KDM_EOPNOTSUPP || error == -kcopyd::einval || b.reads_ahead())
		return KDM_DONE;

	const dm::locked l(lock_);

	if (legs_.failed(p.leg, mirror::leg_error::read))
		event_ = true;
	worker_.wake();
	if (legs_.choose(p.sector, log_.in_sync(region_of(p.sector)), p.legs) == mirror::legs::none)
		return KDM_DONE;
	b.restore(p.place);
	retries_.add(b);
	return KDM_KEPT;
}

/* All legs have done a write, or failed. In any context. */
void kmirror::written(void *context, u32 failed, u32 refused) noexcept
{
	per_bio &p = *static_cast<per_bio *>(context);
	kmirror &m = *p.of;
	u32 place = 0;

	for (u32 i = 0; i < m.args_.nr_legs; i++) {
		if ((p.legs & 1U << i) == 0)
			continue;
		p.failed |= (failed >> place & 1) << i;
		p.refused |= (refused >> place & 1) << i;
		place++;
	}
	{
		const dm::locked l(m.lock_);

		if (p.failed != 0) {
			/* In time for clean(), which may be waiting for a later one that does well. */
			m.flush_failed_ |= p.kind == bio_kind::flush;
			m.failed_.add(dm::bio(p.bio));
			m.worker_.wake();
			return;
		}
		/* A recovery may have waited for that. */
		if (p.kind == bio_kind::write) {
			const u64 region = m.region_of(p.sector);

			if (--m.writes_to(region) == 0 && m.waits_for_recovery(region))
				m.worker_.wake();
		}
	}
	dm::bio(p.bio).end(0);
}

/* ------------------------------------------------------------------------- */
/* The worker */

void kmirror::work() noexcept
{
	dm::held_bios go;

	end_recoveries();
	retry_reads();
	deal_with_failed();
	begin_recoveries();
	mark(go);
	hurry();
	clean();
	mark_all_if_flush_failed();
	write_log();
	while (const dm::bio b = go.pop())
		write(b);
	tell();
	if (!stopped_ && ((dirty_first_ < dirty_end_ && !flush_failed()) || waits_for_log()))
		worker_.wake_in(clean_ms);
}

/* Is something held that may go on when the log can be written again? */
bool kmirror::waits_for_log() noexcept
{
	const dm::locked l(lock_);

	return log_health_ != mirror::log_health::alive && !held_.empty();
}

void kmirror::has_dirty(u64 first, u64 end) noexcept
{
	dirty_first_ = first < dirty_first_ ? first : dirty_first_;
	dirty_end_ = end > dirty_end_ ? end : dirty_end_;
}

/* Under the lock. */
bool kmirror::waits_for_recovery(u64 region) const noexcept
{
	bool any = false;

	for (const slot &s : slots_)
		any |= s.is != slot::state::idle &&
		       s.region % nr_counters_ == region % nr_counters_;
	return any;
}

/* A copy has ended; it may have been submitted by another thread a moment ago. */
void kmirror::slot::copied(const kcopyd::report &how) noexcept
{
	const dm::locked l(of->lock_);
	u32 place = 0;

	read_error = how.read_error();
	write_errors = left_out;
	for (u32 i = 0; i < plan.nr_dests; i++) {
		if ((left_out & 1U << i) == 0)
			write_errors |= (how.write_errors() >> place++ & 1) << i;
	}
	is = state::ended;
	of->worker_.wake();
}

void kmirror::end_recoveries() noexcept
{
	bool any = false;
	bool news = false;

	for (slot &s : slots_) {
		const dm::locked l(lock_);

		if (s.is != slot::state::ended)
			continue;
		/* What was cancelled says nothing of a leg. */
		const bool cancelled = s.read_error == -KDM_ECANCELED;
		const bool well = !cancelled && legs_.recovered(s.plan, s.read_error != 0,
								s.write_errors, event_);

		log_.recovered(s.region, well);
		if (cancelled)
			log_.recover_again();
		if (well)
			has_dirty(s.region, s.region + 1);
		s.is = slot::state::idle;
		any = true;
		if (log_.nr_in_sync() == log_.size() && legs_.all_in_sync())
			news = true;
	}
	if (!any)
		return;

	const dm::locked l(lock_);

	if (news) {
		event_ = true;
		try_held_again();
	}
	unblock();
}

void kmirror::retry_reads() noexcept
{
	dm::held_bios bios;

	{
		const dm::locked l(lock_);

		bios.take(retries_);
	}
	while (const dm::bio b = bios.pop()) {
		per_bio &p = b.data<kmirror>();

		{
			const dm::locked l(lock_);

			p.leg = legs_.choose(p.sector, log_.in_sync(region_of(p.sector)), p.legs);
		}
		if (p.leg == mirror::legs::none) {
			b.end(-KDM_EIO);
			continue;
		}
		p.legs |= 1U << p.leg;
		read_from(b, p);
		b.submit();
	}
}

/* A bio that cannot go on now. */
void kmirror::refuse(dm::bio b, mirror::verdict v) noexcept
{
	if (v == mirror::verdict::hold) {
		const dm::locked l(lock_);

		if (!suspending_) {
			held_.add(b);
			return;
		}
	}
	if (v == mirror::verdict::hold && target_.noflush())
		b.requeue();
	else
		b.end(-KDM_EIO);
}

/* Is it the caller's fault, who has the data where a leg cannot have it from? */
bool kmirror::is_misplaced(const per_bio &p) const noexcept
{
	if (p.kind != bio_kind::write || p.discards)
		return false;
	for (u32 i = 0; i < args_.nr_legs; i++) {
		if ((p.refused & 1U << i) != 0 && !dm::bio(p.bio).suits(leg_[i]))
			return true;
	}
	return false;
}

/* What becomes of a write or a flush that not all legs have done. Under the lock. */
mirror::verdict kmirror::failed(per_bio &p, bool misplaced) noexcept
{
	const bool log_failed = log_health_ != mirror::log_health::alive;
	const u64 region = region_of(p.sector);

	if (p.kind == bio_kind::flush)
		return legs_.wrote(mirror::leg_error::flush, p.legs, p.failed, log_failed, event_);
	writes_to(region)--;
	/* A discard may be lost, but not by all. */
	if (p.discards)
		return p.failed == p.legs ? mirror::verdict::bad : mirror::verdict::good;
	if (log_.out_of_sync(region)) {
		changed_.add(region);
		dirtied_ = true;
	}
	/* Some may have it, or part of it: they are to be the same again. */
	if (misplaced) {
		legs_.differ();
		again_ = true;
		return mirror::verdict::bad;
	}
	return legs_.wrote(mirror::leg_error::write, p.legs, p.failed, log_failed, event_);
}

void kmirror::deal_with_failed() noexcept
{
	dm::held_bios bios;

	{
		const dm::locked l(lock_);

		bios.take(failed_);
	}
	/* Before anybody is told of it, who may not be told that it has failed. */
	if (mark_all_if_flush_failed())
		write_log();
	while (const dm::bio b = bios.pop()) {
		per_bio &p = b.data<kmirror>();
		const bool misplaced = is_misplaced(p);
		mirror::verdict v = mirror::verdict::good;

		{
			const dm::locked l(lock_);

			v = failed(p, misplaced);
		}
		if (v == mirror::verdict::good)
			b.end(0);
		else if (misplaced)
			b.end(-kcopyd::einval);
		else if (p.discards)
			b.end(-KDM_EOPNOTSUPP);
		else
			refuse(b, v);
	}
}

/* What waited for recoveries comes again, to see whether it still has to. Under the lock. */
void kmirror::unblock() noexcept
{
	while (const dm::bio b = waiting_.pop())
		writes_.add(b);
}

/* Nobody will suspend a mirror that is well, for which this was held. Under the lock. */
void kmirror::try_held_again() noexcept
{
	while (const dm::bio b = held_.pop())
		writes_.add(b);
}

/* For a slot that has none. */
void kmirror::look_for_work(slot &s) noexcept
{
	u64 region = 0;

	{
		const dm::locked l(lock_);

		if (s.is != slot::state::idle || suspending_ || paused_)
			return;
	}
	if (!log_.next_to_recover(region))
		return;

	const dm::locked l(lock_);

	s.region = region;
	s.is = slot::state::waits;
}

/* Under the lock. */
bool kmirror::ready_to_copy(slot &s) noexcept
{
	const bool stop = suspending_ || paused_;

	if (s.is != slot::state::waits)
		return false;
	if (stop) {
		log_.recovered(s.region, false);
		log_.recover_again();
		s.is = slot::state::idle;
		unblock();
		return false;
	}
	if (writes_to(s.region) != 0)
		return false;
	s.plan = legs_.plan(s.region, args_.region_sectors, target_.length());
	s.is = slot::state::copies;
	return true;
}

void kmirror::begin_recoveries() noexcept
{
	{
		const dm::locked l(lock_);

		if (again_)
			log_.recover_again();
		again_ = false;
	}
	for (slot &s : slots_) {
		bool ready = false;

		look_for_work(s);
		{
			const dm::locked l(lock_);

			ready = ready_to_copy(s);
		}
		if (ready)
			copy(s);
	}
}

/* One that was pulled out has no sectors any more. */
bool kmirror::is_there(u32 leg, const mirror::recovery &plan) const noexcept
{
	const u64 first = args_.legs[leg].offset + plan.first;

	return first < leg_[leg].sectors() && plan.count <= leg_[leg].sectors() - first;
}

void kmirror::cannot_copy(slot &s, int read_error) noexcept
{
	const dm::locked l(lock_);

	s.read_error = read_error;
	s.write_errors = read_error == 0 ? s.left_out : 0;
	s.is = slot::state::ended;
	worker_.wake();
}

/* kcopyd rejects what has nowhere to go, of all legs: such a one is left out, and failed. */
void kmirror::copy(slot &s) noexcept
{
	const mirror::recovery &plan = s.plan;
	const kcopyd::region from =
		leg_[plan.source].region(args_.legs[plan.source].offset + plan.first, plan.count);
	io_region to[mirror::max_legs - 1];
	u32 nr = 0;

	s.left_out = 0;
	for (u32 i = 0; i < plan.nr_dests; i++) {
		const u32 leg = plan.dests[i];

		if (is_there(leg, plan) && !leg_[leg].is_read_only())
			to[nr++] =
				leg_[leg].region(args_.legs[leg].offset + plan.first, plan.count);
		else
			s.left_out |= 1U << i;
	}
	if (!is_there(plan.source, plan)) {
		cannot_copy(s, -KDM_EIO);
		return;
	}
	if (nr == 0) {
		cannot_copy(s, 0);
		return;
	}

	const int r = client_.submit(s.request, from, nr,
				     reinterpret_cast<const kcopyd::region *>(to), {});

	if (r == 0)
		return;
	/* A leg has become smaller or read-only just now: it is left out the next time. */
	if (r != -KDM_ERANGE && r != -KDM_EROFS) {
		/* It would be the same with the next one. */
		target_.log("region %llu cannot be copied (error %d): paused", s.region, r);

		const dm::locked l(lock_);

		paused_ = true;
	}
	cannot_copy(s, -KDM_ECANCELED);
}

/*
 * A limit is there to spare those who write. One of them that waits for a region would
 * wait as long as the limit makes a copy of it take: there is none meanwhile.
 */
void kmirror::hurry() noexcept
{
	const bool hurries = !waiting_.empty();

	if (hurries == hurries_)
		return;
	if ((hurries ? throttle_.suspend() : throttle_.resume()) == 0)
		hurries_ = hurries;
}

/* What has come goes to @go, if it does not wait for a recovery. */
void kmirror::mark(dm::held_bios &go) noexcept
{
	dm::held_bios bios;

	{
		const dm::locked l(lock_);

		bios.take(writes_);
	}
	while (const dm::bio b = bios.pop()) {
		per_bio &p = b.data<kmirror>();
		const dm::locked l(lock_);

		if (p.kind == bio_kind::flush) {
			p.legs = legs_.all();
			go.add(b);
			continue;
		}

		const u64 region = region_of(p.sector);

		if (waits_for_recovery(region)) {
			waiting_.add(b);
			continue;
		}
		if (log_.mark(region)) {
			changed_.add(region);
			dirtied_ = true;
		}
		if (log_.in_sync(region))
			has_dirty(region, region + 1);
		writes_to(region)++;
		go.add(b);
	}
}

void kmirror::flush_legs() noexcept
{
	u32 failed = 0;

	for (u32 i = 0; i < args_.nr_legs; i++)
		failed |= io_.flush(leg_[i]) != 0 ? 1U << i : 0;
	if (failed == 0)
		return;

	const dm::locked l(lock_);

	/* Nobody waits for the verdict, but such a leg may have lost anything. */
	(void)legs_.wrote(mirror::leg_error::flush, legs_.all(), failed,
			  log_health_ != mirror::log_health::alive, event_);
	flush_failed_ = true;
}

/* Has one failed, be it a user's? */
bool kmirror::flush_failed() noexcept
{
	const dm::locked l(lock_);

	return flush_failed_;
}

/*
 * Regions without writes are clean from now on, as soon as the legs say that they have
 * what was written. Writes that begin meanwhile wait for the log, which comes next.
 */
void kmirror::clean() noexcept
{
	const u64 now = kdm_ms();
	const u64 first = dirty_first_;
	const u64 end = dirty_end_;
	bool any = false;

	if (first >= end || stopped_ || flush_failed() || (now < clean_at_ && !clean_now_))
		return;
	clean_at_ = now + clean_ms;
	dirty_first_ = ~0ULL;
	dirty_end_ = 0;
	for (u64 region = log_.next_dirty(first, end); region < end;
	     region = log_.next_dirty(region + 1, end)) {
		const dm::locked l(lock_);

		if (!log_.in_sync(region))
			continue;
		if (writes_to(region) != 0) {
			has_dirty(region, region + 1);
		} else if (log_.clear(region)) {
			changed_.add(region);
			any = true;
		}
	}
	if (!any)
		return;
	flush_legs();
}

/*
 * Which regions a flush that failed was of is not known: none is clean. A user's may come
 * only after a later one of clean() has done well. Returns true if the log on disk is to be
 * written before somebody takes a region for marked there and writes.
 */
bool kmirror::mark_all_if_flush_failed() noexcept
{
	if (all_dirty_ || !flush_failed())
		return false;
	all_dirty_ = true;
	log_.mark_all();
	changed_.add_all(log_.size());
	dirtied_ = true;
	return true;
}

void kmirror::write_log() noexcept
{
	const u64 block = log_device_ ? u64{ log_device_.block_sectors() } * 512 : 512;
	mirror::log_health health = mirror::log_health::alive;
	u64 first = 0;
	u64 count = 0;
	bool failed = false;

	if (!log_device_ || stopped_ || !changed_.take(512, first, count))
		return;

	const u64 from = header_failed_ ? 0 : (log_bits_bytes + first) / block * block;
	const u64 to = (log_bits_bytes + first + count + block - 1) / block * block;

	if (io_.write(log_device_, from / 512, (to - from) / 512, log_memory_.bytes() + from) != 0)
		health = mirror::log_health::failed;
	else if (dirtied_ && io_.flush(log_device_) != 0)
		health = mirror::log_health::flush_failed;
	failed = health != mirror::log_health::alive;
	if (failed) {
		changed_.add(first, first + count);
	} else {
		dirtied_ = false;
		header_failed_ = false;
	}

	log_is(health);
}

void kmirror::log_is(mirror::log_health health) noexcept
{
	const bool was_well = log_health_ == mirror::log_health::alive;
	const bool is_well = health == mirror::log_health::alive;

	if (was_well && !is_well)
		target_.log("the log on %s cannot be written", log_device_.name());

	const dm::locked l(lock_);

	event_ |= was_well != is_well;
	log_health_ = health;
	if (was_well || !is_well)
		return;
	try_held_again();
	worker_.wake();
}

void kmirror::write(dm::bio b) noexcept
{
	per_bio &p = b.data<kmirror>();
	kdm_place places[mirror::max_legs];
	mirror::verdict v = mirror::verdict::good;
	u32 nr = 0;

	{
		const dm::locked l(lock_);
		const u64 region = region_of(p.sector);

		p.failed = 0;
		p.refused = 0;
		if (p.kind == bio_kind::write) {
			const bool in_sync = log_.in_sync(region);

			v = legs_.before_write(in_sync, log_health_ != mirror::log_health::alive,
					       header_failed_);
			p.legs = legs_.write_to(in_sync);
			if (v != mirror::verdict::good)
				writes_to(region)--;
		}
	}
	if (v != mirror::verdict::good) {
		refuse(b, v);
		return;
	}
	for (u32 i = 0; i < args_.nr_legs; i++) {
		if ((p.legs & 1U << i) != 0)
			places[nr++] = { leg_[i].get(), args_.legs[i].offset + p.sector };
	}
	io_.to_all(b, nr, places, p.written);
}

/* What is news for users; in the log of the kernel once, until it is better. */
void kmirror::tell() noexcept
{
	bool event = false;

	for (u32 i = 0; i < args_.nr_legs; i++) {
		char health = 'A';

		{
			const dm::locked l(lock_);

			health = legs_.health(i);
		}
		if (health != shown_[i] && health != 'A')
			target_.log("leg %u (%s) failed: its state is %c now", i, leg_[i].name(),
				    health);
		shown_[i] = health;
	}
	{
		const dm::locked l(lock_);

		event = event_;
		event_ = false;
	}
	if (event)
		worker_.event(target_);
}

/* ------------------------------------------------------------------------- */
/* Suspended, and not */

/* What is held comes again, if whoever suspends has no bios waited for; or it fails. */
void kmirror::let_go() noexcept
{
	dm::held_bios bios;

	{
		const dm::locked l(lock_);

		bios.take(held_);
	}
	while (const dm::bio b = bios.pop())
		refuse(b, mirror::verdict::hold);
}

void kmirror::presuspend() noexcept
{
	{
		const dm::locked l(lock_);

		suspending_ = true;
	}
	/* After the first round no copy begins, after the second nothing waits for one. */
	worker_.wake();
	worker_.flush();
	client_.cancel_all_sync();
	worker_.wake();
	worker_.flush();
	let_go();
}

void kmirror::postsuspend() noexcept
{
	clean_now_ = true;
	worker_.wake();
	worker_.flush();
	clean_now_ = false;
	stopped_ = true;
	worker_.flush();
}

int kmirror::read_log(u64 &nr_known) noexcept
{
	const u64 sectors = log_sectors();
	unsigned char *header = log_memory_.bytes();

	nr_known = 0;
	if (io_.read(log_device_, 0, sectors, header) != 0) {
		target_.log("the log on %s cannot be read: nothing is in sync", log_device_.name());
		log_health_ = mirror::log_health::failed;
		event_ = true;
		for (u64 i = 0; i < log_bits_bytes; i++)
			header[i] = 0;
		return 0;
	}
	switch (mirror::read_log_header(header, nr_known)) {
	case mirror::log_kind::newer:
		target_.log("the log on %s is of a version that is not known", log_device_.name());
		return -kcopyd::einval;
	case mirror::log_kind::foreign:
		target_.log("on %s there is something else than a log, which is to be zeroed",
			    log_device_.name());
		return -kcopyd::einval;
	default:
		return 0;
	}
}

int kmirror::preresume() noexcept
{
	u64 nr_known = 0;

	if (started_)
		return 0;
	if (log_device_) {
		if (const int r = read_log(nr_known))
			return r;
	}

	mirror::region_log log = log_;

	/* There are no bios yet, but perhaps somebody who reads the status. */
	log.resume(args_.contents, nr_known);
	{
		const dm::locked l(lock_);

		log_ = log;
		legs_ = mirror::legs(args_, log_.nr_in_sync() == log_.size());
	}
	if (log_device_) {
		const u64 sectors = log_sectors();

		/* What of it fails is tried again before the first write. */
		mirror::write_log_header(log_memory_.bytes(), log_.size());
		if (io_.write(log_device_, 0, sectors, log_memory_.bytes(), KDM_IO_FUA) != 0) {
			target_.log("the log on %s cannot be written", log_device_.name());
			log_health_ = mirror::log_health::failed;
			event_ = true;
			changed_.add_all(log_.size());
			header_failed_ = true;
			dirtied_ = true;
		} else {
			/* Whether it could be read before is of no account any more. */
			log_health_ = mirror::log_health::alive;
		}
	}
	started_ = true;
	return 0;
}

void kmirror::resume() noexcept
{
	{
		const dm::locked l(lock_);

		suspending_ = false;
		again_ = true;
	}
	stopped_ = false;
	worker_.wake();
}

constexpr kdm_ops kmirror_ops =
	dm::also_known_as(dm::ops_of<kmirror>("kmirror", 1, 0, 0), "mirror", 1, 14, 0);

} /* namespace */

const kdm_ops *const kdm_targets[] = { &kmirror_ops, nullptr };
