// Interleaved range asymmetric numeral systems (Duda 2013, arXiv:1311.2540; Giesen 2014, arXiv:1402.3392).
// Frequencies have 16 bits and sum to 2^16; states have 40 bits and move in and out of 16-bit little-endian words. The
// 8 bits between a frequency's and the smallest state's keep what rounding costs under 0.01 %.
#pragma once
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
constexpr uint64_t kStateLow = uint64_t{1}
                               << 24;  // states lie in [2^24, 2^40); an encoder starts, a decoder ends, at 2^24
constexpr int kStateBytes = 5;

// Collects symbols in the order in which the decoder will read them; symbol i belongs to state i mod `lanes`.
class RansEncoder {
public:
    explicit RansEncoder(int lanes) : lanes_(lanes) {}

    // 1 <= frequency < 2^16, start + frequency <= 2^16
    void put(uint32_t start, uint32_t frequency) { symbols_.push_back(start << 16 | frequency); }

    // Symbol k of an alphabet whose frequencies sum to 2^16.
    void write(const uint16_t* frequencies, int k) {
        uint32_t start = 0;
        for (int i = 0; i < k; ++i) start += frequencies[i];
        put(start, frequencies[k]);
    }

    bool empty() const { return symbols_.empty(); }

    // The stream: the states, then the words in reading order. Nothing at all if there are no symbols.
    std::string finish() const {
        if (symbols_.empty()) return {};
        std::vector<uint64_t> state(lanes_, kStateLow);
        std::vector<uint16_t> words;  // in writing order, which is the reverse of reading order
        for (size_t i = symbols_.size(); i-- > 0;) {
            const uint64_t start = symbols_[i] >> 16, frequency = symbols_[i] & 0xffff;
            uint64_t& x = state[i % lanes_];
            if (x >= frequency << 24) words.push_back(static_cast<uint16_t>(x)), x >>= 16;
            x = ((x / frequency) << 16) + x % frequency + start;
        }
        std::string out;
        out.reserve(kStateBytes * lanes_ + 2 * words.size());
        for (uint64_t x : state)
            for (int i = 0; i < kStateBytes; ++i) out.push_back(static_cast<char>(x >> 8 * i & 255));
        for (size_t i = words.size(); i-- > 0;)
            for (int byte = 0; byte < 2; ++byte) out.push_back(static_cast<char>(words[i] >> 8 * byte & 255));
        return out;
    }

private:
    size_t lanes_;
    std::vector<uint32_t> symbols_;  // start << 16 | frequency
};

// Reads what RansEncoder wrote. Any bytes are safe to read; CorruptStream if they cannot be a stream.
class RansDecoder {
public:
    RansDecoder(const uint8_t* data, size_t size, int lanes) : next_(data), end_(data + size), lanes_(lanes) {
        if (size == 0) return;
        if (size < kStateBytes * lanes_ || (size - kStateBytes * lanes_) % 2)
            throw CorruptStream("a coded stream has an impossible length");
        for (size_t i = 0; i < lanes_; ++i) {
            uint64_t x = 0;
            for (int j = 0; j < kStateBytes; ++j) x |= static_cast<uint64_t>(*next_++) << 8 * j;
            state_.push_back(x);
            if (x < kStateLow) throw CorruptStream("a coded stream starts in an impossible state");
        }
    }

    // Where in 0..2^16-1 the next symbol's interval is hit.
    uint32_t slot() const {
        if (state_.empty()) throw CorruptStream("a coded stream is missing");
        return static_cast<uint32_t>(state_[lane_] & 0xffff);
    }

    // Takes the symbol whose interval [start, start + frequency) holds slot().
    void take(uint32_t start, uint32_t frequency) {
        uint64_t& x = state_[lane_];
        x = frequency * (x >> 16) + (x & 0xffff) - start;
        if (x < kStateLow) {
            if (next_ == end_) throw CorruptStream("a coded stream ends early");
            x = x << 16 | next_[0] | static_cast<uint64_t>(next_[1]) << 8;
            next_ += 2;
        }
        lane_ = lane_ + 1 == lanes_ ? 0 : lane_ + 1;
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

    // After the last symbol: every word has been read and every state is back where the encoder began.
    void finish() const {
        if (next_ != end_) throw CorruptStream("a coded stream is longer than its symbols");
        for (uint64_t x : state_)
            if (x != kStateLow) throw CorruptStream("a coded stream does not end as it began");
    }

private:
    const uint8_t *next_, *end_;
    size_t lanes_, lane_ = 0;
    std::vector<uint64_t> state_;
};

}  // namespace aec
