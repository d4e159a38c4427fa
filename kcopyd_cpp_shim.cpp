// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wraps the core for C++: the bodies of kcopyd.hpp that are no templates, and
 * what a C++ compiler expects of a runtime library.
 *
 * Part of the one C++ object of each module that uses kcopyd.hpp, not of
 * kcopyd.ko: compat/cxx.mk includes it ahead of the object's own source.
 */
#include "kcopyd.hpp"
#if __SIZEOF_POINTER__ == 4
#include "compat/divide.hpp"
#endif

/* A second C++ object in the module shows as a second definition of this. */
extern const char kcopyd_a_module_has_one_cpp_object;
const char kcopyd_a_module_has_one_cpp_object = 0;

namespace kcopyd
{

completion_base::~completion_base()
{
	KCOPYD_CPP_ASSERT(!pending());
}

int request_base::reserve(unsigned int max_dests) noexcept
{
	if (pending())
		return -ebusy;
	if (max_dests == 0 || max_dests > KCOPYD_MAX_DESTS)
		return -einval;
	if (max_dests <= max_dests_)
		return 0;

	const unsigned long size = kcopyd_request_size(max_dests);
	void *memory = kcopyd_cpp_alloc(size);

	if (!memory)
		return -enomem;
	__builtin_memset(memory, 0, size);
	kcopyd_cpp_free(r_);
	r_ = static_cast<kcopyd_request *>(memory);
	max_dests_ = max_dests;
	submitted_ = false;
	return 0;
}

request_base::~request_base()
{
	KCOPYD_CPP_ASSERT(!pending());
	kcopyd_cpp_free(r_);
}

int request_base::cancel() noexcept
{
	return submitted() && pending() ? kcopyd_request_cancel(r_) : 0;
}

int request_base::cancel_sync() noexcept
{
	return submitted() ? kcopyd_request_cancel_sync(r_) : 0;
}

prepared_callback &prepared_callback::operator=(prepared_callback &&other) noexcept
{
	if (this != &other) {
		KCOPYD_CPP_ASSERT(!job_);
		job_ = other.release();
	}
	return *this;
}

prepared_callback::~prepared_callback()
{
	KCOPYD_CPP_ASSERT(!job_);
}

void prepared_callback::fire(const outcome &how) noexcept
{
	KCOPYD_CPP_ASSERT(job_);
	if (job_)
		kcopyd_do_callback(release(), how.read_error(), how.write_errors());
}

cancel_guard::~cancel_guard()
{
	const int r = request_ ? request_->cancel_sync() : client_->cancel_sync(*done_);

	KCOPYD_CPP_ASSERT(r >= 0);
}

result<client> client::create(unsigned int num_pages) noexcept
{
	return create(nullptr, num_pages);
}

result<client> client::create(const char *name, unsigned int num_pages) noexcept
{
	kcopyd_client *kc = nullptr;
	const int err = name ? kcopyd_client_create_named(name, num_pages, &kc) :
			       kcopyd_client_create(num_pages, &kc);

	if (err)
		return result<client>(err);
	return result<client>(client(kc));
}

int client::resize(unsigned int num_pages) noexcept
{
	return kcopyd_client_resize(kc_, num_pages);
}

int client::set_part_size(unsigned int kib) noexcept
{
	return kcopyd_client_set_part_size(kc_, kib);
}

stats client::get_stats() const noexcept
{
	stats s{};

	if (kc_)
		kcopyd_client_get_stats(kc_, &s);
	return s;
}

client &client::operator=(client &&other) noexcept
{
	if (this != &other) {
		reset();
		kc_ = other.release();
	}
	return *this;
}

void client::reset() noexcept
{
	/* Callables that come meanwhile find it, and are told that it ends. */
	kcopyd_client_destroy(kc_);
	kc_ = nullptr;
}

result<prepared_callback> client::prepare(completion_base &done) noexcept
{
	if (!done.take())
		return result<prepared_callback>(-ebusy);

	kcopyd_job *job = nullptr;
	const int err = kcopyd_prepare_callback(kc_, done.notify_, &done, &job);

	if (err) {
		done.fired();
		return result<prepared_callback>(err);
	}
	return result<prepared_callback>(prepared_callback(job));
}

int client::flush() noexcept
{
	return kcopyd_client_flush(kc_);
}

int client::cancel(completion_base &done) noexcept
{
	return kcopyd_cancel(kc_, done.notify_, &done);
}

int client::cancel_sync(completion_base &done) noexcept
{
	return kcopyd_cancel_sync(kc_, done.notify_, &done);
}

int client::cancel_all() noexcept
{
	return kcopyd_client_cancel(kc_);
}

int client::cancel_all_sync() noexcept
{
	return kcopyd_client_cancel_sync(kc_);
}

int client::limit_by(const throttle &by) noexcept
{
	return by ? kcopyd_client_throttle(kc_, by.get()) : -einval;
}

int client::unlimit() noexcept
{
	return kcopyd_client_throttle(kc_, nullptr);
}

static kcopyd_limits in_c(const limits &most) noexcept
{
	return { most.bytes_per_second, most.ios_per_second, most.percent };
}

result<throttle> throttle::create(const limits &most) noexcept
{
	const kcopyd_limits c = in_c(most);
	kcopyd_throttle *t = nullptr;
	const int err = kcopyd_throttle_create(&c, &t);

	if (err)
		return result<throttle>(err);
	return result<throttle>(throttle(t));
}

throttle &throttle::operator=(throttle &&other) noexcept
{
	if (this != &other) {
		reset();
		t_ = other.release();
	}
	return *this;
}

int throttle::set(const limits &most) noexcept
{
	const kcopyd_limits c = in_c(most);

	return kcopyd_throttle_set(t_, &c);
}

int throttle::suspend() noexcept
{
	return kcopyd_throttle_suspend(t_);
}

int throttle::resume() noexcept
{
	return kcopyd_throttle_resume(t_);
}

limits throttle::get_limits() const noexcept
{
	kcopyd_limits c{};

	if (t_)
		kcopyd_throttle_get_limits(t_, &c);
	return { c.bytes_per_second, c.ios_per_second, c.percent };
}

void throttle::reset() noexcept
{
	kcopyd_throttle_destroy(release());
}

} /* namespace kcopyd */

