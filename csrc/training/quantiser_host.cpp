// The host-side twin of quantiser.cu: the same bodies, with teams of one thread, one after the other.
#include <vector>

#include "kernels/quantiser_team-inl.h"
#include "training/quantiser.h"

namespace aec {
namespace {

GroupQuantiser tables(const StageQuantiser& q, const int32_t* prefix, int group) {
    const int64_t k = q.codewords;
    const float* weight = q.log_weight + group * 2 * k;
    return {q.rvq_levels,
            q.codewords,
            q.fine + group * kGroup * k,
            q.coarse,
            {weight, weight + k},
            q.variance[0],
            q.variance[1],
            prefix + group * kSigmaCount,
            prefix + q.groups * kSigmaCount,
            team::min_candidates(q.codewords)};
}

// What all vectors give to the tables of a group.
void table_gradients(const StageQuantiser& q, const TeamGradient& b, const GroupQuantiser& own, int64_t g) {
    const auto* terms = static_cast<const team::TableTerms*>(b.terms) + g * b.count;
    const int64_t codewords = q.codewords;
    for (int64_t k = 0; k < codewords; ++k) {
        float word[kGroup], weight[2];
        for (int i = 0; i < kGroup; ++i) word[i] = own.fine[i * codewords + k];
        for (int j = 0; j < 2; ++j) weight[j] = own.log_weight[j][k];
        team::CodewordSlopes slopes = {};
        for (int64_t n = 0; n < b.count; ++n) slopes.add(terms[n], word, weight, static_cast<int>(k));
        for (int i = 0; i < kGroup; ++i) b.fine[(g * kGroup + i) * codewords + k] += slopes.word[i];
        for (int j = 0; j < 2; ++j) b.log_weight[(g * 2 + j) * codewords + k] += slopes.log_weight[j];
    }
}

}  // namespace

int team_terms_size() { return sizeof(team::TableTerms); }

void quantise_host(const StageQuantiser& q, const TeamQuantise& b) {
    for (int g = 0; g <= q.groups; ++g)
        for (int s = 0; s < kSigmaCount; ++s) {
            const bool coarse = g == q.groups;
            const float* words = coarse ? q.coarse : q.fine + static_cast<int64_t>(g) * kGroup * q.codewords;
            b.prefix[g * kSigmaCount + s] = team::training_prefix(words, q.codewords, q.variance[coarse], s);
        }
    for (int64_t at = 0; at < b.count * q.groups; ++at) {
        const GroupQuantiser own = tables(q, b.prefix, static_cast<int>(at % q.groups));
        const Quantised found =
            team::quantise(team::Single(), own, b.residual + at * kGroup, b.sigma + at * kGroup, q.beta);
        for (int j = 0; j < q.rvq_levels; ++j) b.code[at * q.rvq_levels + j] = found.code[j];
        for (int i = 0; i < kGroup; ++i) b.value[at * kGroup + i] = found.value[i];
        b.bits[at] = found.bits;
    }
}

void quantise_gradient_host(const StageQuantiser& q, const TeamGradient& b) {
    auto* terms = static_cast<team::TableTerms*>(b.terms);
    for (int g = 0; g < q.groups; ++g) {
        const GroupQuantiser own = tables(q, b.prefix, g);
        for (int64_t n = 0; n < b.count; ++n) {
            const int64_t at = n * q.groups + g;
            team::GroupSlopes slopes = {};
            team::quantise_gradient(team::Single(), own, {b.residual + at * kGroup, b.sigma + at * kGroup}, q.beta,
                                    b.code + at * q.rvq_levels, {b.grad_value + at * kGroup, b.grad_bits[at]}, slopes,
                                    terms[g * b.count + n]);
            for (int i = 0; i < kGroup; ++i) {
                b.of_residual[at * kGroup + i] = slopes.rate[i] + slopes.value[i];
                b.of_sigma[at * kGroup + i] = slopes.sigma[i];
            }
            for (int i = 0; i < 2; ++i) b.of_variance[at * 2 + i] = slopes.variance[i];
        }
        table_gradients(q, b, own, g);
    }
}

}  // namespace aec
