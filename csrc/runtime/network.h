// The network in fixed point: encodes pixels to streams and decodes them, the same bits on every machine.
// docs/format.md describes this arithmetic; aecodec/network/fixed_point.py makes the tables.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/map.h"
#include "model/frame.h"
#include "model/model.h"
#include "model/tiling.h"
#include "runtime/stage_coders.h"

namespace aec {

struct Encoded {
    std::vector<std::vector<std::string>> streams;  // [stream][tile]
    std::vector<double> bits;                       // [stage] what the prior predicts
};

class Network {
public:
    explicit Network(Model model) : model_(std::move(model)) {}

    // pixels [height][width][3] of 8 bits; search: of every stage; corrections: added to the latents of every stage, in
    // features, [height][width][latents] each, or none at all. Throws std::invalid_argument if they have other
    // shapes.
    Encoded encode(const uint8_t* pixels, const Frame& frame, const std::vector<Search>& search,
                   const std::vector<Features>& corrections, int threads) const;

    // The same of a picture's features that somebody else has computed: those of every level, the finest first.
    Encoded encode(const std::vector<Features>& picture, const Frame& frame, const std::vector<Search>& search,
                   const std::vector<Features>& corrections, int threads) const;

    // The same from codes that somebody else has chosen; throws std::invalid_argument if they are impossible.
    Encoded encode(const Codes& codes, const Frame& frame, int threads) const;

    // Codes from the prior: the first stages' are `codes`, as many as there are, and the others' are drawn. Throws
    // std::invalid_argument if a code is impossible or the sharpness (see Draw) is not 1 to kSharpnessMax.
    Encoded draw(const Codes& codes, const Frame& frame, uint64_t seed, int sharpness, int threads) const;

    // What of the frame a view of the picture shows, to pixels [area's height][width][3]. Tiles that are missing, and
    // what follows from them, are filled in: in the first stage with `guesses`, if it has a value for every latent of
    // the picture, and else with what the prior expects. Throws CorruptStream, and std::invalid_argument if guesses
    // are of another shape.
    template <class Pixel>  // uint8_t or uint16_t
    void decode(const Streams& streams, const Frame& frame, const View& view, const Values& guesses, int threads,
                Pixel* pixels) const;

    // The codes of the first stages.
    Codes decode_codes(const Streams& streams, const Frame& frame, int stages, int threads) const;

    // [stage][tile], whether the tile cannot be decoded in the stage and is filled in.
    std::vector<std::vector<bool>> missing(const Streams& streams, const Frame& frame) const;

    // The tiles, in units of tiles, of every stream that `decode` would read.
    std::vector<Rectangle> tiles(const Frame& frame, const View& view) const;

    // The view of an area, or of the whole picture, reduced by `scale`; throws std::invalid_argument if the model
    // has no such scale or the area is not inside the picture.
    View view(const Frame& frame, int scale, const std::optional<Rectangle>& area) const;

    const NetworkShape& shape() const { return model_.shape; }

private:
    Tiling tiling(const Frame& frame) const;  // throws std::invalid_argument if the frame's map is of another size
    // Of a level's positions. The frame must outlive them.
    Qualities qualities(const Frame& frame, int level) const {
        return {frame.quality, frame.has_map() ? &frame.map : nullptr, model_.shape.levels() - 1 - level};
    }
    StageSettings settings(const Frame& frame, int level, Workers& workers) const {
        return {qualities(frame, level), model_.shape.feature_bits, workers};
    }
    const Head& head(int scale) const;
    // The features of every level that the encoder sees in the picture.
    std::vector<std::shared_ptr<RowStream>> analysis(const uint8_t* pixels, const Frame& frame, const Tiling& tiling,
                                                     Workers& workers) const;
    // Of what each stage must make so that an area of the features after the last of `stages` can be made.
    struct StageAreas {
        std::vector<Rectangle> up, refined;  // up: the last step first
        Rectangle before, coded;
    };
    std::vector<StageAreas> areas(const Tiling& tiling, int stages, Rectangle wanted) const;
    // Where the stages code so that an area of the features after the last of `stages` can be made.
    std::vector<StageTiles> coded_tiles(const Tiling& tiling, int stages, Rectangle wanted) const;

    // The decoded features, of an area, after as many stages as there are coders; or only what their codes need.
    enum class Last { kFeatures, kCodes };
    std::shared_ptr<RowStream> synthesis(const Tiling& tiling, Rectangle wanted, const Frame& frame, Workers& workers,
                                         Last last, std::vector<std::unique_ptr<StageCoder>> coders) const;
    // Runs the coders of the first stages over the whole picture.
    void code_all(const Tiling& tiling, const Frame& frame, Workers& workers,
                  std::vector<std::unique_ptr<StageCoder>> coders) const;
    // picture: the features of every level.
    Encoded encode(const std::vector<std::shared_ptr<RowStream>>& picture, const Tiling& tiling, const Frame& frame,
                   const std::vector<Search>& search, const std::vector<Features>& corrections, Workers& workers) const;
    Encoded encode(const Tiling& tiling, const Frame& frame, Workers& workers,
                   std::vector<std::unique_ptr<CodeSource>> sources) const;
    // How many tiles away a stage sees what the one before it has coded.
    int64_t reach(const Tiling& tiling, int stage) const;
    // guesses: of the first stage, or null. codes: to be filled in, or null.
    std::vector<std::unique_ptr<StageCoder>> decoders(const Tiling& tiling, int stages, Rectangle wanted,
                                                      const Frame& frame, Workers& workers, const Streams& streams,
                                                      const Values* guesses, OpenCoders<RansDecoder>& open_coders,
                                                      Codes* codes) const;

    Model model_;
};

}  // namespace aec
