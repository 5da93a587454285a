// The quantiser and its gradients for a team of threads: a warp of a GPU, or one thread of a CPU, which the tests run.
// The arithmetic is that of quantiser-inl.h and quantiser_gradient-inl.h, where it is explained; numbers in brackets
// are equations of docs/quantiser.md. Members of a team share the codewords among them and hold everything else alike.
#pragma once
#include <cmath>

#include "kernels/kernels.h"

#if defined(__CUDACC__)
#define AEC_TEAM __host__ __device__ inline
#else
#define AEC_TEAM inline
#endif

namespace aec::team {

constexpr float kLn2 = 0.6931471805599453f;
constexpr float kSureZero = 0.35f;  // as in group_prior-inl.h
constexpr float kNegligible = -15.0f;
constexpr float kFar = 3e38f;

struct Single {  // a team of one
    AEC_TEAM int rank() const { return 0; }
    AEC_TEAM int size() const { return 1; }
    AEC_TEAM float sum(float x) const { return x; }
    AEC_TEAM float least(float x) const { return x; }
    AEC_TEAM void cheapest(float&, int&) const {}
};

struct Path {
    Quantised q;
    bool has_coarser_code;
};

struct Latents {
    const float *residual, *sigma;
    float sigma_max;
    int sigma_at;

    AEC_TEAM Latents(const float* residual, const float* sigma) : residual(residual), sigma(sigma) {
        sigma_max = fmaxf(fmaxf(sigma[0], sigma[1]), fmaxf(sigma[2], sigma[3]));
        sigma_at = static_cast<int>(roundf(log2f(sigma_max) * kSigmaPerOctave)) - kSigmaOctaveMin * kSigmaPerOctave;
    }
    AEC_TEAM int prefix_index(int rvq_level) const {
        const int at = sigma_at - 2 * kSigmaPerOctave * rvq_level;
        return at < 0 ? 0 : at < kSigmaCount ? at : kSigmaCount - 1;
    }
};

AEC_TEAM int top_rvq_level(const GroupQuantiser& q, const Latents& latents) {
    int rvq_level = q.rvq_levels - 1;
    while (rvq_level > 0 && q.coarse_prefix[latents.prefix_index(rvq_level)] == 1) --rvq_level;
    return rvq_level;
}

// As RvqLevelPrior, but nothing is stored for each codeword.
struct LevelPrior {
    int rvq_level, count, stride;
    float scale, left_norm;
    const float *codebook, *log_weight;
    float variance[kGroup] = {}, half_inverse[kGroup] = {}, offset[kGroup] = {}, left[kGroup] = {};

