// SPDX-License-Identifier: GPL-2.0-only
/* KUnit test cases of kcopyd.hpp, written in C++; cpp_glue.c makes them a suite. */
#include "kcopyd.hpp"
#include "tests/kunit/cpp_test.h"

/* clang-format off */
#define EXPECT(condition) \
	expect(test, static_cast<bool>(condition), #condition, __LINE__)

/* Ends the test case where going on makes no sense. */
#define REQUIRE(condition) \
	do { \
		if (!EXPECT(condition)) \
			return; \
	} while (0)
/* clang-format on */

using kcopyd::bad_range;
using kcopyd::cancel_guard;
using kcopyd::client;
using kcopyd::completion;
using kcopyd::flags;
using kcopyd::limits;
using kcopyd::may_fail;
using kcopyd::member;
using kcopyd::outcome;
using kcopyd::prepared_callback;
using kcopyd::region;
using kcopyd::report;
using kcopyd::request;
using kcopyd::result;
using kcopyd::stats;
using kcopyd::throttle;

namespace
{

bool expect(kunit *test, bool ok, const char *what, int line)
{
	if (!ok)
		cpp_test_failed(test, what, __FILE__, line);
	return ok;
}

/* What needs no kernel is checked by the compiler. */
static_assert(outcome(0, 0).ok());
static_assert(!outcome(-CPP_TEST_EIO, 0).ok());
static_assert(!outcome(0, 4).ok());
static_assert(outcome(-CPP_TEST_EIO, 0).read_error() == -CPP_TEST_EIO);
static_assert(outcome(0, 4).write_errors() == 4);
static_assert(outcome(0, 4).write_failed(2) && !outcome(0, 4).write_failed(1));
static_assert(outcome(0, ~0U).write_failed(31) && !outcome(0, ~0U).write_failed(32));
static_assert(static_cast<unsigned int>(flags::ignore_error | flags::write_seq) == 6);
static_assert(region(nullptr, 3, 5).sector == 3 && region(nullptr, 3, 5).count == 5);

static_assert(!__is_constructible(client, const client &));
static_assert(!__is_constructible(throttle, const throttle &));
static_assert(!__is_constructible(completion<void (*)(const outcome &)>,
				  completion<void (*)(const outcome &)> &&));

constexpr unsigned int pages = 16;

/* Sectors of one of the test case's disks. */
region at(kunit *test, unsigned int disk, sector_t first, sector_t count)
{
	return { cpp_test_bdev(test, disk), first, count };
}

/* A client that the test case cannot do without. */
client must_create(kunit *test)
{
	result<client> made = client::create(pages);

	EXPECT(made.error() == 0);
	return made.take();
}

/* So slow that a copy of a whole disk does not end while anybody waits. */
constexpr limits crawl = { .ios_per_second = 1 };
constexpr limits none = {};

throttle must_create(kunit *test, const limits &most)
{
	result<throttle> made = throttle::create(most);

	EXPECT(made.error() == 0);
	return made.take();
}

/* All of a disk. */
region everything(kunit *test, unsigned int disk)
{
	return at(test, disk, 0, CPP_TEST_SECTORS);
}

} /* namespace */

CPP_TEST(create)
{
	result<client> made = client::create(pages);

	EXPECT(made);
	EXPECT(made.error() == 0);

	client c = made.take();

	EXPECT(c);
	EXPECT(c.get() != nullptr);
}

CPP_TEST(create_fails)
{
	result<client> made = client::create(0);

	EXPECT(!made);
	EXPECT(made.error() == -CPP_TEST_EINVAL);
	EXPECT(!made.take());
}

CPP_TEST(move)
{
	client a = must_create(test);
	kcopyd_client *raw = a.get();
	client b(static_cast<client &&>(a));

	EXPECT(!a);
	EXPECT(b.get() == raw);

	client c(b.release());

	EXPECT(!b);
	EXPECT(c.get() == raw);
}

CPP_TEST(move_assign)
{
	client a = must_create(test);
	client b = must_create(test);
	kcopyd_client *raw = b.get();
	client &same = a;

	a = static_cast<client &&>(b);
	EXPECT(!b);
	EXPECT(a.get() == raw);

	a = static_cast<client &&>(same);
	EXPECT(a.get() == raw);

	a.reset();
	EXPECT(!a);
	a.reset();
}

CPP_TEST(rejected)
{
	unsigned int calls = 0;
	completion done([&calls](const outcome &) { calls++; });
	const region nowhere(nullptr, 0, 8);

	{
		client empty;

		EXPECT(empty.copy(nowhere, { nowhere }, done) == -CPP_TEST_EINVAL);
		EXPECT(empty.zero({ nowhere }, done) == -CPP_TEST_EINVAL);
		EXPECT(empty.flush() == -CPP_TEST_EINVAL);
		EXPECT(empty.cancel(done) == -CPP_TEST_EINVAL);
		EXPECT(empty.cancel_sync(done) == -CPP_TEST_EINVAL);
		EXPECT(empty.cancel_all() == -CPP_TEST_EINVAL);
		EXPECT(empty.cancel_all_sync() == -CPP_TEST_EINVAL);
		EXPECT(empty.unlimit() == -CPP_TEST_EINVAL);
		EXPECT(!done.pending());
	}
	{
		client c = must_create(test);
		const region from = at(test, 0, 0, 8);

		EXPECT(c.copy(nowhere, { nowhere }, done) == -CPP_TEST_EINVAL);
		EXPECT(c.copy(from, { nowhere }, done) == -CPP_TEST_EINVAL);
		EXPECT(c.copy(from, 0, nullptr, flags::none, done) == -CPP_TEST_EINVAL);
		EXPECT(c.zero({ nowhere }, done) == -CPP_TEST_EINVAL);
		EXPECT(c.zero(0, nullptr, flags::none, done) == -CPP_TEST_EINVAL);
		EXPECT(c.copy(from, { at(test, 1, 0, 8) }, static_cast<flags>(1U << 31), done) ==
		       -CPP_TEST_EINVAL);
		EXPECT(!done.pending());
	}
	EXPECT(calls == 0);
}

CPP_TEST(copies)
{
	unsigned int calls = 0;
	bool ok = false;
	completion done([&, test](const outcome &o) {
		calls++;
		ok = o.ok();
		cpp_test_signal(test);
	});
	client c = must_create(test);

	EXPECT(!cpp_test_copied(test, 0, 1, 8, 1000));
	REQUIRE(c.copy(at(test, 0, 8, 1000), { at(test, 1, 8, 1000) }, done) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(calls == 1);
	EXPECT(ok);
	EXPECT(!done.pending());
	EXPECT(cpp_test_copied(test, 0, 1, 8, 1000));
	EXPECT(!cpp_test_copied(test, 0, 1, 0, 8));
	EXPECT(!cpp_test_copied(test, 0, 1, 1008, 8));
}

CPP_TEST(empty_range)
{
	unsigned int calls = 0;
	completion done([&, test](const outcome &o) {
		EXPECT(o.ok());
		calls++;
		cpp_test_signal(test);
	});
	client c = must_create(test);

	REQUIRE(c.copy(at(test, 0, 0, 0), { at(test, 1, 0, 0) }, done) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(calls == 1);
}

CPP_TEST(two_destinations)
{
	completion done([test](const outcome &o) {
		EXPECT(o.ok());
		cpp_test_signal(test);
	});
	client c = must_create(test);

	REQUIRE(c.copy(at(test, 0, 0, CPP_TEST_SECTORS),
		       { at(test, 1, 0, CPP_TEST_SECTORS), at(test, 2, 0, CPP_TEST_SECTORS) },
		       flags::ignore_error | flags::write_seq, done) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(cpp_test_copied(test, 0, 1, 0, CPP_TEST_SECTORS));
	EXPECT(cpp_test_copied(test, 0, 2, 0, CPP_TEST_SECTORS));
}

namespace
{

/* Copies piece after piece, each submitted by the callback of the last. */
class chain {
public:
	chain(kunit *test, client &c) noexcept : test(test), c(c) {}

	void next() noexcept
	{
		const sector_t sector = pieces++ * piece;
		const int err =
			c.copy(at(test, 0, sector, piece), { at(test, 1, sector, piece) }, done);

		if (!EXPECT(err == 0))
			cpp_test_signal(test);
	}

	static constexpr sector_t piece = 64;
	sector_t pieces = 0;

private:
	struct again {
		chain &self;

		void operator()(const outcome &o) noexcept
		{
			kunit *test = self.test;

			EXPECT(o.ok());
			EXPECT(!self.done.pending());
			if (self.pieces < 10)
				self.next();
			else
				cpp_test_signal(test);
		}
	};

	kunit *test;
	client &c;
	completion<again> done{ again{ *this } };
};

} /* namespace */

CPP_TEST(again_in_callback)
{
	client c = must_create(test);
	chain all(test, c);

	all.next();
	EXPECT(cpp_test_wait(test));
	EXPECT(all.pieces == 10);
	EXPECT(cpp_test_copied(test, 0, 1, 0, 10 * chain::piece));
	EXPECT(!cpp_test_copied(test, 0, 1, 10 * chain::piece, 8));
}

CPP_TEST(busy)
{
	unsigned int calls = 0;
	completion done([&, test](const outcome &) {
		calls++;
		cpp_test_signal(test);
	});
	client c = must_create(test);
	const region from = at(test, 0, 0, 8);
	const region to = at(test, 1, 0, 8);

	cpp_test_hold(test, 0);
	REQUIRE(c.copy(from, { to }, done) == 0);
	EXPECT(done.pending());
	EXPECT(c.copy(from, { to }, done) == -CPP_TEST_EBUSY);
	EXPECT(c.zero({ to }, done) == -CPP_TEST_EBUSY);
	EXPECT(done.pending());
	cpp_test_let_go(test, 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(calls == 1);
}

CPP_TEST(read_error)
{
	completion done([test](const outcome &o) {
		EXPECT(!o.ok());
		EXPECT(o.read_error() == -CPP_TEST_EIO);
		EXPECT(o.write_errors() == 0);
		cpp_test_signal(test);
	});
	client c = must_create(test);

	cpp_test_fail(test, 0, 0, 20);
	REQUIRE(c.copy(at(test, 0, 0, 64), { at(test, 1, 0, 64) }, flags::ignore_error, done) == 0);
	EXPECT(cpp_test_wait(test));
}

CPP_TEST(write_error)
{
	completion done([test](const outcome &o) {
		EXPECT(!o.ok());
		EXPECT(o.read_error() == 0);
		EXPECT(!o.write_failed(0));
		EXPECT(o.write_failed(1));
		EXPECT(o.write_errors() == 2);
		cpp_test_signal(test);
	});
	client c = must_create(test);

	cpp_test_fail(test, 2, 1, 20);
	REQUIRE(c.copy(at(test, 0, 0, 64), { at(test, 1, 0, 64), at(test, 2, 0, 64) },
		       flags::ignore_error, done) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(cpp_test_copied(test, 0, 1, 0, 64));
}

CPP_TEST(destructor_waits)
{
	unsigned int calls = 0;
	/* Outlives the client, whose destruction waits for the copy. */
	completion done([&](const outcome &o) {
		EXPECT(o.ok());
		calls++;
	});

	{
		client c = must_create(test);

		REQUIRE(c.copy(at(test, 0, 0, CPP_TEST_SECTORS),
			       { at(test, 1, 0, CPP_TEST_SECTORS) }, done) == 0);
	}
	EXPECT(calls == 1);
	EXPECT(!done.pending());
	EXPECT(cpp_test_copied(test, 0, 1, 0, CPP_TEST_SECTORS));
}

CPP_TEST(destroyed_in_callback)
{
	client c = must_create(test);
	completion done([&, test](const outcome &o) {
		EXPECT(o.ok());
		c.reset();
		EXPECT(!c);
		cpp_test_signal(test);
	});

	REQUIRE(c.copy(at(test, 0, 0, 8), { at(test, 1, 0, 8) }, done) == 0);
	EXPECT(cpp_test_wait(test));
}

CPP_TEST(zeroes)
{
	unsigned int calls = 0;
	completion done([&, test](const outcome &o) {
		EXPECT(o.ok());
		calls++;
		cpp_test_signal(test);
	});
	client c = must_create(test);

	REQUIRE(c.zero({ at(test, 0, 8, 1000) }, done) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(!done.pending());
	EXPECT(cpp_test_zeroed(test, 0, 8, 1000));
	EXPECT(cpp_test_copied(test, 0, 0, 0, 8));
	EXPECT(cpp_test_copied(test, 0, 0, 1008, 8));

	REQUIRE(c.zero({ at(test, 1, 0, 64), at(test, 2, 64, 64) }, flags::write_seq, done) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(cpp_test_zeroed(test, 1, 0, 64));
	EXPECT(cpp_test_zeroed(test, 2, 64, 64));
	EXPECT(calls == 2);
}

CPP_TEST(zero_error)
{
	completion done([test](const outcome &o) {
		EXPECT(o.read_error() == 0);
		EXPECT(o.write_errors() == 2);
		cpp_test_signal(test);
	});
	client c = must_create(test);

	cpp_test_fail(test, 2, 1, 20);
	REQUIRE(c.zero({ at(test, 1, 0, 64), at(test, 2, 0, 64) }, flags::ignore_error, done) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(cpp_test_zeroed(test, 1, 0, 64));
}

CPP_TEST(flush)
{
	bool returned = false;
	client c = must_create(test);
	completion done([&, test](const outcome &) {
		/* It would wait for itself. */
		EXPECT(c.flush() == -CPP_TEST_EDEADLK);
		cpp_test_signal(test);
		cpp_test_sleep();
		returned = true;
	});

	EXPECT(c.flush() == 0);
	REQUIRE(c.copy(at(test, 0, 0, 8), { at(test, 1, 0, 8) }, done) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(c.flush() == 0);
	EXPECT(returned);
}

CPP_TEST(cancel)
{
	unsigned int calls = 0;
	int err = 0;
	completion done([&, test](const outcome &o) {
		calls++;
		err = o.read_error();
		cpp_test_signal(test);
	});
	completion other([test](const outcome &o) {
		EXPECT(o.ok());
		cpp_test_signal(test);
	});
	client c = must_create(test);

	EXPECT(c.cancel(done) == 0);
	cpp_test_hold(test, 0);
	REQUIRE(c.copy(at(test, 0, 0, 512), { at(test, 1, 0, 512) }, done) == 0);
	REQUIRE(c.copy(at(test, 2, 512, 8), { at(test, 1, 512, 8) }, other) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(c.cancel(done) == 1);
	/* Once is enough. */
	EXPECT(c.cancel(done) == 0);
	cpp_test_let_go(test, 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(calls == 1);
	EXPECT(err == -CPP_TEST_ECANCELED);
	EXPECT(!done.pending());
	EXPECT(c.cancel(done) == 0);
}

CPP_TEST(cancel_sync)
{
	throttle slow = must_create(test, crawl);
	client c = must_create(test);
	int err = 0;

	EXPECT(c.limit_by(slow) == 0);
	{
		completion other([](const outcome &) {});
		completion done([&, test](const outcome &o) {
			EXPECT(c.cancel_sync(other) == -CPP_TEST_EDEADLK);
			EXPECT(c.cancel_all_sync() == -CPP_TEST_EDEADLK);
			err = o.read_error();
		});

		REQUIRE(c.copy(everything(test, 0), { everything(test, 1) }, done) == 0);
		EXPECT(c.cancel_sync(done) == 1);
		EXPECT(!done.pending());
		EXPECT(c.cancel_sync(done) == 0);
	}
	EXPECT(err == -CPP_TEST_ECANCELED);
}

CPP_TEST(cancel_all)
{
	unsigned int cancelled = 0;
	const auto count = [&](const outcome &o) {
		cancelled += o.read_error() == -CPP_TEST_ECANCELED;
	};
	completion copy(count);
	completion zero(count);
	throttle slow = must_create(test, crawl);
	client c = must_create(test);

	EXPECT(c.limit_by(slow) == 0);
	cpp_test_hold(test, 2);
	REQUIRE(c.copy(everything(test, 0), { everything(test, 1) }, copy) == 0);
	REQUIRE(c.zero({ everything(test, 2) }, zero) == 0);
	EXPECT(c.cancel_all() == 2);
	cpp_test_let_go(test, 2);
	EXPECT(c.cancel_all_sync() == 0);
	EXPECT(cancelled == 2);

	REQUIRE(c.copy(everything(test, 0), { everything(test, 1) }, copy) == 0);
	EXPECT(c.cancel_all_sync() == 1);
	EXPECT(cancelled == 3);
}

CPP_TEST(throttle_owned)
{
	result<throttle> made = throttle::create({ .percent = 101 });

	EXPECT(made.error() == -CPP_TEST_EINVAL);
	EXPECT(!made.take());

	throttle a = must_create(test, crawl);
	throttle b = must_create(test, none);
	kcopyd_throttle *raw = a.get();
	throttle c(static_cast<throttle &&>(a));
	throttle &same = c;

	EXPECT(!a);
	EXPECT(c.get() == raw);
	b = static_cast<throttle &&>(c);
	EXPECT(!c);
	EXPECT(b.get() == raw);
	c = throttle(b.release());
	c = static_cast<throttle &&>(same);
	EXPECT(c.get() == raw);
	c.reset();
	EXPECT(!c);
	c.reset();
}

CPP_TEST(limited)
{
	completion done([test](const outcome &o) {
		EXPECT(o.ok());
		cpp_test_signal(test);
	});
	throttle slow = must_create(test, crawl);
	throttle empty;
	client c = must_create(test);

	EXPECT(empty.set(none) == -CPP_TEST_EINVAL);
	EXPECT(empty.suspend() == -CPP_TEST_EINVAL);
	EXPECT(empty.resume() == -CPP_TEST_EINVAL);
	EXPECT(c.limit_by(empty) == -CPP_TEST_EINVAL);
	EXPECT(c.limit_by(slow) == 0);
	REQUIRE(c.copy(everything(test, 0), { everything(test, 1) }, done) == 0);
	cpp_test_sleep();
	EXPECT(done.pending());
	/* What is queued goes faster, too. */
	EXPECT(slow.set(none) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(cpp_test_copied(test, 0, 1, 0, CPP_TEST_SECTORS));

	/* Nor is it slow while there are limits that are suspended. */
	EXPECT(slow.suspend() == 0);
	EXPECT(slow.set(crawl) == 0);
	REQUIRE(c.copy(everything(test, 0), { everything(test, 2) }, done) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(cpp_test_copied(test, 0, 2, 0, CPP_TEST_SECTORS));

	/* The client keeps the limits when their owner is gone. */
	EXPECT(slow.resume() == 0);
	EXPECT(slow.get_limits().ios_per_second == crawl.ios_per_second);
	EXPECT(empty.get_limits().ios_per_second == 0);
	slow.reset();
	REQUIRE(c.copy(everything(test, 0), { everything(test, 1) }, done) == 0);
	cpp_test_sleep();
	EXPECT(done.pending());
	EXPECT(c.unlimit() == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(cpp_test_copied(test, 0, 1, 0, CPP_TEST_SECTORS));
}

CPP_TEST(request_copies)
{
	unsigned int calls = 0;
	request r([&, test](const report &what) {
		EXPECT(what.ok());
		EXPECT(what.begin() == what.end());
		EXPECT(what.details().bytes_read == 1000ULL * 512);
		EXPECT(what.details().bytes_written == 2000ULL * 512);
		EXPECT(what.details().started >= what.details().submitted);
		calls++;
		cpp_test_signal(test);
	});
	client c = must_create(test);

	REQUIRE(r.reserve(2) == 0);
	REQUIRE(c.submit(r, at(test, 0, 8, 1000), { at(test, 1, 8, 1000), at(test, 2, 8, 1000) },
			 { .how = flags::flush }) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(calls == 1);
	EXPECT(!r.pending());
	EXPECT(cpp_test_copied(test, 0, 1, 8, 1000));
	EXPECT(cpp_test_copied(test, 0, 2, 8, 1000));
	EXPECT(!cpp_test_copied(test, 0, 1, 1008, 8));
}

CPP_TEST(request_zeroes)
{
	/* An outcome will do. */
	request r([test](const outcome &o) {
		EXPECT(o.ok());
		cpp_test_signal(test);
	});
	client c = must_create(test);

	REQUIRE(r.reserve(1) == 0);
	REQUIRE(c.submit_zero(r, { at(test, 0, 8, 64) }) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(cpp_test_zeroed(test, 0, 8, 64));
	EXPECT(cpp_test_copied(test, 0, 0, 72, 8));
}

CPP_TEST(request_rejected)
{
	unsigned int calls = 0;
	request r([&](const report &) { calls++; });
	const region from = at(test, 0, 0, 8);
	const region to = at(test, 1, 0, 8);
	client empty;
	client c = must_create(test);

	EXPECT(r.cancel() == 0);
	EXPECT(r.cancel_sync() == 0);
	EXPECT(c.submit(r, from, { to }) == -CPP_TEST_ENOMEM);
	EXPECT(r.reserve(0) == -CPP_TEST_EINVAL);
	EXPECT(r.reserve(33) == -CPP_TEST_EINVAL);
	REQUIRE(r.reserve(1) == 0);
	EXPECT(c.submit(r, from, { to, at(test, 2, 0, 8) }) == -CPP_TEST_ENOMEM);
	EXPECT(c.submit(r, from, 33, &to) == -CPP_TEST_EINVAL);
	EXPECT(c.submit(r, from, 0, nullptr) == -CPP_TEST_EINVAL);
	EXPECT(c.submit(r, from, { at(test, 1, 0, 16) }) == -CPP_TEST_EINVAL);
	EXPECT(c.submit(r, from, { to }, { .max_bad = 1 }) == -CPP_TEST_EINVAL);
	EXPECT(c.submit_zero(r, { to }, { .how = flags::verify }) == -CPP_TEST_EINVAL);
	EXPECT(empty.submit(r, from, { to }) == -CPP_TEST_EINVAL);
	EXPECT(!r.pending());
	EXPECT(r.cancel() == 0);
	EXPECT(calls == 0);
}

CPP_TEST(request_busy)
{
	request r([test](const report &) { cpp_test_signal(test); });
	const region to = at(test, 1, 0, 8);
	client c = must_create(test);

	REQUIRE(r.reserve(1) == 0);
	cpp_test_hold(test, 0);
	REQUIRE(c.submit(r, at(test, 0, 0, 8), { to }) == 0);
	EXPECT(r.pending());
	EXPECT(c.submit(r, at(test, 0, 0, 8), { to }) == -CPP_TEST_EBUSY);
	EXPECT(c.submit_zero(r, { to }) == -CPP_TEST_EBUSY);
	EXPECT(r.reserve(2) == -CPP_TEST_EBUSY);
	EXPECT(r.pending());
	cpp_test_let_go(test, 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(r.reserve(2) == 0);
}

CPP_TEST(request_differs)
{
	request r([test](const report &what) {
		EXPECT(what.write_errors() == 2);
		EXPECT(what.mismatch(1) && !what.mismatch(0) && !what.mismatch(32));
		EXPECT(!what.unsupported(1) && !what.unsupported(32));
		EXPECT(what.details().failed_count != 0);
		cpp_test_signal(test);
	});
	client c = must_create(test);

	REQUIRE(r.reserve(2) == 0);
	cpp_test_rot(test, 2, 20);
	REQUIRE(c.submit(r, at(test, 0, 0, 64), { at(test, 1, 0, 64), at(test, 2, 0, 64) },
			 { .how = flags::verify }) == 0);
	EXPECT(cpp_test_wait(test));
}

CPP_TEST(request_bad_ranges)
{
	bad_range bad[4];
	unsigned int found = 0;
	request r([&, test](const report &what) {
		EXPECT(what.read_error() == -CPP_TEST_EIO);
		for (const bad_range &b : what) {
			EXPECT(b.sector == (found != 0 ? 40 : 20) && b.count == 1);
			found++;
		}
		EXPECT(what.details().bytes_skipped == 1024);
		cpp_test_signal(test);
	});
	client c = must_create(test);

	REQUIRE(r.reserve(1) == 0);
	cpp_test_fail(test, 0, 0, 20);
	cpp_test_fail(test, 0, 0, 40);
	REQUIRE(c.submit(r, at(test, 0, 0, 64), { at(test, 1, 0, 64) },
			 { .how = flags::salvage, .bad = bad, .max_bad = 4 }) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(found == 2);
	EXPECT(cpp_test_copied(test, 0, 1, 0, 20));
	EXPECT(cpp_test_copied(test, 0, 1, 21, 19));
	EXPECT(cpp_test_copied(test, 0, 1, 41, 23));
}

CPP_TEST(request_progress)
{
	sector_t last = 0;
	unsigned int told = 0;
	bool ended = false;
	request r(
		[&, test](const report &) {
			ended = true;
			cpp_test_signal(test);
		},
		[&, test](sector_t done) {
			EXPECT(!ended);
			EXPECT(done > last && done <= CPP_TEST_SECTORS);
			last = done;
			told++;
		});
	client c = must_create(test);

	REQUIRE(r.reserve(1) == 0);
	REQUIRE(c.submit(r, everything(test, 0), { everything(test, 1) },
			 { .progress_sectors = 64 }) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(told > 0);
}

namespace
{

/* As class chain, of requests; what is called is a member function. */
class request_chain {
public:
	request_chain(kunit *test, client &c) noexcept : test(test), c(c) {}

	[[nodiscard]] int start() noexcept
	{
		const int err = r.reserve(1);

		return err != 0 ? err : next();
	}

	static constexpr sector_t piece = 64;
	sector_t pieces = 0;

private:
	[[nodiscard]] int next() noexcept
	{
		const sector_t sector = pieces++ * piece;

		return c.submit(r, at(test, 0, sector, piece), { at(test, 1, sector, piece) });
	}

	void copied(const report &what) noexcept
	{
		EXPECT(what.ok());
		if (pieces == 10 || !EXPECT(next() == 0))
			cpp_test_signal(test);
	}

	struct end {
		request_chain &self;

		void operator()(const report &what) const noexcept { self.copied(what); }
	};

	kunit *test;
	client &c;
	request<end> r{ end{ *this } };
};

} /* namespace */

CPP_TEST(request_again)
{
	client c = must_create(test);
	request_chain all(test, c);

	REQUIRE(all.start() == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(all.pieces == 10);
	EXPECT(cpp_test_copied(test, 0, 1, 0, 10 * request_chain::piece));
	/* Its last callable may not have returned yet. */
	EXPECT(c.flush() == 0);
}

CPP_TEST(request_cancel)
{
	int err = 0;
	kcopyd::request_base *self = nullptr;
	request r([&, test](const report &what) {
		EXPECT(self->cancel_sync() == -CPP_TEST_EDEADLK);
		err = what.read_error();
		cpp_test_signal(test);
	});
	client c = must_create(test);

	self = &r;
	REQUIRE(r.reserve(1) == 0);
	cpp_test_hold(test, 0);
	REQUIRE(c.submit(r, at(test, 0, 0, 512), { at(test, 1, 0, 512) }) == 0);
	EXPECT(r.cancel() == 1);
	EXPECT(r.cancel() == 0);
	cpp_test_let_go(test, 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(err == -CPP_TEST_ECANCELED);
	EXPECT(c.flush() == 0);
	EXPECT(r.cancel_sync() == 0);
}

/* What is rejected leaves alone what its callable looks at, and that it has not returned. */
CPP_TEST(request_rejected_again)
{
	kcopyd::request_base *self = nullptr;
	client c = must_create(test);
	bad_range bad[1];
	request r([&, test](const report &what) {
		const region past = at(test, 1, 1U << 30, 8);
		const auto read = what.details().bytes_read;

		EXPECT(read == 4096);
		EXPECT(c.submit(*self, at(test, 0, 0, 8), { past }) == -CPP_TEST_ERANGE);
		EXPECT(what.details().bytes_read == read);
		EXPECT(what.begin() == bad);
		EXPECT(self->cancel_sync() == -CPP_TEST_EDEADLK);
		cpp_test_signal(test);
	});

	self = &r;
	REQUIRE(r.reserve(1) == 0);
	REQUIRE(c.submit(r, at(test, 0, 0, 8), { at(test, 1, 0, 8) },
			 { .how = flags::salvage, .bad = bad, .max_bad = 1 }) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(r.cancel_sync() == 0);
}

CPP_TEST(guards)
{
	int err[2] = {};
	throttle slow = must_create(test, crawl);
	client c = must_create(test);

	EXPECT(c.limit_by(slow) == 0);
	{
		completion done([&](const outcome &o) { err[0] = o.read_error(); });
		request r([&](const report &what) { err[1] = what.read_error(); });
		cancel_guard guard_copy(c, done);
		cancel_guard guard_request(r);

		REQUIRE(r.reserve(1) == 0);
		REQUIRE(c.copy(everything(test, 0), { everything(test, 1) }, done) == 0);
		REQUIRE(c.submit(r, everything(test, 0), { everything(test, 2) }) == 0);
	}
	EXPECT(err[0] == -CPP_TEST_ECANCELED);
	EXPECT(err[1] == -CPP_TEST_ECANCELED);
}

namespace
{

class listener {
public:
	explicit listener(kunit *test) noexcept : test(test) {}

	void told(const outcome &o) noexcept
	{
		heard = o.read_error();
		cpp_test_signal(test);
	}

	int heard = 0;

private:
	kunit *test;
};

} /* namespace */

CPP_TEST(prepared)
{
	listener l(test);
	completion done(member<&listener::told>(l));
	client empty;
	client c = must_create(test);

	EXPECT(empty.prepare(done).error() == -CPP_TEST_EINVAL);
	EXPECT(!done.pending());

	result<prepared_callback> made = c.prepare(done);

	REQUIRE(made);
	EXPECT(done.pending());
	EXPECT(c.prepare(done).error() == -CPP_TEST_EBUSY);

	prepared_callback first = made.take();
	prepared_callback then(static_cast<prepared_callback &&>(first));

	EXPECT(!first);
	first = static_cast<prepared_callback &&>(then);
	EXPECT(!then);
	EXPECT(first);
	EXPECT(c.flush() == 0);
	EXPECT(l.heard == 0);
	first.fire(outcome(-CPP_TEST_EIO, 0));
	EXPECT(!first);
	EXPECT(cpp_test_wait(test));
	EXPECT(l.heard == -CPP_TEST_EIO);
	EXPECT(!done.pending());
}

CPP_TEST(tuned)
{
	client empty;
	client c = must_create(test);

	EXPECT(empty.resize(8) == -CPP_TEST_EINVAL);
	EXPECT(empty.set_part_size(64) == -CPP_TEST_EINVAL);
	EXPECT(c.resize(2 * pages) == 0);
	EXPECT(c.resize(0) == -CPP_TEST_EINVAL);
	EXPECT(c.set_part_size(16) == 0);
	EXPECT(c.get_stats().pages == 2 * pages);
	EXPECT(c.get_stats().part_kb == 16);
}

CPP_TEST(counted)
{
	completion done([test](const outcome &) { cpp_test_signal(test); });
	result<client> made = client::create("counted", pages);

	EXPECT(client().get_stats().pages == 0);
	REQUIRE(made);

	client c = made.take();

	REQUIRE(c.copy(at(test, 0, 0, 64), { at(test, 1, 0, 64) }, done) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(c.flush() == 0);

	const stats s = c.get_stats();

	EXPECT(s.name[0] == 'c' && s.name[6] == 'd' && s.name[7] == 0);
	EXPECT(s.copies == 1 && s.copies_done == 1);
	EXPECT(s.sectors_read == 64 && s.sectors_written == 64);
	EXPECT(client::create("a name that is longer than there is room for", pages).error() ==
	       -CPP_TEST_EINVAL);
}

namespace
{

/* Lives on the heap until its copy has ended. */
class on_heap {
public:
	on_heap(kunit *test, client &c, bool &gone) noexcept : test(test), c(c), gone(gone) {}
	~on_heap() { gone = true; }
	on_heap(const on_heap &) = delete;
	on_heap &operator=(const on_heap &) = delete;

	[[nodiscard]] int start() noexcept
	{
		return c.copy(at(test, 0, 0, 64), { at(test, 1, 0, 64) }, done);
	}

private:
	struct end {
		on_heap *self;

		void operator()(const outcome &o) const noexcept
		{
			kunit *test = self->test;

			EXPECT(o.ok());
			delete self;
			cpp_test_signal(test);
		}
	};

	kunit *test;
	client &c;
	bool &gone;
	completion<end> done{ end{ this } };
};

} /* namespace */

CPP_TEST(heap)
{
	client c = must_create(test);
	bool gone = false;
	auto *copy = new (may_fail) on_heap(test, c, gone);

	REQUIRE(copy);
	EXPECT(!gone);
	if (!EXPECT(copy->start() == 0)) {
		delete copy;
		return;
	}
	EXPECT(cpp_test_wait(test));
	EXPECT(gone);
}

namespace
{

class animal {
public:
	virtual ~animal() = default;
	[[nodiscard]] virtual int legs() const noexcept = 0;
};

class spider final : public animal {
public:
	explicit spider(bool &gone) noexcept : gone(gone) {}
	~spider() override { gone = true; }
	[[nodiscard]] int legs() const noexcept override { return 8; }

private:
	bool &gone;
};

} /* namespace */

CPP_TEST(virtual_functions)
{
	bool gone = false;
	animal *pet = new (may_fail) spider(gone);

	REQUIRE(pet);
	EXPECT(pet->legs() == 8);
	delete pet;
	EXPECT(gone);
}
