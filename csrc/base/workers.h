// The threads that work on one picture, and the memory that each of them works in.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "base/parallel.h"

namespace aec {

// Memory of one thread, handed out piece by piece and taken back all at once. What has been needed once is kept for the
// next turn: to ask the system for fresh pages again and again would take a tenth of the time.
class Scratch {
public:
    // Room for `count` values, which are anything; until the next reset.
    template <class T>
    T* take(int64_t count) {
        static_assert(std::is_trivial_v<T> && alignof(T) <= kAlignment);
        const size_t bytes = (static_cast<size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
        needed_ += bytes;
        if (bytes > left_) add(bytes);
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

class Workers {
public:
    explicit Workers(int threads) : scratch_(static_cast<size_t>(thread_count(threads))) {}  // 0: one a core

    // As parallel_for, with body(begin, end, scratch).
    template <class Body>
    void split(int64_t count, int64_t grain, const Body& body) {
        parallel_for(count, static_cast<int>(scratch_.size()), grain, [&](int64_t begin, int64_t end, int worker) {
            scratch_[static_cast<size_t>(worker)].reset();
            body(begin, end, scratch_[static_cast<size_t>(worker)]);
        });
    }

private:
    std::vector<Scratch> scratch_;
};

}  // namespace aec