    AEC_TEAM LevelPrior(const GroupQuantiser& q, const Latents& latents, int rvq_level, const Path& path)
        : rvq_level(rvq_level), stride(q.codewords), scale(static_cast<float>(1 << kRvqLevelBits * rvq_level)) {
        const bool fine = rvq_level == 0;
        count = path.has_coarser_code ? q.codewords
                                      : (fine ? q.fine_prefix : q.coarse_prefix)[latents.prefix_index(rvq_level)];
        codebook = fine ? q.fine : q.coarse;
        log_weight = fine ? q.log_weight[path.has_coarser_code] : nullptr;
        left_norm = 0;
        const float unit = 1 / scale;
        for (int i = 0; i < kGroup; ++i) {
            const float s = latents.sigma[i] * unit;
            variance[i] = s * s + (fine ? q.fine_variance : q.coarse_variance);
            half_inverse[i] = 0.5f / variance[i];
            offset[i] = path.q.value[i] * unit;
            left[i] = latents.residual[i] * unit - offset[i];
            left_norm += left[i] * left[i];
        }
        if (fine && left_norm > kSureZero && count < q.min_candidates) count = q.min_candidates;
    }
    AEC_TEAM float word(int i, int k) const { return codebook[i * stride + k]; }
    AEC_TEAM float energy(int k) const {  // (3)
        float e = log_weight ? -log_weight[k] : 0.0f;
        for (int i = 0; i < kGroup; ++i) {
            const float t = word(i, k) + offset[i];
            e += t * t * half_inverse[i];
        }
        return e;
    }
    AEC_TEAM float distance(int k) const {
        float d = 0;
        for (int i = 0; i < kGroup; ++i) {
            const float e = left[i] - word(i, k);
            d += e * e;
        }
        return d;
    }
    // The log of the sum of the unnormalised masses (4).
    template <class Team>
    AEC_TEAM float log_total(const Team& team) const {
        float low = kFar, total = 0;
        for (int k = team.rank(); k < count; k += team.size()) low = fminf(low, energy(k));
        low = team.least(low);
        for (int k = team.rank(); k < count; k += team.size()) total += expf(low - energy(k));
        return logf(team.sum(total)) - low;
    }
};

AEC_TEAM Path extended(const GroupQuantiser& q, const LevelPrior& prior, const Path& path, int k, float log_total) {
    Path next = path;
    next.q.code[q.rvq_levels - 1 - prior.rvq_level] = static_cast<uint8_t>(k);
    if (prior.count > 1) next.q.bits += (prior.energy(k) + log_total) / kLn2;
    for (int i = 0; i < kGroup; ++i) next.q.value[i] += prior.scale * prior.word(i, k);
    next.has_coarser_code |= k != 0;
    return next;
}

struct Beam {
    Path paths[kMaxPaths];
    int count;
};

// The kMaxPaths extensions by a coarse RVQ level that leave least for the finer ones (6).
template <class Team>
AEC_TEAM void extend_coarse(const Team& team, const GroupQuantiser& q, const Latents& latents, int rvq_level,
                            const Beam& beam, Beam& next) {
    float last_cost = -1;
    int last = -1;
    for (next.count = 0; next.count < kMaxPaths; ++next.count) {
        float cost = kFar;
        int at = beam.count * kMaxCodewords;
        for (int j = 0; j < beam.count; ++j) {
            const LevelPrior prior(q, latents, rvq_level, beam.paths[j]);
            const float area = prior.scale * prior.scale;
            const bool lone = prior.count == 1 || prior.left_norm < kSureZero;
            for (int k = team.rank(); k < (lone ? 1 : prior.count); k += team.size()) {
                const float c = prior.distance(k) * area;
                const int id = j * kMaxCodewords + k;
                if ((c > last_cost || (c == last_cost && id > last)) && (c < cost || (c == cost && id < at)))
                    cost = c, at = id;
            }
        }
        team.cheapest(cost, at);
        if (at == beam.count * kMaxCodewords) return;
        const Path& path = beam.paths[at / kMaxCodewords];
        const LevelPrior prior(q, latents, rvq_level, path);
        const float log_total = prior.count > 1 ? prior.log_total(team) : 0;
        next.paths[next.count] = extended(q, prior, path, at % kMaxCodewords, log_total);
        last_cost = cost, last = at;
    }
}

template <class Team>
AEC_TEAM Quantised quantise(const Team& team, const GroupQuantiser& q, const float* residual, const float* sigma,
                            float beta) {
    const Latents latents(residual, sigma);
    Beam beam = {}, next = {};
    beam.count = 1;
    for (int rvq_level = top_rvq_level(q, latents); rvq_level > 0; --rvq_level) {
        extend_coarse(team, q, latents, rvq_level, beam, next);
        beam = next;
    }
    Path best = beam.paths[0];
    float least_cost = kFar;
    for (int j = 0; j < beam.count; ++j) {
        const Path& path = beam.paths[j];
        const LevelPrior prior(q, latents, 0, path);
        float cost = prior.left_norm, log_total = 0;
        int chosen = 0;
        if (prior.count > 1) {  // (7)
            const float rate = beta / kLn2;
            cost = kFar;
            for (int k = team.rank(); k < prior.count; k += team.size()) {
                const float c = prior.energy(k) * rate + prior.distance(k);
                if (c < cost) cost = c, chosen = k;
            }
            team.cheapest(cost, chosen);
            log_total = prior.log_total(team);
            cost += rate * log_total;
        }
        cost += beta * path.q.bits;
        if (cost < least_cost) least_cost = cost, best = extended(q, prior, path, chosen, log_total);
    }
    return best.q;
}

// What the sums over all groups of a kind, which are the tables' gradients, take from one of them.
struct TableTerms {
    float offset[kGroup], half_inverse[kGroup], grad_value[kGroup];
    float log_total, grad_bits;
    int count;   // codewords; 1: the prior has no share
    int chosen;  // and in bit 8 whether a coarser code is not zero
};

// The gradients of a group but for the tables' (10)-(12), (15). Every member gets them.
struct GroupSlopes {
    float rate[kGroup], value[kGroup], sigma[kGroup], variance[2];
};

template <class Team>
AEC_TEAM void soft_gradient(const Team& team, const LevelPrior& prior, float beta, float log_total,
                            const LossGradient& loss, GroupSlopes& out) {
    const float rate = beta / (prior.scale * prior.scale) / kLn2;
    float low = kFar;
    for (int k = team.rank(); k < prior.count; k += team.size())
        low = fminf(low, prior.energy(k) * rate + prior.distance(k));
    low = team.least(low);
    float one = 0, b = 0, h = 0, c[kGroup] = {}, bc[kGroup] = {}, hc[kGroup] = {};
    for (int k = team.rank(); k < prior.count; k += team.size()) {
        const float energy = prior.energy(k);
        const float log_soft = (low - (energy * rate + prior.distance(k))) * (1 / kTemperature);
        if (log_soft <= kNegligible) continue;
        const float s = expf(log_soft), sb = s * (energy + log_total) / kLn2;
        float slope = 0;
        for (int i = 0; i < kGroup; ++i) slope += loss.value[i] * prior.word(i, k);
        one += s, b += sb, h += s * slope;
        for (int i = 0; i < kGroup; ++i) {
            const float w = prior.word(i, k);
            c[i] += s * w, bc[i] += sb * w, hc[i] += s * slope * w;
        }
    }
    const float unit = 1 / team.sum(one), mean_b = team.sum(b) * unit, mean_h = team.sum(h) * unit;
    for (int i = 0; i < kGroup; ++i) {
        const float mean_c = team.sum(c[i]) * unit;
        const float of_bits = team.sum(bc[i]) * unit - mean_b * mean_c,
                    of_value = team.sum(hc[i]) * unit - mean_h * mean_c;
        out.rate[i] += loss.bits * (2 / kTemperature) * of_bits / prior.scale;
        if (prior.rvq_level == 0) out.value[i] += (2 / kTemperature) * of_value;
    }
}

// (12)
template <class Team>
AEC_TEAM void sigma_gradient(const Team& team, const LevelPrior& prior, const Latents& latents, int chosen,
                             float log_total, float of_bits, GroupSlopes& out) {
    float square[kGroup] = {};
    for (int k = team.rank(); k < prior.count; k += team.size()) {
        const float p = expf(-(prior.energy(k) + log_total));
        for (int i = 0; i < kGroup; ++i) {
            const float t = prior.word(i, k) + prior.offset[i];
            square[i] += p * t * t;
        }
    }
    for (int i = 0; i < kGroup; ++i) {
        const float v = prior.variance[i], t = prior.offset[i] + prior.word(i, chosen);
        const float g = -of_bits * (t * t - team.sum(square[i])) / (2 * v * v * kLn2);
        out.sigma[i] += 2 * g * latents.sigma[i] / (prior.scale * prior.scale);
        out.variance[prior.rvq_level ? 1 : 0] += g;
    }
}

template <class Team>
AEC_TEAM void quantise_gradient(const Team& team, const GroupQuantiser& q, const GroupLatents& group, float beta,
                                const uint8_t* code, const LossGradient& loss, GroupSlopes& out, TableTerms& terms) {
    const Latents latents(group.residual, group.sigma);
    out = GroupSlopes{};
    Path path = {};
    bool smooth = latents.sigma_max > kSmooth;
    for (int rvq_level = top_rvq_level(q, latents); rvq_level >= 0; --rvq_level) {
        const int chosen = code[q.rvq_levels - 1 - rvq_level];
        const LevelPrior prior(q, latents, rvq_level, path);
        float log_total = 0;
        if (prior.count > 1) {
            log_total = prior.log_total(team);
            if (!smooth) soft_gradient(team, prior, beta, log_total, loss, out);
            sigma_gradient(team, prior, latents, chosen, log_total, loss.bits, out);
        }
        if (rvq_level == 0) {
            terms.log_total = log_total, terms.grad_bits = loss.bits, terms.count = prior.count;
            terms.chosen = chosen | (path.has_coarser_code ? 256 : 0);
            for (int i = 0; i < kGroup; ++i) {
                terms.offset[i] = prior.offset[i], terms.half_inverse[i] = prior.half_inverse[i];
                terms.grad_value[i] = loss.value[i];
            }
        }
        path = extended(q, prior, path, chosen, log_total);
        smooth |= path.has_coarser_code && rvq_level > 0;
    }
    for (int i = 0; smooth && i < kGroup; ++i) {  // (15)
        const float sigma = latents.sigma[i];
        out.rate[i] = loss.bits * latents.residual[i] / ((sigma * sigma + q.fine_variance) * kLn2);
        out.value[i] = loss.value[i];
    }
}

// What one group adds to the gradients of codeword k and its two log weights: (13), (14).
struct CodewordSlopes {
    float word[kGroup], log_weight[2];

