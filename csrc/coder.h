// Codes the latents of a stage, a tile at a time: the prior's integer probabilities, the search, and the rANS coder.
#pragma once
#include "network.h"
#include "rans.h"

namespace aec {

// What the prior says of a stage's latents, and what they turn out to be.
struct Prediction {
    Features mu;         // in features
    Map<uint8_t> sigma;  // an index of σ
    Map<int32_t> value;  // coded minus mu, in steps with kCodewordBits
};

struct Rectangle {
    long top, left, bottom, right;
};

// Splits a picture, padded to `multiple`, in square tiles, row by row.
class Tiling {
public:
    Tiling(long height, long width, int tile_log2, long multiple);
    long count() const { return rows_ * columns_; }
    Rectangle at(long tile, int level) const;  // in positions of a level

private:
    long height_, width_, rows_, columns_;
    int tile_log2_;
};

// codewords [K][4]; weight_bits [2][K] with 8 fractional bits, or null; inverse_variance [kSigmaCount]
Codebook load_codebook(const int16_t* codewords, const int16_t* weight_bits, int count, const std::vector<int32_t>& inverse_variance);

// Chooses the codes of the latents z (in features) of a tile, fills in their values, and returns the bits they take.
double encode_tile(const Stage& stage, const Map<int32_t>& z, int quality, int feature_bits, float beta, Rectangle tile, Prediction& p,
                   RansEncoder& coder);
void decode_tile(const Stage& stage, Rectangle tile, Prediction& p, RansDecoder& coder);

}  // namespace aec
