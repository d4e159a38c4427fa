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

using kcopyd::client;
using kcopyd::completion;
using kcopyd::flags;
using kcopyd::limits;
using kcopyd::may_fail;
using kcopyd::outcome;
using kcopyd::region;
using kcopyd::result;
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
	EXPECT(c.limit_by(empty) == -CPP_TEST_EINVAL);
	EXPECT(c.limit_by(slow) == 0);
	REQUIRE(c.copy(everything(test, 0), { everything(test, 1) }, done) == 0);
	cpp_test_sleep();
	EXPECT(done.pending());
	/* What is queued goes faster, too. */
	EXPECT(slow.set(none) == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(cpp_test_copied(test, 0, 1, 0, CPP_TEST_SECTORS));

	/* The client keeps the limits when their owner is gone. */
	EXPECT(slow.set(crawl) == 0);
	slow.reset();
	REQUIRE(c.copy(everything(test, 0), { everything(test, 2) }, done) == 0);
	cpp_test_sleep();
	EXPECT(done.pending());
	EXPECT(c.unlimit() == 0);
	EXPECT(cpp_test_wait(test));
	EXPECT(cpp_test_copied(test, 0, 2, 0, CPP_TEST_SECTORS));
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
