// Range asymmetric numeral systems (Duda 2013, arXiv:1311.2540; Giesen 2014, arXiv:1402.3392). Frequencies have 16 bits
// and sum to 2^16; the state has 40 bits and moves in and out of bytes. The 16 bits between a frequency's and the
// smallest full state's make what rounding costs nothing to speak of. One state is enough: computing a symbol's
// frequencies takes far longer than reading it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "model/constants.h"

namespace aec {

struct CorruptStream : std::runtime_error {
    using std::runtime_error::runtime_error;
};

constexpr uint32_t kFrequencyTotal = 1u << kFrequencyBits;
// States lie in [2^32, 2^40) as soon as a byte has been written. An encoder starts, and a decoder ends, at 0, not at
// 2^32: a state that is not full yet is as good as any, and so the start takes no room in the stream.
constexpr uint64_t kStateLow = uint64_t{1} << 32;

// Collects symbols in the order in which the decoder will read them.
class RansEncoder {
public:
    // 1 <= frequency < 2^16, start + frequency <= 2^16
    void put(uint32_t start, uint32_t frequency) { symbols_.push_back(start << 16 | frequency); }

    // Symbol k of an alphabet whose frequencies sum to 2^16.
    void write(const uint16_t* frequencies, int k) {
        uint32_t start = 0;
        for (int i = 0; i < k; ++i) start += frequencies[i];
        put(start, frequencies[k]);
    }

    void append(const RansEncoder& more) {
        symbols_.insert(symbols_.end(), more.symbols_.begin(), more.symbols_.end());
    }

    // The stream: the last state, its high byte first and without zeros before it, then the bytes in reading order.
    std::string finish() const {
        uint64_t x = 0;
        std::string out;  // in writing order, which is the reverse of reading order
        for (size_t i = symbols_.size(); i-- > 0;) {
            const uint64_t start = symbols_[i] >> 16, frequency = symbols_[i] & 0xffff;
            for (; x >= frequency << 24; x >>= 8) out.push_back(static_cast<char>(x & 255));
            x = ((x / frequency) << 16) + x % frequency + start;
        }
        for (; x; x >>= 8) out.push_back(static_cast<char>(x & 255));
        std::reverse(out.begin(), out.end());
        return out;
    }

private:
    std::vector<uint32_t> symbols_;  // start << 16 | frequency
};

// Reads what RansEncoder wrote. Any bytes are safe to read; CorruptStream if they cannot be a stream.
class RansDecoder {
public:
    RansDecoder(const uint8_t* data, size_t size) : next_(data), end_(data + size) {
        if (size && !*data) throw CorruptStream("a coded stream starts in an impossible state");
        fill();
    }

    // Where in 0..2^16-1 the next symbol's interval is hit.
    uint32_t slot() const { return static_cast<uint32_t>(state_ & 0xffff); }

    // Takes the symbol whose interval [start, start + frequency) holds slot().
    void take(uint32_t start, uint32_t frequency) {
        state_ = frequency * (state_ >> 16) + (state_ & 0xffff) - start;
        fill();
    }

    // The next symbol of an alphabet whose frequencies sum to 2^16: as slot() is less than that, the search ends.
    int read(const uint16_t* frequencies) {
        const uint32_t wanted = slot();
        uint32_t start = 0;
        int k = 0;
        while (start + frequencies[k] <= wanted) start += frequencies[k++];
        take(start, frequencies[k]);
        return k;
    }

    // After the last symbol: every byte has been read and the state is back where the encoder began.
    void finish() const {
        if (next_ != end_) throw CorruptStream("a coded stream is longer than its symbols");
        if (state_) throw CorruptStream("a coded stream does not end as it began");
    }

private:
    void fill() {
        while (state_ < kStateLow && next_ != end_) state_ = state_ << 8 | *next_++;
    }

    const uint8_t *next_, *end_;
    uint64_t state_ = 0;
};

}  // namespace aec
