// Order among threads that work on the pieces of several sequences.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace aec {

// Has something done with the pieces of each sequence one after the other, whichever thread has which. Threads must
// take up the pieces of a sequence in its order, so that nobody waits for a piece that nobody has.
class Turns {
public:
    explicit Turns(size_t sequences) : next_(sequences) {
        for (std::atomic<int64_t>& next : next_) next = 0;
    }

    // Waits until all pieces before this one are done; body() may throw, and then none after it is done.
    template <class Body>
    void take(size_t sequence, int64_t piece, const Body& body) {
        std::atomic<int64_t>& next = next_[sequence];
        while (next.load(std::memory_order_acquire) != piece) {
            if (given_up_) return;
            std::this_thread::yield();
        }
        body();
        next.store(piece + 1, std::memory_order_release);
    }

    void give_up() { given_up_ = true; }  // for a thread that cannot do its piece: nobody is to wait for it

private:
    std::vector<std::atomic<int64_t>> next_;  // piece of every sequence
    std::atomic<bool> given_up_{false};
};

}  // namespace aec
