// The network in fixed point: encodes pixels to streams and decodes them, the same bits on every machine.
// docs/format.md describes this arithmetic; aecodec/train/export.py makes the tables.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels.h"

namespace aec {

constexpr int kBlock = 8;            // pixels on a side of what the stem sees at once; the spacing of level 0's features
constexpr int kQualities = 100;      // tables have a row for each of the qualities 1..100
constexpr int kStepBits = 16;        // fractional bits of steps, in features
constexpr int kLanes = 2;            // interleaved rANS states of a stream

struct StageShape {
    int level, latents, digits, refine, stream;
};

// Sizes; aecodec/train/network.py explains them.
struct NetworkShape {
    std::vector<int> channels, hidden, analysis;  // a level
    std::vector<StageShape> stages;               // coarse to fine
    int feature_bits;                             // fractional bits of features
    int codewords;

    int multiple() const { return kBlock << (channels.size() - 1); }
    int streams() const { return stages.back().stream + 1; }
};

// A tensor of the model file, by its name; throws std::invalid_argument where it is missing or not of this many elements.
struct Tensors {
    std::function<const int16_t*(const std::string&, long)> int16;
    std::function<const int32_t*(const std::string&, long)> int32;
    std::function<const float*(const std::string&, long)> float32;
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

struct Codebook {  // of one group of latents
    int count;     // K
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
    std::vector<int32_t> inverse_variance[2];  // [kSigmaCount] log2(e) / (2 (σ² + s)) with 10 fractional bits; fine, coarse
    float variance[2];                         // s, for the encoder's search
    std::vector<Codebook> groups;
    Codebook coarse;
    std::vector<Block> refine;
};

// Features, or any values, at every position of a level.
template <class T>
struct Map {
    long height = 0, width = 0, channels = 0;
    std::vector<T> data;  // [height][width][channels]

    Map() = default;
    Map(long h, long w, long c) : height(h), width(w), channels(c), data(static_cast<size_t>(h) * w * c) {}
    T* row(long y) { return data.data() + y * width * channels; }
    const T* row(long y) const { return data.data() + y * width * channels; }
};
using Features = Map<int16_t>;

struct Encoded {
    std::vector<std::vector<std::string>> streams;  // [stream][tile]
    std::vector<double> bits;                       // [stage] what the prior predicts
};

class Tiling;  // see coder.h
class Flow;    // see flow.h

class Network {
public:
    Network(const NetworkShape& shape, const Tensors& tensors);

    // pixels [height][width][3] of 8 bits; quality 1..100; tiles of 2^tile_log2 pixels a side; beta: the search's price of
    // a bit in squared steps.
    Encoded encode(const uint8_t* pixels, long height, long width, int quality, int tile_log2, float beta, int threads) const;

    // streams [stream][tile]; throws CorruptStream.
    void decode(const std::vector<std::vector<std::string>>& streams, long height, long width, int quality, int tile_log2,
                int threads, uint8_t* pixels) const;

    const NetworkShape& shape() const { return shape_; }

private:
    std::vector<std::shared_ptr<Flow>> analysis(const uint8_t* pixels, long height, long width, const Tiling& tiling, int quality,
                                                int threads) const;  // the features of every level
    template <class MakeCoder>
    std::shared_ptr<Flow> synthesis(const Tiling& tiling, int quality, int threads, bool decodes, const MakeCoder& make_coder) const;

    NetworkShape shape_;
    Conv stem_, out_;
    std::vector<Conv> down_, up_;
    std::vector<std::vector<Block>> analysis_;
    std::vector<Stage> stages_;
};

}  // namespace aec
