// The network in fixed point: encodes pixels to streams and decodes them, the same bits on every machine.
// docs/format.md describes this arithmetic; aecodec/network/fixed_point.py makes the tables.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/kernels.h"

namespace aec {

constexpr int kBlock = 8;        // pixels on a side of what the stem sees at once; the spacing of level 0's features
constexpr int kQualities = 100;  // tables have a row for each of the qualities 1..100
constexpr int kStepBits = 16;    // fractional bits of steps, in features
constexpr int kLanes = 2;        // interleaved rANS states of a stream
constexpr int kDeepBits = 8;     // fractional bits that 16-bit pixels are made from

struct StageShape {
    int level, latents, digits, refine, stream;
};

// Sizes; aecodec/network/network.py explains them.
struct NetworkShape {
    std::vector<int> channels, hidden, analysis;  // a level
    std::vector<StageShape> stages;               // coarse to fine
    std::vector<std::pair<int, int>> previews;    // scale, stages
    int feature_bits;                             // fractional bits of features
    int codewords;

    int multiple() const { return kBlock << (channels.size() - 1); }
    int streams() const { return stages.back().stream + 1; }
};

// A tensor of the model file, by its name; throws std::invalid_argument where it is missing or not of this many
// elements.
struct Tensors {
    std::function<const int16_t*(const std::string&, int64_t)> int16;
    std::function<const int32_t*(const std::string&, int64_t)> int32;
    std::function<const float*(const std::string&, int64_t)> float32;
};

struct Conv {
    int in, out, taps;
    std::vector<int16_t> weights;      // packed as ConvRow wants them
    std::vector<int32_t> bias, shift;  // [out]
};

struct Block {
    Conv spatial, mix;
    std::vector<int16_t> film;  // [100][scale, shift][hidden]
};

struct Codebook {                              // of one group of latents
    int count;                                 // K
    std::vector<int16_t> words, squares;       // [4][K] as PriorTables wants them
    std::vector<int32_t> weight_bits[2];       // [K] where the coarser digits are all zero, or not; empty: no weights
    std::vector<int32_t> prefix;               // [kSigmaCount] as GroupQuantiser wants it
    std::vector<float> search, log_weight[2];  // [4][K] and [K]: the same for the encoder's search

    PriorTables prior(bool moved) const {
        return {count, words.data(), squares.data(), weight_bits[moved].empty() ? nullptr : weight_bits[moved].data()};
    }
};

struct Stage {
    StageShape shape;
    Conv select, posterior_in, posterior_out, prior_in, prior_out, inject;
    std::vector<int16_t> log_gain;  // [100][latents] log2 of steps per feature unit, with 6 fractional bits
    std::vector<int32_t> step;      // [100][latents] with kStepBits
    std::vector<int32_t>
        inverse_variance[2];  // [kSigmaCount] log2(e) / (2 (σ² + s)) with 10 fractional bits; fine, coarse
    float variance[2];        // s, for the encoder's search
    std::vector<Codebook> groups;
    Codebook coarse;
    std::vector<Block> refine;
};

struct Rectangle {
    int64_t top, left, bottom, right;
    int64_t height() const { return bottom - top; }
    int64_t width() const { return right - left; }
};

// Features, or any values, at every position of a level.
template <class T>
struct Map {
    int64_t height = 0, width = 0, channels = 0;
    std::vector<T> data;  // [height][width][channels]

    Map() = default;
    Map(int64_t h, int64_t w, int64_t c) : height(h), width(w), channels(c), data(static_cast<size_t>(h) * w * c) {}
    T* row(int64_t y) { return data.data() + y * width * channels; }
    const T* row(int64_t y) const { return data.data() + y * width * channels; }
};
using Features = Map<int16_t>;

// The colours of the picture, or of a reduced one, as a linear function of the features after some stages.
struct Head {
    int scale;   // of the picture's sides
    int stages;  // that it needs
    int side;    // pixels on a side of what a position of the last of them gives
    Conv conv;   // to [3][side][side] and, up to a multiple of kOutBlock, nothing
    Conv deep;   // the same with kDeepBits fractional bits
};

using Codes = std::vector<Map<uint8_t>>;  // a stage's: [height][width][groups * digits], the coarsest digit first
using Streams = std::vector<std::vector<std::optional<std::string>>>;  // [stream][tile]; what is missing is guessed

struct Encoded {
    std::vector<std::vector<std::string>> streams;  // [stream][tile]
    std::vector<double> bits;                       // [stage] what the prior predicts
};

class Tiling;  // see coder.h
class Flow;    // see flow.h

class Network {
public:
    Network(const NetworkShape& shape, const Tensors& tensors);

    // pixels [height][width][3] of 8 bits; quality 1..100; tiles of 2^tile_log2 pixels a side; search: of every stage;
    // corrections: added to the latents of every stage, in features, [height][width][latents] each, or none at all.
    Encoded encode(const uint8_t* pixels, int64_t height, int64_t width, int quality, int tile_log2,
                   const std::vector<Search>& search, const std::vector<Features>& corrections, int threads) const;

    // The same from codes that somebody else has chosen; throws std::invalid_argument where they are impossible.
    Encoded encode(const Codes& codes, int64_t height, int64_t width, int quality, int tile_log2, int threads) const;

    // An area of the picture, or of one that is reduced by a head's scale, to pixels [area's height][width][3]; and the
    // codes of all stages, if asked for. Tiles that are missing, and what follows from them, are filled in with what
    // the prior expects. Throws CorruptStream.
    template <class Pixel>  // uint8_t or uint16_t
    void decode(const Streams& streams, int64_t height, int64_t width, int quality, int tile_log2, int threads,
                int scale, Rectangle area, Pixel* pixels, Codes* codes) const;

    // The tiles, in units of tiles, of every stream that `decode` would read.
    std::vector<Rectangle> tiles(int64_t height, int64_t width, int tile_log2, int scale, Rectangle area) const;

    const Head& head(int scale) const;  // throws std::invalid_argument where there is none

    const NetworkShape& shape() const { return shape_; }

private:
    std::vector<std::shared_ptr<Flow>> analysis(const uint8_t* pixels, int64_t height, int64_t width,
                                                const Tiling& tiling, int quality,
                                                int threads) const;  // the features of every level
    // Of what each stage must make so that an area of the features after the last of `stages` can be made.
    struct StageAreas {
        std::vector<Rectangle> up, refined;  // up: the last step first
        Rectangle before, coded;
    };
    std::vector<StageAreas> areas(const Tiling& tiling, int stages, Rectangle wanted) const;
    template <class MakeCoder>
    std::shared_ptr<Flow> synthesis(const Tiling& tiling, int stages, Rectangle wanted, int quality, int threads,
                                    bool decodes, const MakeCoder& make_coder) const;
    template <class MakeChooser>
    Encoded encode(const Tiling& tiling, int quality, int threads, const MakeChooser& make_chooser) const;

    NetworkShape shape_;
    Conv stem_;
    std::vector<Head> heads_;  // the first is the full picture's
    std::vector<Conv> down_, up_;
    std::vector<std::vector<Block>> analysis_;
    std::vector<Stage> stages_;
};

}  // namespace aec
