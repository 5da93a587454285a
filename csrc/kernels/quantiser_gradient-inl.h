// The gradients of the quantiser. docs/quantiser.md derives them; numbers in brackets are its equations.
#include "kernels/group_prior-inl.h"

namespace aec {
namespace AEC_TARGET {
namespace {

constexpr float kNegligible = -15.0f;  // log of a soft assignment that counts as zero

inline bool any(i32x8 lanes) {  // whether a comparison holds in any lane
    int64_t parts[4];
    store(parts, lanes);
    return (parts[0] | parts[1]) | (parts[2] | parts[3]);
}

// Unnormalised sums under the soft assignment, of: 1, the bits b, h = grad_value·c, the codeword c, b·c and h·c.
struct SoftSums {
    f32x8 one, b, h;
    f32x8 c[kGroup], bc[kGroup], hc[kGroup];
};

// The costs (8) of all codewords; -> the least.
inline float soft_costs(const RvqLevelPrior& prior, float beta, float* cost) {
    const float rate = beta / (prior.scale * prior.scale) / kLn2;
    f32x8 lowest = splat(kInfinity);
    for (int k = 0; k < prior.count; k += 8) {
        const f32x8 c = prior.nats(k) * splat(rate) + distances(prior, k);
        store(cost + k, c);
        lowest = lower(lowest, c);
    }
    return least(lowest);
}

// Adds what eight codewords with the soft assignments s contribute; h is of use in the finest RVQ level alone.
inline void add_soft(const RvqLevelPrior& prior, int k, f32x8 s, const float* grad_value, SoftSums& sums) {
    const f32x8 sb = s * prior.nats(k) * splat(1 / kLn2);
    sums.one += s;
    sums.b += sb;
    f32x8 h = splat(0.0f);
    for (int i = 0; i < kGroup; ++i) {
        const f32x8 c = prior.words(i, k);
        h += splat(grad_value[i]) * c;
        sums.c[i] += s * c;
        sums.bc[i] += sb * c;
    }
    if (prior.rvq_level > 0) return;
    const f32x8 sh = s * h;
    sums.h += sh;
    for (int i = 0; i < kGroup; ++i) sums.hc[i] += sh * prior.words(i, k);
}

// Gradients with respect to the residual, through the soft assignment: covariances of the codeword with the bits (10)
// and, in the finest RVQ level, with the loss's slope (11).
inline void accumulate_soft(const RvqLevelPrior& prior, float beta, const LossGradient& loss,
                            const GroupGradient& out) {
    float cost[kMaxCodewords];
    const float low = soft_costs(prior, beta, cost);
    SoftSums sums = {};
    for (int k = 0; k < prior.count; k += 8) {
        const f32x8 log_soft = (splat(low) - load<f32x8>(cost + k)) * splat(1 / kTemperature);
        if (!any(log_soft > splat(kNegligible))) continue;  // most codewords are far away
        add_soft(prior, k, exp_negative(log_soft), loss.value, sums);
    }
    const float unit = 1 / sum(sums.one), mean_b = sum(sums.b) * unit, mean_h = sum(sums.h) * unit;
    for (int i = 0; i < kGroup; ++i) {
        const float mean_c = sum(sums.c[i]) * unit;
        out.rate[i] += loss.bits * (2 / kTemperature) * (sum(sums.bc[i]) * unit - mean_b * mean_c) / prior.scale;
        if (prior.rvq_level == 0) out.value[i] += (2 / kTemperature) * (sum(sums.hc[i]) * unit - mean_h * mean_c);
    }
}

// -> the prior's mean of t² in (12). Adds to the finest RVQ level's tables what raises or lowers the masses of all its
// codewords: the second terms of (13) and (14).
template <bool kFine>
inline void accumulate_masses(const RvqLevelPrior& prior, float grad_bits, float* fine, float* log_weight,
                              f32x8* mean_square) {
    for (int k = 0; k < prior.count; k += 8) {
        const f32x8 p = load<f32x8>(prior.mass + k) * splat(1 / prior.total);
        for (int i = 0; i < kGroup; ++i) {
            const f32x8 t = prior.words(i, k) + splat(prior.offset[i]);
            mean_square[i] += p * t * t;
            if (!kFine) continue;
            float* at = fine + i * prior.stride + k;
            store(at, load<f32x8>(at) - p * t * splat(grad_bits / (prior.variance[i] * kLn2)));
        }
        if (kFine) store(log_weight + k, load<f32x8>(log_weight + k) + splat(grad_bits / kLn2) * p);
    }
}

// Gradients of the chosen codeword's bits with respect to σ and the variance (12), and to the finest RVQ level's tables
// (13), (14).
inline void accumulate_tables(const RvqLevelPrior& prior, int chosen, bool has_coarser_code, const float* sigma,
                              float grad_bits, const GroupGradient& out) {
    const bool fine = prior.rvq_level == 0;
    float* log_weight = out.log_weight[has_coarser_code];
    f32x8 square[kGroup] = {};
    const auto accumulate = fine ? accumulate_masses<true> : accumulate_masses<false>;
    accumulate(prior, grad_bits, out.fine, log_weight, square);
    float variance_gradient = 0;
    for (int i = 0; i < kGroup; ++i) {
        const float v = prior.variance[i], t = prior.offset[i] + prior.word(i, chosen);
        if (fine) out.fine[i * prior.stride + chosen] += grad_bits * t / (v * kLn2);
        const float g = -grad_bits * (t * t - sum(square[i])) / (2 * v * v * kLn2);
        out.sigma[i] += 2 * g * sigma[i] / (prior.scale * prior.scale);
        variance_gradient += g;
    }
    out.variance[fine ? 0 : 1] += variance_gradient;
    if (fine) log_weight[chosen] -= grad_bits / kLn2;
}

// Gradients with respect to the residual if the quantiser adds noise and little else (15), in place of the soft
// ones.
inline void high_rate_gradient(const GroupQuantiser& q, const Latents& latents, const LossGradient& loss,
                               const GroupGradient& out) {
    for (int i = 0; i < kGroup; ++i) {
        const float sigma = latents.sigma[i];
        out.rate[i] = loss.bits * latents.residual[i] / ((sigma * sigma + q.fine_variance) * kLn2);
        out.value[i] = loss.value[i];
    }
}

void quantise_gradient(const GroupQuantiser& q, const GroupLatents& group, float beta, const Quantised& chosen,
                       const LossGradient& loss, const GroupGradient& out) {
    const Latents latents(group.residual, group.sigma);
    RvqLevelPrior prior;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled below, and 2 KB cost time
    Path path;
    bool smooth = latents.sigma_max > kSmooth;
    for (int rvq_level = top_rvq_level(q, latents); rvq_level >= 0; --rvq_level) {
        const int k = chosen.code[q.rvq_levels - 1 - rvq_level];
        rvq_level_prior(q, latents, rvq_level, path, prior);
        if (prior.count > 1) {
            normalise(prior);
            if (!smooth) accumulate_soft(prior, beta, loss, out);
            accumulate_tables(prior, k, path.has_coarser_code, group.sigma, loss.bits, out);
        }
        if (rvq_level == 0)
            for (int i = 0; i < kGroup; ++i) out.fine[i * q.codewords + k] += loss.value[i];
        path = extended(q, prior, path, k);
        smooth |= path.has_coarser_code && rvq_level > 0;
    }
    if (smooth) high_rate_gradient(q, latents, loss, out);
}

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
