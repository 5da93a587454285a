// What a fuzzer's bytes stand for: numbers, one after the other; zeros when they are used up.
#pragma once
#include <cstddef>
#include <cstdint>

namespace aec::fuzz {

class Input {
public:
    Input(const uint8_t* data, size_t size) : next_(data), end_(data + size) {}
    bool empty() const { return next_ == end_; }
    size_t left() const { return static_cast<size_t>(end_ - next_); }
    const uint8_t* rest() const { return next_; }
    uint8_t byte() { return empty() ? 0 : *next_++; }
    int64_t number(int bytes) {  // little-endian, unsigned
        int64_t value = 0;
        for (int i = 0; i < bytes; ++i) value |= int64_t{byte()} << 8 * i;
        return value;
    }
    int64_t of(int64_t low, int64_t high) { return low + number(4) % (high - low + 1); }

private:
    const uint8_t *next_, *end_;
};

}  // namespace aec::fuzz
