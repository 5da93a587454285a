// The prior of one RVQ level of a group in floating point: energies and masses of its codewords. Numbers in brackets
// are equations of docs/quantiser.md.
#pragma once
#include "kernels/simd-inl.h"

namespace aec {
namespace AEC_TARGET {
namespace {

constexpr float kLn2 = 0.6931471805599453f;
constexpr float kSureZero = 0.35f;  // squared norm inside which zero is D4's nearest point: (2^(-1/4) / sqrt 2)^2

inline f32x8 exp_negative(f32x8 x) {  // e^x for x <= 0, to 2e-7 of the value; 0 below -87
    const f32x8 y = x * splat(1.44269504f);
    const i32x8 n = __builtin_convertvector(y - splat(0.5f), i32x8);  // rounds to nearest, as y <= 0
    const f32x8 r = y - __builtin_convertvector(n, f32x8);
    f32x8 p = splat(1.5403530e-4f);
    p = p * r + splat(1.3333558e-3f);
    p = p * r + splat(9.6181291e-3f);
    p = p * r + splat(5.5504109e-2f);
    p = p * r + splat(2.4022651e-1f);
    p = p * r + splat(6.9314718e-1f);
    p = p * r + splat(1.0f);
    const i32x8 bits = (n + splat(127)) << 23;
    const f32x8 result = p * (f32x8)bits;  // a vector cast keeps the bits
    return x < splat(-87.0f) ? splat(0.0f) : result;
}

// A group's residual and σ, [4] each in steps.
struct Latents {
    const float *residual, *sigma;
    float sigma_max;
    int sigma_at;  // the nearest of the prior's σ to the largest, which may lie below the first

    Latents(const float* residual, const float* sigma)
        : residual(residual),
          sigma(sigma),
          sigma_max(higher(higher(sigma[0], sigma[1]), higher(sigma[2], sigma[3]))),
          sigma_at(static_cast<int>(lroundf(log2f(sigma_max) * kSigmaPerOctave)) - kSigmaOctaveMin * kSigmaPerOctave) {}

    int prefix_index(int rvq_level) const {  // where an RVQ level's prefix table is read
        return lower(kSigmaCount - 1, higher(0, sigma_at - 2 * kSigmaPerOctave * rvq_level));
    }
};

// The coarsest RVQ level whose code can be other than zero.
inline int top_rvq_level(const GroupQuantiser& q, const Latents& latents) {
    int rvq_level = q.rvq_levels - 1;
    while (rvq_level > 0 && q.coarse_prefix[latents.prefix_index(rvq_level)] == 1) --rvq_level;
    return rvq_level;
}

// What the RVQ levels so far have given.
struct Path {
    Quantised q = {};
    bool has_coarser_code = false;  // whether any code so far is not zero
    float cost = 0;                 // what paths are compared by
};

// The prior of one RVQ level, and where the search stands in it.
struct RvqLevelPrior {
    int rvq_level;
    float scale;                  // of its steps: 4^rvq_level
    int count;                    // possible codewords; if it is 1, nothing is coded
    int stride;                   // K: from one dimension of the codebook to the next
    const float* codebook;        // [4][K]
    const float* log_weight;      // [K] or null
    float variance[kGroup];       // σ² + s, in its steps
    float offset[kGroup];         // what the coarser RVQ levels give, in its steps
    float left[kGroup];           // what they leave of the residual
    float left_norm;              // squared
    float energy[kMaxCodewords];  // -log of the unnormalised mass
    float mass[kMaxCodewords];    // relative to the likeliest codeword's
    float total;                  // of the masses
    float log_total;              // log of the sum of the unnormalised masses

    float word(int i, int k) const { return codebook[i * stride + k]; }
    f32x8 words(int i, int k) const { return load<f32x8>(codebook + i * stride + k); }
    float bits(int k) const { return (energy[k] + log_total) * (1 / kLn2); }
    f32x8 nats(int k) const { return load<f32x8>(energy + k) + splat(log_total); }  // of eight codewords
};

// The energies of an RVQ level's codewords (3), after what a path has given.
inline void rvq_level_prior(const GroupQuantiser& q, const Latents& latents, int rvq_level, const Path& path,
                            RvqLevelPrior& prior) {
    const bool fine = rvq_level == 0;
    prior.rvq_level = rvq_level;
    prior.scale = static_cast<float>(1 << kRvqLevelBits * rvq_level);
    prior.stride = q.codewords;
    prior.count =
        path.has_coarser_code ? q.codewords : (fine ? q.fine_prefix : q.coarse_prefix)[latents.prefix_index(rvq_level)];
    prior.codebook = fine ? q.fine : q.coarse;
    prior.log_weight = fine ? q.log_weight[path.has_coarser_code] : nullptr;
    prior.left_norm = 0;
    const float unit = 1 / prior.scale;  // exact: a power of 4
    for (int i = 0; i < kGroup; ++i) {
        const float s = latents.sigma[i] * unit;
        prior.variance[i] = s * s + (fine ? q.fine_variance : q.coarse_variance);
        prior.offset[i] = path.q.value[i] * unit;
        prior.left[i] = latents.residual[i] * unit - prior.offset[i];
        prior.left_norm += prior.left[i] * prior.left[i];
    }
    if (fine && prior.left_norm > kSureZero) prior.count = higher(prior.count, q.min_candidates);
    if (prior.count == 1) return;
    float factor[kGroup];
    for (int i = 0; i < kGroup; ++i) factor[i] = 0.5f / prior.variance[i];
    for (int k = 0; k < prior.count; k += 8) {
        f32x8 energy = prior.log_weight ? -load<f32x8>(prior.log_weight + k) : splat(0.0f);
        for (int i = 0; i < kGroup; ++i) {
            const f32x8 t = prior.words(i, k) + splat(prior.offset[i]);
            energy += t * t * splat(factor[i]);
        }
        store(prior.energy + k, energy);
    }
    prior.log_total = 0;
}

// Makes prior.bits() true (4): until then they all lack the same.
inline void normalise(RvqLevelPrior& prior) {
    f32x8 lowest = load<f32x8>(prior.energy);
    for (int k = 8; k < prior.count; k += 8) lowest = lower(lowest, load<f32x8>(prior.energy + k));
    const float low = least(lowest);
    f32x8 total = splat(0.0f);
    for (int k = 0; k < prior.count; k += 8) {
        const f32x8 mass = exp_negative(splat(low) - load<f32x8>(prior.energy + k));
        store(prior.mass + k, mass);
        total += mass;
    }
    prior.total = sum(total);
    prior.log_total = logf(prior.total) - low;
}

// |left - codeword|^2 of eight codewords
inline f32x8 distances(const RvqLevelPrior& prior, int k) {
    f32x8 d = splat(0.0f);
    for (int i = 0; i < kGroup; ++i) {
        const f32x8 e = splat(prior.left[i]) - prior.words(i, k);
        d += e * e;
    }
    return d;
}

// Extends a path by codeword k of an RVQ level (1).
inline Path extended(const GroupQuantiser& q, const RvqLevelPrior& prior, const Path& path, int k) {
    Path next = path;
    next.q.code[q.rvq_levels - 1 - prior.rvq_level] = static_cast<uint8_t>(k);
    if (prior.count > 1) next.q.bits += prior.bits(k);
    for (int i = 0; i < kGroup; ++i) next.q.value[i] += prior.scale * prior.word(i, k);
    next.has_coarser_code |= k != 0;
    return next;
}

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
