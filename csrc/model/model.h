// What the model file holds (docs/format.md, section 2), checked, and packed as the kernels want it.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "model/constants.h"

namespace aec {

struct StageShape {
    int level = 0, latents = 0, rvq_levels = 0, refine = 0, stream = 0;

    int groups() const { return latents / kGroup; }
    int codes() const { return groups() * rvq_levels; }  // of a position
};

// Sizes; aecodec/network/network.py explains them.
struct NetworkShape {
    std::vector<int> channels, hidden, analysis;  // a level
    std::vector<StageShape> stages;               // coarse to fine
    std::vector<std::pair<int, int>> previews;    // scale, stages
    int feature_bits = 0;                         // fractional bits of features
    int codewords = 0;

    int levels() const { return static_cast<int>(channels.size()); }
    int multiple() const { return kBlock << (levels() - 1); }  // of padded pictures' sides
    int streams() const { return stages.back().stream + 1; }
};

// A tensor of the model file, by its name; throws std::invalid_argument if it is missing or not of this many
// elements.
struct Tensors {
    std::function<const int16_t*(const std::string&, int64_t)> int16;
    std::function<const int32_t*(const std::string&, int64_t)> int32;
    std::function<const float*(const std::string&, int64_t)> float32;
};

struct Conv {
    int in = 0, out = 0, taps = 0;
    std::vector<int16_t> weights;      // [out / 16][taps][in / 2][16][2]
    std::vector<int16_t> winograd;     // see winograd_weights; nothing if it is not 3x3
    std::vector<int32_t> bias, shift;  // [out] the rounding offset included
};

struct Block {
    Conv spatial, mix;
    std::vector<int16_t> film;  // [100][scale, shift][hidden]
};

// Of one group of latents. Dimension-major, so that a vector holds several codewords.
struct Codebook {
    int count = 0;                             // K
    std::vector<int16_t> words, squares;       // [4][K] with kCodewordBits, with kSquareBits
    std::vector<int32_t> weight_bits[2];       // [K] with kExponentBits, if the coarser codes are all zero, or not;
                                               // empty: no weights
    std::vector<int32_t> prefix;               // [kSigmaCount] how many codewords are possible, see GroupQuantiser
    std::vector<float> search, log_weight[2];  // [4][K] and [K]: the same for the encoder's search
};

struct Stage {
    StageShape shape;
    Conv select, posterior_in, posterior_out, prior_in, prior_out, inject;
    std::vector<int16_t> log_gain;             // [100][latents] with kLogGainBits: log2 of steps per feature unit
    std::vector<int32_t> step;                 // [100][latents] with kStepBits
    std::vector<int32_t> inverse_variance[2];  // [kSigmaCount] with kInverseVarianceBits; fine, coarse
    float variance[2] = {};                    // s of the same, for the encoder's search
    std::vector<Codebook> groups;
    Codebook coarse;
    std::vector<Block> refine;

    const Codebook& codebook(int64_t group, int rvq_level) const { return rvq_level ? coarse : groups[group]; }
};

// The colours of the picture, or of a reduced one, as a linear function of the features after some stages.
struct Head {
    int scale = 1;     // of the picture's sides
    int stages = 0;    // that it needs
    int side = 0;      // pixels on a side of what a position of the last of them gives
    Conv conv;         // to [3][side][side] and, up to a multiple of kOutBlock, nothing
    Conv sixteen_bit;  // the same with kSixteenBitFraction fractional bits
};

struct Model {
    // Throws std::invalid_argument, which says what is wrong: a shape that no network has, a tensor that is missing or
    // of another size, a value out of range, weights with which a sum could overflow.
    Model(const NetworkShape& shape, const Tensors& tensors);

    NetworkShape shape;
    Conv stem;
    std::vector<std::vector<Block>> analysis;  // [level]
    std::vector<Conv> down, up;                // between levels l and l + 1
    std::vector<Stage> stages;
    std::vector<Head> heads;  // the first is the full picture's
};

// What takes noise out of a picture before it is coded; aecodec/network/denoiser.py explains it.
constexpr int kDenoiserSide = 4;  // pixels on a side of a position

struct DenoiserModel {
    // Throws std::invalid_argument.
    DenoiserModel(int channels, int hidden, int blocks, const Tensors& tensors);

    Conv stem, head;
    std::vector<Block> blocks;
};

}  // namespace aec
