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

#include "base/map.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/tiling.h"

namespace aec {

using Codes = std::vector<Map<uint8_t>>;  // a stage's: [height][width][groups * digits], the coarsest digit first
using Streams = std::vector<std::vector<std::optional<std::string>>>;  // [stream][tile]; what is missing is guessed

struct Encoded {
    std::vector<std::vector<std::string>> streams;  // [stream][tile]
    std::vector<double> bits;                       // [stage] what the prior predicts
};

class Flow;  // see row_stream.h

class Network {
public:
    explicit Network(Model model) : model_(std::move(model)) {}

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

    const NetworkShape& shape() const { return model_.shape; }

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

    Model model_;
};

}  // namespace aec
