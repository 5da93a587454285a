// The inner loops, compiled once for every instruction set and chosen at run time. All variants agree bit for bit.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/constants.h"

namespace aec {

// One output row of a convolution in fixed point: out = (sum of weight * input + bias) >> shift, rounded.
struct ConvRow {
    const int16_t* const*
        taps;  // [taps] where the first output pixel's input for that tap starts, within ±kConvInputMax
    int tap_count;
    int64_t pixel_stride;  // int16s from one output pixel's input to the next one's
    int in_channels;
    const int16_t* weights;  // [out / 16][taps][in / 2][16][2]
    int out_channels;
    const int32_t* bias;   // [out] the rounding offset included
    const int32_t* shift;  // [out]
    int64_t width;
    int32_t* out;  // [width][out]
};

// What comes after the products of Winograd's 3x3 convolution: two rows, as those of ConvRow.
struct WinogradOutput {
    const int32_t* products;  // [16][tiles][block]
    int64_t tiles;
    int block;                    // output channels, a multiple of 8
    const int32_t *bias, *shift;  // [block]
    int64_t width;                // output pixels of a row, 2 tiles or one less
    int64_t stride;               // int32s from one output pixel to the next
    int32_t* rows[2];
};

constexpr int kMaxPaths = 8;

// The quantiser of one group of latents, in floating point: what the encoder searches and the trainer differentiates.
// A residual is coded in RVQ levels, coarse to fine; RVQ level j's codewords are scaled by 4^j and code what is left
// over. With t = (what the coarser RVQ levels give) / 4^j + codeword, all in the RVQ level's own steps, its prior is
//     P(k) ∝ exp(log_weight_k - sum_i t_i^2 / (2 (σ_i^2 / 16^j + cell_variance))).
struct GroupQuantiser {
    int rvq_levels;              // 1..kMaxRvqLevels
    int codewords;               // K, a multiple of 8, at most kMaxCodewords
    const float* fine;           // [4][K] the finest RVQ level's codewords; codeword 0 is zero
    const float* coarse;         // [4][K] those of every other RVQ level; codeword 0 is zero
    const float* log_weight[2];  // [K] natural logs, of the finest RVQ level: if the coarser codes are all zero, or not
    float fine_variance, coarse_variance;
    // [kSigmaCount] how many codewords are possible if the coarser codes are all zero, by the index of the
    // group's largest σ in the RVQ level's steps: 1, or a multiple of 8. A lone codeword costs no bits.
    const int32_t *fine_prefix, *coarse_prefix;
    // Codewords that the finest RVQ level can take all the same if the residual is long: in training, so that a σ
    // that is too small is noticed; 1 if the codes are for a file.
    int min_candidates;
};

// A codebook to be searched for nearest codewords.
struct NearestSearch {
    const float* codebook;  // [d][K], dimension-major
    const float* norm;      // [K] the codewords' biases + |c|^2
    int dimensions, codewords;
};
constexpr int kNearestQueries = 4;  // searched together

// How codes are searched.
struct Search {
    float beta;  // the price of a bit, in squared steps
    int paths;   // kept from one RVQ level to the next, 1..kMaxPaths
    bool bits;   // whether Quantised::bits is wanted
};

struct Quantised {
    uint8_t code[kMaxRvqLevels];  // the coarsest RVQ level first
    float value[kGroup];          // the sum of the RVQ levels' codewords, in steps
    float bits;
};

// A group's residual and σ, [4] each in steps.
struct GroupLatents {
    const float *residual, *sigma;
};

// The loss's gradients with respect to what quantise gives.
struct LossGradient {
    const float* value;  // [4]
    float bits;
};

// Where quantise_gradient adds its results.
struct GroupGradient {
    float* rate;           // [4] of the bits with respect to the residual
    float* value;          // [4] of the loss with respect to the residual, through the finest RVQ level's soft value
    float* sigma;          // [4]
    float* fine;           // [4][K]
    float* log_weight[2];  // [K]
    float* variance;       // [2] fine, coarse
};

// A codebook for the prior in integers: dimension-major, K a multiple of 8.
struct PriorTables {
    int codewords;               // K
    const int16_t* words;        // [4][K] with kCodewordBits
    const int16_t* squares;      // [4][K] with 6 fractional bits
    const int32_t* weight_bits;  // [K] -log2 of the weights with 16 fractional bits, or null
};

struct Kernels {
    const char* name;
    void (*conv_row)(const ConvRow&);
    // FiLM (Perez et al., AAAI 2018): out = leaky(clamp16(in) * scale / 2^12 + shift), clamped to a convolution's
    // input; [width][n], scale and shift [n]
    void (*film)(const int32_t* in, const int16_t* scale, const int16_t* shift, int16_t* out, int64_t width, int64_t n);
    void (*leaky)(const int32_t* in, int16_t* out, int64_t count);  // leaky ReLU, clamped to a convolution's input
    void (*add)(const int16_t* x, const int32_t* y, int16_t* out, int64_t count);  // saturating
    void (*clamp)(const int16_t* in, int16_t* out, int64_t count, int16_t limit);  // to ± limit
    // Features, their magnitudes and the mean magnitudes of 3x3 positions, [width][3 * channels], of rows [3][width +
    // 2] [channels] within ± kConvInputMax; columns: room for a row's sums.
    void (*prior_inputs)(const int16_t* const* rows, int channels, int64_t width, uint16_t* columns, int16_t* out);
    // μ and σ's indices, [width][d] each, from what the prior's network gives, [width][2 * d]; log_gain [d]
    void (*prior_outputs)(const int32_t* in, const int16_t* log_gain, int64_t width, int64_t d, int16_t* mu,
                          uint8_t* sigma);
    // rows [4][2 * tiles + 2][channels], of sums of four that fit, to [16][tiles][channels]; see winograd-inl.h
    void (*winograd_input)(const int16_t* const* rows, int channels, int64_t tiles, int16_t* out);
    void (*winograd_output)(const WinogradOutput&);
    // Nearest codewords of `count` queries z [count][d]; weight [count][d] or null; scratch: room for kNearestQueries *
    // d floats; see nearest.h.
    void (*nearest)(const NearestSearch&, const float* z, const float* weight, int64_t count, float* scratch,
                    int32_t* index);
    // Exponents -log2 of the prior's masses, with 16 fractional bits, of the first `count` codewords, a multiple of 8,
    // and the least of them. inverse [4]; offset [4], of what the coarser RVQ levels give, or null if they are all
    // zero.
    int32_t (*exponents)(const PriorTables&, int count, const int32_t* inverse, const int32_t* offset,
                         int32_t* exponents);
    // Frequencies [count] that sum to 2^16, each at least 1, from such exponents, at least 0, and the least of them;
    // count is a multiple of 8.
    void (*frequencies)(const int32_t* exponents, int32_t least, int count, uint16_t* frequencies);
    // argmin over the codes of |residual - value|^2 + beta * bits; residual and sigma [4] in steps.
    Quantised (*quantise)(const GroupQuantiser&, const float* residual, const float* sigma, const Search&);
    void (*quantise_gradient)(const GroupQuantiser&, const GroupLatents&, float beta, const Quantised&,
                              const LossGradient&, const GroupGradient&);
};

const Kernels& kernels();                      // the chosen ones; at first the best that this CPU runs
std::vector<std::string> available_kernels();  // best first; "scalar" is always last
void choose_kernels(const std::string& name);  // std::invalid_argument if the name is not available

}  // namespace aec
