#include "training/quantiser.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/workers.h"

namespace aec {
namespace {

constexpr int kMinCandidates = 32;  // see GroupQuantiser::min_candidates

std::vector<int32_t> training_prefix(const float* codebook, int count, float variance) {
    std::vector<int32_t> prefix;
    for (int s = 0; s < kSigmaCount; ++s) {
        const float sigma = std::exp2(static_cast<float>(s) / kSigmaPerOctave + kSigmaOctaveMin);
        const float reach =
            kPossibleBits * 2.0f * (sigma * sigma + variance) / 1.44269504f;  // of a codeword's squared norm
        int needed = 0;
        for (int k = 0; k < count; ++k) {
            float norm = 0;
            for (int i = 0; i < kGroup; ++i) norm += codebook[i * count + k] * codebook[i * count + k];
            if (norm <= reach) needed = k + 1;
        }
        prefix.push_back(needed <= 1 ? 1 : std::min(count, (needed + 7) / 8 * 8));
    }
    return prefix;
}

// The group quantisers of a stage, and the prefix tables that they point at.
struct Prepared {
    std::vector<std::vector<int32_t>> prefixes;
    std::vector<GroupQuantiser> groups;

    explicit Prepared(const StageQuantiser& q) {
        const int64_t size = static_cast<int64_t>(q.codewords) * kGroup;
        for (int g = 0; g < q.groups; ++g)
            prefixes.push_back(training_prefix(q.fine + g * size, q.codewords, q.variance[0]));
        prefixes.push_back(training_prefix(q.coarse, q.codewords, q.variance[1]));
        for (int g = 0; g < q.groups; ++g) {
            const float* weight = q.log_weight + static_cast<int64_t>(g) * 2 * q.codewords;
            groups.push_back({q.rvq_levels,
                              q.codewords,
                              q.fine + g * size,
                              q.coarse,
                              {weight, weight + q.codewords},
                              q.variance[0],
                              q.variance[1],
                              prefixes[g].data(),
                              prefixes.back().data(),
                              std::min(q.codewords, kMinCandidates)});
        }
    }
};

}  // namespace

void quantise(const StageQuantiser& q, const float* residual, const float* sigma, int64_t count, int threads,
              uint8_t* code, float* value, float* bits) {
    const Prepared prepared(q);
    const Search search{q.beta, kMaxPaths, true};
    Workers(threads).split(count, 64, [&](int64_t begin, int64_t end, Scratch&) {
        for (int64_t n = begin * q.groups; n < end * q.groups; ++n) {
            const Quantised r =
                kernels().quantise(prepared.groups[n % q.groups], residual + n * kGroup, sigma + n * kGroup, search);
            std::copy(r.code, r.code + q.rvq_levels, code + n * q.rvq_levels);
            std::copy(r.value, r.value + kGroup, value + n * kGroup);
            bits[n] = r.bits;
        }
    });
}

void quantise_gradient(const StageQuantiser& q, const float* residual, const float* sigma, const uint8_t* code,
                       int64_t count, const float* grad_value, const float* grad_bits, int threads, float* rate,
                       float* soft_value, float* grad_sigma, float* fine, float* log_weight, float* variance) {
    const Prepared prepared(q);
    const int64_t fine_size = static_cast<int64_t>(q.groups) * kGroup * q.codewords,
                  weight_size = static_cast<int64_t>(q.groups) * 2 * q.codewords;
    // Each part of the residuals has sums of its own, and the parts do not depend on which thread is faster: so the
    // results are the same in every run with as many threads.
    const int64_t parts = std::min<int64_t>(thread_count(threads), std::max<int64_t>(count, 1));
    std::vector<std::vector<float>> shared(parts, std::vector<float>(fine_size + weight_size + 2));
    Workers(threads).split(parts, 1, [&](int64_t first, int64_t last, Scratch&) {
        for (int64_t part = first; part < last; ++part) {
            float* sums = shared[part].data();
            for (int64_t n = count * part / parts * q.groups; n < count * (part + 1) / parts * q.groups; ++n) {
                const int64_t g = n % q.groups;
                Quantised chosen{};
                std::copy(code + n * q.rvq_levels, code + (n + 1) * q.rvq_levels, chosen.code);
                float* weight = sums + fine_size + g * 2 * q.codewords;
                kernels().quantise_gradient(prepared.groups[g], {residual + n * kGroup, sigma + n * kGroup}, q.beta,
                                            chosen, {grad_value + n * kGroup, grad_bits[n]},
                                            {rate + n * kGroup,
                                             soft_value + n * kGroup,
                                             grad_sigma + n * kGroup,
                                             sums + g * kGroup * q.codewords,
                                             {weight, weight + q.codewords},
                                             sums + fine_size + weight_size});
            }
        }
    });
    for (const auto& sums : shared) {
        for (int64_t i = 0; i < fine_size; ++i) fine[i] += sums[i];
        for (int64_t i = 0; i < weight_size; ++i) log_weight[i] += sums[fine_size + i];
        for (int i = 0; i < 2; ++i) variance[i] += sums[fine_size + weight_size + i];
    }
}

}  // namespace aec
