// The quantiser over batches of residuals, as the trainer uses it.
#pragma once
#include "kernels/kernels.h"

namespace aec {

// Codebooks of a stage; see GroupQuantiser.
struct StageQuantiser {
    int groups, codewords, rvq_levels;
    const float* fine;        // [groups][4][K]
    const float* coarse;      // [4][K]
    const float* log_weight;  // [groups][2][K]
    const float* variance;    // [2] fine, coarse
    float beta;               // the search's price of a bit, in squared steps
};

// residual, sigma, value [count][groups][4]; code [count][groups][rvq_levels]; bits [count][groups].
void quantise(const StageQuantiser& q, const float* residual, const float* sigma, int64_t count, int threads,
              uint8_t* code, float* value, float* bits);

// grad_value [count][groups][4] and grad_bits [count][groups] are the loss's gradients. Adds to rate, soft_value and
// sigma [count][groups][4], fine [groups][4][K], log_weight [groups][2][K] and variance [2]; see GroupGradient.
void quantise_gradient(const StageQuantiser& q, const float* residual, const float* sigma, const uint8_t* code,
                       int64_t count, const float* grad_value, const float* grad_bits, int threads, float* rate,
                       float* soft_value, float* grad_sigma, float* fine, float* log_weight, float* variance);

// The same for a team of threads a group (kernels/quantiser_team-inl.h): of a CUDA device, whose memory everything then
// lies in, or of the host one after the other, which is for tests.
struct TeamQuantise {
    const float *residual, *sigma;
    int64_t count;
    int32_t* prefix;  // room for [groups + 1][kSigmaCount], which the gradient reads
    uint8_t* code;
    float *value, *bits;
};
struct TeamGradient {
    const float *residual, *sigma;
    int64_t count;
    const int32_t* prefix;
    const uint8_t* code;
    const float *grad_value, *grad_bits;
    float *of_residual, *of_sigma;  // [count][groups][4], the first of both rate and soft value
    float* of_variance;             // [count][groups][2], to be added up
    void* terms;                    // room for [groups][count] of team_terms_size() bytes
    float *fine, *log_weight;       // added to
};
int team_terms_size();
void quantise_host(const StageQuantiser& q, const TeamQuantise& batch);
void quantise_gradient_host(const StageQuantiser& q, const TeamGradient& batch);
// On a stream of the device. They throw runtime_error with what CUDA says.
void quantise_cuda(const StageQuantiser& q, const TeamQuantise& batch, void* stream);
void quantise_gradient_cuda(const StageQuantiser& q, const TeamGradient& batch, void* stream);

}  // namespace aec
