#include "base/workers.h"

#include <cstdlib>
#include <new>
#include <system_error>
#include <utility>

namespace aec {
namespace {

// Whether a thread that has just been started may throw. The C++ runtime allocates a thread's state for exceptions when
// the first one is thrown, and ends the program if it cannot: so that is done now, if there is memory.
bool may_throw() {
    void* room = std::malloc(size_t{1} << 21);  // malloc may take a megabyte for the few bytes that are needed
    std::free(room);
    return room != nullptr && std::uncaught_exceptions() == 0;
}

}  // namespace

int thread_count(int threads) {
    return threads > 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

Workers::~Workers() {
    {
        std::lock_guard<std::mutex> lock(guard_);
        ended_ = true;
    }
    news_.notify_all();
    for (std::thread& t : helpers_) t.join();
}

void Workers::together(int64_t turns, const Job& job) {
    const size_t wanted = static_cast<size_t>(std::min<int64_t>(threads_, turns) - 1);
    if (helpers_.size() < wanted) start(wanted - helpers_.size());
    {
        std::lock_guard<std::mutex> lock(guard_);
        job_ = &job;
        ++jobs_;
        busy_ = able_;
    }
    news_.notify_all();
    attempt(job, scratch_[0]);
    std::unique_lock<std::mutex> lock(guard_);
    done_.wait(lock, [&] { return busy_ == 0; });
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

// Helpers find out one after the other whether they may throw, and nobody goes on before all have: the work of one
// would take the memory that another has just seen.
void Workers::start(size_t helpers) {
    helpers_.reserve(helpers_.size() + helpers);  // a vector that throws while it holds threads would end the program
    std::unique_lock<std::mutex> lock(guard_);
    try {
        for (size_t i = 0; i < helpers; ++i) {
            Scratch& scratch = scratch_.emplace_back();
            helpers_.emplace_back([this, &scratch] { help(scratch); });
            ++starting_;
        }
    } catch (const std::system_error&) {  // out of threads, or of memory for a stack
    } catch (const std::bad_alloc&) {
    }
    started_.wait(lock, [&] { return starting_ == 0; });
}

void Workers::help(Scratch& scratch) {
    std::unique_lock<std::mutex> lock(guard_);
    const bool able = may_throw();
    able_ += able;
    uint64_t seen = jobs_;
    if (--starting_ == 0) started_.notify_all();
    while (able) {
        news_.wait(lock, [&] { return ended_ || jobs_ != seen; });
        if (ended_) return;
        seen = jobs_;
        const Job& job = *job_;
        lock.unlock();
        attempt(job, scratch);
        lock.lock();
        if (--busy_ == 0) done_.notify_all();
    }
}

void Workers::attempt(const Job& job, Scratch& scratch) {
    try {
        job(scratch);
    } catch (...) {
        std::lock_guard<std::mutex> lock(guard_);
        if (!error_) error_ = std::current_exception();
    }
}

}  // namespace aec
