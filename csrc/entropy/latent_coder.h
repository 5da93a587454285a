// Codes the latents of a stage, a tile at a time: the prior's integer probabilities, the search, and the rANS coder.
#pragma once
#include "runtime/network.h"
#include "entropy/rans.h"

namespace aec {

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
    Rectangle whole(int level) const { return {0, 0, height_ / (kBlock << level), width_ / (kBlock << level)}; }
    Rectangle at(long row, long column, int level) const;  // in positions of a level
    Rectangle around(Rectangle positions, int level) const;  // the tiles that hold them, in tiles

private:
    long height_, width_, rows_, columns_;
    int tile_log2_;
};

// A part of a stage's rows, what the prior says of their latents, and what they turn out to be. Maps start at its corner.
struct Band {
    Rectangle area;       // in positions of the stage's level
    Features mu;          // in features
    Map<uint8_t> sigma;   // an index of σ
    Map<uint8_t> code;    // [groups][digits], the coarsest digit first
    Map<int32_t> value;   // coded minus mu, in steps with kCodewordBits
};

// codewords [K][4]; weight_bits [2][K] with 8 fractional bits, or null; inverse_variance [kSigmaCount]
Codebook load_codebook(const int16_t* codewords, const int16_t* weight_bits, int count, const std::vector<int32_t>& inverse_variance);

// Chooses the codes of the band's rows begin..end (from its top) for the latents z, which are in features, [rows][columns].
void choose_codes(const Stage& stage, const Map<int32_t>& z, int quality, int feature_bits, const Search& search, long begin, long end, Band& band);

// Writes and reads the codes of a part of the band, in positions of the level, and fills in their values. Writing returns the
// bits that they take; it throws std::invalid_argument where a code is impossible.
double write_codes(const Stage& stage, Rectangle part, Band& band, RansEncoder& coder);
void read_codes(const Stage& stage, Rectangle part, Band& band, RansDecoder& coder);

}  // namespace aec
