// The prior's integer probabilities. docs/format.md defines every step.
#include "kernels/simd-inl.h"

namespace aec {
namespace AEC_TARGET {
namespace {

inline i32x8 widen(const int16_t* p) { return __builtin_convertvector(load<i16x8>(p), i32x8); }

int32_t exponents(const PriorTables& t, int count, const int32_t* inverse, const int32_t* offset, int32_t* out) {
    i32x8 low = splat(kIntMax);
    for (int k = 0; k < count; k += 8) {
        i32x8 e = t.weight_bits ? load<i32x8>(t.weight_bits + k) : splat(0);
        for (int i = 0; i < kGroup; ++i) {
            if (!offset) {
                e += widen(t.squares + i * t.codewords + k) * splat(inverse[i]);
                continue;
            }
            const i32x8 x = widen(t.words + i * t.codewords + k) + splat(offset[i]);
            const i32x8 term = ((x * x + splat(1 << (kSquareShift - 1))) >> kSquareShift) * splat(inverse[i]);
            e += term < splat(kTermMax) ? term : splat(kTermMax);
        }
        low = e < low ? e : low;
        store(out + k, e);
    }
    return least(low);
}

constexpr uint64_t kMassMax = 65536;  // of exponent 0

// kMassMax * 2^-e for e in bits with 16 fractional bits: a cubic of the fraction, within 1e-4, that never rises; then a
// shift.
inline i32x8 mass(i32x8 e) {
    const i32x8 f = (e >> 1) & splat(32767), whole = e >> 16;
    i32x8 m = splat(15158) - ((splat(2597) * f) >> 15);
    m = splat(45329) - ((m * f) >> 15);
    m = splat(65536) - ((m * f) >> 15);
    return m >> (whole < splat(31) ? whole : splat(31));
}

void frequencies(const int32_t* exponents, int32_t least, int count, uint16_t* out) {
    const i32x8 lowest = splat(least);
    i32x8 masses[kMaxCodewords / 8], sums = splat(0);
    for (int k = 0; k < count; k += 8) sums += masses[k / 8] = mass(load<i32x8>(exponents + k) - lowest);
    uint32_t total = 0;
    for (int i = 0; i < 8; ++i) total += static_cast<uint32_t>(sums[i]);

    // Each gets one count and its share of the rest; what rounding down leaves goes to the likeliest (the first of
    // them), which has the share of the largest mass.
    const uint64_t scale = (static_cast<uint64_t>((1 << kFrequencyBits) - count) << 24) / total;  // at most 2^24
    const u32x8 high = (u32x8)splat(static_cast<int32_t>(scale >> 8)),
                rest = (u32x8)splat(static_cast<int32_t>(scale & 255));
    i32x8 given = splat(0);
    for (int k = 0; k < count; k += 8) {
        const u32x8 m = (u32x8)masses[k / 8];
        const i32x8 f = (i32x8)((m * high + ((m * rest) >> 8)) >> 16) + splat(1);  // (m * scale) >> 24, in 32 bits
        given += f;
        store(out + k, __builtin_convertvector(f, u16x8));
    }
    int32_t left = 1 << kFrequencyBits;
    for (int i = 0; i < 8; ++i) left -= given[i];
    const uint16_t most = static_cast<uint16_t>(((kMassMax * scale) >> 24) + 1);
    int likeliest = 0;
    while (out[likeliest] != most) ++likeliest;
    out[likeliest] = static_cast<uint16_t>(most + left);
}

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
