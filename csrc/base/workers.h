// The threads that work on one picture, and the memory that each of them works in.
#pragma once
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace aec {

int thread_count(int threads);  // 0 or less: as many as there are cores

// Memory of one thread, handed out piece by piece and taken back all at once. What has been needed once is kept for the
// next turn: to ask the system for fresh pages again and again took 7 % of the time of decoding.
class Scratch {
public:
    // Room for `count` values, which are anything; until the next reset.
    template <class T>
    T* take(int64_t count) {
        static_assert(std::is_trivial_v<T> && alignof(T) <= kAlignment);
        const size_t bytes = (static_cast<size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
        if (bytes > left_) add(bytes);  // throws first, if at all
        needed_ += bytes;
        left_ -= bytes;
        std::byte* piece = next_;
        next_ += bytes;
        return reinterpret_cast<T*>(piece);
    }
    void reset() {
        if (blocks_.size() > 1) {  // one block for all of it, from now on
            blocks_.clear();
            left_ = 0;
            add(needed_);
        } else if (!blocks_.empty()) {
            next_ -= needed_;
            left_ += needed_;
        }
        needed_ = 0;
    }

private:
    static constexpr size_t kAlignment = 64;  // a cache line
    struct Block {
        alignas(kAlignment) std::byte line[kAlignment];
    };
    void add(size_t bytes) {
        blocks_.emplace_back(new Block[bytes / kAlignment]);
        next_ = blocks_.back()[0].line;
        left_ = bytes;
    }

    std::vector<std::unique_ptr<Block[]>> blocks_;
    std::byte* next_ = nullptr;
    size_t left_ = 0, needed_ = 0;  // in the last block; since the last reset
};

// Threads that are started when there is work for them and stay until the end: to start some for every strip of rows
// took 7 % of the time of two. The calling thread is one of them. Where the system gives no more threads, those that
// there are do the work.
class Workers {
public:
    explicit Workers(int threads) : threads_(thread_count(threads)), scratch_(1) {}  // 0: one a core
    Workers(const Workers&) = delete;
    ~Workers();

    // Calls body(begin, end, scratch) on disjoint ranges that cover 0..count. They are handed out in steps of `grain`,
    // so uneven work spreads. The first exception is rethrown. A body may not split again.
    template <class Body>
    void split(int64_t count, int64_t grain, const Body& body) {
        const int64_t turns = (count + grain - 1) / grain;
        if (turns <= 1 || threads_ == 1) {
            scratch_[0].reset();
            if (count > 0) body(int64_t{0}, count, scratch_[0]);
            return;
        }
        std::atomic<int64_t> next{0};
        const auto take_turns = [&](Scratch& scratch) {
            try {
                for (int64_t begin; (begin = next.fetch_add(grain)) < count;) {
                    scratch.reset();
                    body(begin, std::min(begin + grain, count), scratch);
                }
            } catch (...) {
                next = count;  // no more turns
                throw;
            }
        };
        together(turns, std::ref(take_turns));
    }

private:
    using Job = std::function<void(Scratch&)>;
    void together(int64_t turns, const Job& job);  // every thread does it; turns: more threads would be idle
    void start(size_t helpers);                    // so many more
    void help(Scratch& scratch);                   // a helper's life
    void attempt(const Job& job, Scratch& scratch);

    const int threads_;
    std::deque<Scratch> scratch_;  // the calling thread's, and those of the helpers
    std::vector<std::thread> helpers_;
    std::mutex guard_;  // of what follows
    std::condition_variable started_, news_, done_;
    size_t starting_ = 0, able_ = 0, busy_ = 0;  // of the helpers; able to work, and at work
    const Job* job_ = nullptr;
    uint64_t jobs_ = 0;  // so far
    bool ended_ = false;
    std::exception_ptr error_;
};

}  // namespace aec
