// A colour as a number.
#pragma once
#include <cstdint>

namespace aec {

// Of a pixel with so many samples, 1 or 3.
template <int channels>
uint32_t number_of(const uint8_t* pixel) {
    if constexpr (channels == 1) return pixel[0];
    else return static_cast<uint32_t>(pixel[0]) << 16 | static_cast<uint32_t>(pixel[1]) << 8 | pixel[2];
}

// Its place in a table of 2^bits: Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4).
inline uint32_t hash(uint32_t colour, int bits) { return colour * 0x9e3779b1u >> (32 - bits); }

}  // namespace aec