    AEC_TEAM void add(const TableTerms& terms, const float* word_k, const float* log_weight_k, int k) {
        const bool row = terms.chosen >> 8, chosen = (terms.chosen & 255) == k;
        if (terms.count > 1 && k < terms.count) {
            float energy = -log_weight_k[row], t[kGroup];
            for (int i = 0; i < kGroup; ++i) {
                t[i] = word_k[i] + terms.offset[i];
                energy += t[i] * t[i] * terms.half_inverse[i];
            }
            const float share = terms.grad_bits / kLn2 * (expf(-(energy + terms.log_total)) - (chosen ? 1.0f : 0.0f));
            for (int i = 0; i < kGroup; ++i) word[i] -= share * t[i] * 2 * terms.half_inverse[i];
            log_weight[0] += row ? 0 : share, log_weight[1] += row ? share : 0;  // no index that changes: registers
        }
        for (int i = 0; chosen && i < kGroup; ++i) word[i] += terms.grad_value[i];
    }
};

// See GroupQuantiser::min_candidates.
AEC_TEAM int min_candidates(int codewords) { return codewords < 32 ? codewords : 32; }

// How many codewords are possible at the σ of an index: as in training/quantiser.cpp.
AEC_TEAM int training_prefix(const float* codebook, int codewords, float variance, int sigma_index) {
    const float sigma = exp2f(static_cast<float>(sigma_index) / kSigmaPerOctave + kSigmaOctaveMin);
    const float reach = kPossibleBits * 2.0f * (sigma * sigma + variance) / 1.44269504f;
    int needed = 0;
    for (int k = 0; k < codewords; ++k) {
        float norm = 0;
        for (int i = 0; i < kGroup; ++i) norm += codebook[i * codewords + k] * codebook[i * codewords + k];
        if (norm <= reach) needed = k + 1;
    }
    const int rounded = (needed + 7) / 8 * 8;
    return needed <= 1 ? 1 : rounded < codewords ? rounded : codewords;
}

}  // namespace aec::team
