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

// The same on a CUDA device, whose memory everything lies in, on a stream of it. prefix: room for (groups + 1) *
// kSigmaCount, filled by the first and read by the second; terms: room for count * groups of table_terms_size() bytes.
// of_residual [count][groups][4] takes both gradients' sum, of_variance [count][groups][2] what is to be added up; fine and
// log_weight are added to. -> null, or what CUDA says has gone wrong.
int table_terms_size();
const char* quantise_cuda(const StageQuantiser& q, int32_t* prefix, const float* residual, const float* sigma,
                          int64_t count, uint8_t* code, float* value, float* bits, void* stream);
const char* quantise_gradient_cuda(const StageQuantiser& q, const int32_t* prefix, const float* residual,
                                   const float* sigma, const uint8_t* code, int64_t count, const float* grad_value,
                                   const float* grad_bits, float* of_residual, float* of_sigma, float* of_variance,
                                   void* terms, float* fine, float* log_weight, void* stream);

}  // namespace aec
