// Codes the latents of a stage, a tile at a time: the prior's integer probabilities, the search, and the rANS coder.
#pragma once
#include "network.h"
#include "rans.h"

namespace aec {

struct Rectangle {
    long top, left, bottom, right;
};

// Splits a picture, padded to `multiple`, in square tiles, row by row.
class Tiling {
public:
    Tiling(long height, long width, int tile_log2, long multiple);
    long height() const { return height_; }  // padded
    long width() const { return width_; }
    long rows() const { return rows_; }
    long columns() const { return columns_; }
    long count() const { return rows_ * columns_; }
    long side(int level) const { return (1L << tile_log2_) / (static_cast<long>(kBlock) << level); }  // in positions of a level
    Rectangle at(long row, long column, int level) const;  // in positions of a level

private:
    long height_, width_, rows_, columns_;
    int tile_log2_;
};

// Some rows of a stage, what the prior says of their latents, and what they turn out to be. Maps start at the band's top.
struct Band {
    long top, bottom;     // in positions of the stage's level
    Features mu;          // in features
    Map<uint8_t> sigma;   // an index of σ
    Map<int32_t> value;   // coded minus mu, in steps with kCodewordBits
};

// codewords [K][4]; weight_bits [2][K] with 8 fractional bits, or null; inverse_variance [kSigmaCount]
Codebook load_codebook(const int16_t* codewords, const int16_t* weight_bits, int count, const std::vector<int32_t>& inverse_variance);

// Chooses the codes of the latents z (in features; from the band's top) of the part of a tile that lies in the band, fills in
// their values, and returns the bits they take.
double encode_tile(const Stage& stage, const Map<int32_t>& z, int quality, int feature_bits, float beta, Rectangle tile, Band& band,
                   RansEncoder& coder);
void decode_tile(const Stage& stage, Rectangle tile, Band& band, RansDecoder& coder);

}  // namespace aec
