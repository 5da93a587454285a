// Codes the latents of a stage, a tile at a time: the prior's integer probabilities, the search, and the rANS coder.
#pragma once
#include "base/map.h"
#include "base/random.h"
#include "entropy/rans.h"
#include "kernels/kernels.h"
#include "model/frame.h"
#include "model/model.h"

namespace aec {

// A part of a stage's rows, what the prior says of their latents, and what they turn out to be. Maps start at its
// corner.
struct Band {
    Rectangle area;      // in positions of the stage's level
    Features mu;         // in features
    Map<uint8_t> sigma;  // an index of σ
    Map<uint8_t> code;   // [groups][rvq_levels], the coarsest RVQ level first
    Map<int32_t> value;  // coded minus mu, in steps with kCodewordBits
};

// Chooses the codes of the band's rows begin..end (from its top) for the latents z, which are in features,
// [rows][columns].
void choose_codes(const Stage& stage, const Map<int32_t>& z, const Qualities& qualities, int feature_bits,
                  const Search& search, int64_t begin, int64_t end, Band& band);

// How codes are drawn from the prior.
struct Draw {
    uint64_t seed;  // of the stage
    int sharpness;  // 1 / temperature with kSharpnessBits: -log2 of the masses is multiplied by it
};
constexpr int kSharpnessBits = 8;
constexpr int kSharpnessMax = 1 << 16;

// Draws the codes of the band's rows begin..end (from its top), by the prior's masses, raised to the power of the
// sharpness. What is drawn for a row depends on the seed, the row and the features before the stage alone.
void draw_codes(const Stage& stage, const Draw& draw, int64_t begin, int64_t end, Band& band);

// Writes the codes of a part of the band, in positions of the level, and fills in their values -> the bits that they
// take. Throws std::invalid_argument if a code is impossible.
double write_codes(const Stage& stage, Rectangle part, Band& band, RansEncoder& coder);

// Reading takes turns, as a code's place in the stream is known once those before it are read; but most of its time
// goes into frequencies, and no code has a say in those that a group begins with. So they are worked out beforehand, by
// any thread: those of one group after another, at most kMaxCodewords of each.
void find_openings(const Stage& stage, Rectangle part, Band& band, uint16_t* openings);
void read_codes(const Stage& stage, Rectangle part, const uint16_t* openings, Band& band, RansDecoder& coder);

}  // namespace aec