void *operator new(kcopyd::size_t size, const kcopyd::may_fail_t &) noexcept
{
	return kcopyd_cpp_alloc(size);
}

/* No operator new of the same form: it could not fail. */
void operator delete(void *object) noexcept // NOLINT(misc-new-delete-overloads)
{
	kcopyd_cpp_free(object);
}

void operator delete(void *object, kcopyd::size_t) noexcept
{
	kcopyd_cpp_free(object);
}

/*
 * What the compiler puts where a class has no function of its own to call.
 * There is nothing to go on with.
 */
extern "C" void __cxa_pure_virtual() // NOLINT(*-reserved-identifier,*-identifier-naming)
{
	kcopyd_cpp_assert_failed("a pure virtual function was called", __FILE__, __LINE__);
	__builtin_trap();
}

#ifdef __SANITIZE_THREAD__
/* Where an object gets its class; KCSAN is for C and has none. The store follows. */
extern "C" { // NOLINTBEGIN(*-reserved-identifier,*-identifier-naming)
void __tsan_vptr_update(void *, void *)
{
}
} // NOLINTEND(*-reserved-identifier,*-identifier-naming)
#endif

#if __SIZEOF_POINTER__ == 4
/* What the compiler calls for / and % of 64 bits; each object has its own. */
extern "C" { // NOLINTBEGIN(*-reserved-identifier,*-identifier-naming)
kcopyd::wide::u64 __udivdi3(kcopyd::wide::u64 n, kcopyd::wide::u64 d)
{
	return kcopyd::wide::divide(n, d).quotient;
}

kcopyd::wide::u64 __umoddi3(kcopyd::wide::u64 n, kcopyd::wide::u64 d)
{
	return kcopyd::wide::divide(n, d).remainder;
}

kcopyd::wide::u64 __udivmoddi4(kcopyd::wide::u64 n, kcopyd::wide::u64 d,
			       kcopyd::wide::u64 *remainder)
{
	const kcopyd::wide::divided both = kcopyd::wide::divide(n, d);

	*remainder = both.remainder;
	return both.quotient;
}

kcopyd::wide::s64 __divdi3(kcopyd::wide::s64 n, kcopyd::wide::s64 d)
{
	return kcopyd::wide::quotient(n, d);
}

kcopyd::wide::s64 __moddi3(kcopyd::wide::s64 n, kcopyd::wide::s64 d)
{
	return kcopyd::wide::remainder(n, d);
}

kcopyd::wide::s64 __divmoddi4(kcopyd::wide::s64 n, kcopyd::wide::s64 d,
			      kcopyd::wide::s64 *remainder)
{
	*remainder = kcopyd::wide::remainder(n, d);
	return kcopyd::wide::quotient(n, d);
}
} // NOLINTEND(*-reserved-identifier,*-identifier-naming)
#endif
