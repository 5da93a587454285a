// What the blocks of 8x8 pixels of a picture cost with codewords, and in a lossless layer: estimates, in bits.
#pragma once
#include <cstdint>

namespace aec {

// A picture of gray or RGB, [height][width][channels] with 1 or 3 channels. Blocks at its edges may be cut.
struct Samples {
    const uint8_t* data;
    int64_t height, width;
    int channels;
};

constexpr int kCostBlock = 8;

inline int64_t cost_blocks(int64_t pixels) { return (pixels + kCostBlock - 1) / kCostBlock; }

// With codewords, bits and λ times the squared error of a pixel's colours: those of a transform codec, where every
// coefficient of an 8x8 DCT is left out, or costs what half the logarithm of its energy says. costs [rows][columns].
void codeword_costs(const Samples& samples, float lambda, int threads, float* costs);

// Of WebP's lossless format: runs of equal pixels cost nearly nothing, others what their colour's frequency or their
// residual says. costs, runs [rows][columns]; the latter is how many pixels are like a neighbour.
void layer_costs(const Samples& samples, int threads, float* costs, uint8_t* runs);

}  // namespace aec
