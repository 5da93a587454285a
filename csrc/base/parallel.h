// Splits a loop over threads.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace aec {

// Calls body(begin, end, worker) on disjoint ranges that cover 0..count, on up to `threads` threads (0: as many as
// there are cores). Ranges are handed out in steps of `grain`, so uneven work spreads. The first exception is rethrown.
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
    auto work = [&](int worker) {
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
    for (int i = 1; i < threads; ++i) others.emplace_back(work, i);
    work(0);
    for (auto& t : others) t.join();
    if (error) std::rethrow_exception(error);
}

inline int thread_count(int threads) {
    return threads > 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace aec
