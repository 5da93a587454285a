// Splits a loop over threads.
#pragma once
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace aec {

// Whether a thread that has just been started may throw. The C++ runtime allocates a thread's state for exceptions when
// the first one is thrown, and ends the program if it cannot: so that is done now, if there is memory.
inline bool may_throw() {
    void* room = std::malloc(size_t{1} << 21);  // malloc may take a megabyte for the few bytes that are needed
    std::free(room);
    return room != nullptr && std::uncaught_exceptions() == 0;
}

// Lets threads find out one after the other whether they may throw, and none go on before all have: the work of one
// would take the memory that another has just seen.
class Start {
public:
    void expect() {  // one more thread, before it is started
        std::lock_guard<std::mutex> lock(guard_);
        ++pending_;
    }
    void forget() {  // one that could not be started
        std::lock_guard<std::mutex> lock(guard_);
        if (--pending_ == 0) ready_.notify_all();
    }
    bool ready() {  // whether the calling thread, which was expected, may throw
        std::unique_lock<std::mutex> lock(guard_);
        const bool result = may_throw();
        if (--pending_ == 0) ready_.notify_all();
        ready_.wait(lock, [&] { return pending_ == 0; });
        return result;
    }

private:
    std::mutex guard_;
    std::condition_variable ready_;
    int pending_ = 1;  // the thread that starts the others
};

// Calls body(begin, end, worker) on disjoint ranges that cover 0..count, on up to `threads` threads (0: as many as
// there are cores). Ranges are handed out in steps of `grain`, so uneven work spreads. The first exception is rethrown.
// Where the system gives no more threads, those that there are do the work: the caller's is always one of them.
template <class Body>
void parallel_for(int64_t count, int threads, int64_t grain, const Body& body) {
    if (threads <= 0) threads = std::max(1u, std::thread::hardware_concurrency());
    grain = std::max(int64_t{1}, grain);
    threads = static_cast<int>(std::min<int64_t>(threads, (count + grain - 1) / grain));
    if (threads <= 1) {
        if (count > 0) body(int64_t{0}, count, 0);
        return;
    }
    std::atomic<int64_t> next{0};
    std::exception_ptr error;
    std::mutex guard;
    Start start;
    auto work = [&](int worker) {
        if (!start.ready() && worker) return;
        try {
            for (int64_t begin; (begin = next.fetch_add(grain)) < count;)
                body(begin, std::min(begin + grain, count), worker);
        } catch (...) {
            std::lock_guard<std::mutex> lock(guard);
            if (!error) error = std::current_exception();
            next = count;
        }
    };
    std::vector<std::thread> others;
    others.reserve(
        static_cast<size_t>(threads - 1));  // a vector that throws while it holds threads would end the program
    try {
        for (int i = 1; i < threads; ++i) {
            start.expect();
            others.emplace_back(work, i);
        }
    } catch (const std::system_error&) {  // out of threads, or of memory for a stack
        start.forget();
    } catch (const std::bad_alloc&) {
        start.forget();
    }
    work(0);
    for (auto& t : others) t.join();
    if (error) std::rethrow_exception(error);
}

inline int thread_count(int threads) {
    return threads > 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace aec
