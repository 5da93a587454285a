// Codes the latents of a stage, a tile at a time: the prior's integer probabilities, the search, and the rANS coder.
#pragma once
#include "entropy/rans.h"
#include "runtime/network.h"

namespace aec {

// Splits a picture, padded to `multiple`, in square tiles, row by row.
class Tiling {
public:
    Tiling(int64_t height, int64_t width, int tile_log2, int64_t multiple);
    int64_t height() const { return height_; }  // padded
    int64_t width() const { return width_; }
    int64_t rows() const { return rows_; }
    int64_t columns() const { return columns_; }
    int64_t count() const { return rows_ * columns_; }
    int64_t side(int level) const {
        return (int64_t{1} << tile_log2_) / (static_cast<int64_t>(kBlock) << level);
    }  // in positions of a level
    Rectangle whole(int level) const { return {0, 0, height_ / (kBlock << level), width_ / (kBlock << level)}; }
    Rectangle at(int64_t row, int64_t column, int level) const;  // in positions of a level
    Rectangle around(Rectangle positions, int level) const;      // the tiles that hold them, in tiles

private:
    int64_t height_, width_, rows_, columns_;
    int tile_log2_;
};

// A part of a stage's rows, what the prior says of their latents, and what they turn out to be. Maps start at its
// corner.
struct Band {
    Rectangle area;      // in positions of the stage's level
    Features mu;         // in features
    Map<uint8_t> sigma;  // an index of σ
    Map<uint8_t> code;   // [groups][digits], the coarsest digit first
    Map<int32_t> value;  // coded minus mu, in steps with kCodewordBits
};

// codewords [K][4]; weight_bits [2][K] with 8 fractional bits, or null; inverse_variance [kSigmaCount]
Codebook load_codebook(const int16_t* codewords, const int16_t* weight_bits, int count,
                       const std::vector<int32_t>& inverse_variance);

// Chooses the codes of the band's rows begin..end (from its top) for the latents z, which are in features,
// [rows][columns].
void choose_codes(const Stage& stage, const Map<int32_t>& z, int quality, int feature_bits, const Search& search,
                  int64_t begin, int64_t end, Band& band);

// Writes and reads the codes of a part of the band, in positions of the level, and fills in their values. Writing
// returns the bits that they take; it throws std::invalid_argument where a code is impossible.
double write_codes(const Stage& stage, Rectangle part, Band& band, RansEncoder& coder);
void read_codes(const Stage& stage, Rectangle part, Band& band, RansDecoder& coder);

}  // namespace aec
