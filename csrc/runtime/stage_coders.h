// What fills in the codes of a stage: encoders, which take them from a source and write them, and a decoder, which
// reads them.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "entropy/latent_coder.h"
#include "model/tiling.h"
#include "runtime/row_stream.h"
#include "runtime/stage.h"

namespace aec {

using Codes = std::vector<Map<uint8_t>>;  // a stage's: [height][width][groups * rvq_levels], the coarsest first
using Values = Map<int32_t>;              // of a stage's latents: Band::value of the whole picture
using Streams = std::vector<std::vector<std::optional<std::string>>>;  // [stream][tile]; what is missing is guessed

// A part of a band that a thread has at a time.
struct Piece {
    Rectangle part;
    size_t tile = 0;     // which of those that are coded
    int64_t number = 0;  // among the tile's
};

// Where a stage codes: the area, in tiles, and whether it is the first or the last stage of its stream.
struct StageTiles {
    const Stage& stage;
    const Tiling& tiling;
    Rectangle tiles;
    bool first_of_stream, last_of_stream;

    int64_t row(const Band& band) const { return band.area.top / tiling.side(stage.shape.level); }
    int64_t tile(const Band& band, int64_t column) const { return row(band) * tiling.columns() + tiles.left + column; }
    // The band's part of the tile in a column, from the left of the area.
    Rectangle part(const Band& band, int64_t column) const;
    // The same in pieces, of several columns, in the order in which each tile's are coded.
    std::vector<Piece> pieces(const Band& band, const std::vector<int64_t>& columns) const;
    bool finishes_tiles(const Band& band) const;
};

// The rANS coders of the tiles that are being worked on, by stream and tile; Coder is RansEncoder or RansDecoder.
template <class Coder>
using OpenCoders = std::map<std::pair<int, int64_t>, Coder>;

// Where an encoder's codes come from.
class CodeSource {
public:
    virtual ~CodeSource() = default;
    virtual void attach(const RowStreamPointer& features);  // those before the stage, before the first band
    virtual void fill(Band& band) = 0;                      // band.code
};

// Codes that the encoder chooses for a picture.
class ChosenCodes : public CodeSource {
public:
    // picture: its features of the stage's level; corrections: added to the latents of the whole map, or null.
    ChosenCodes(const Stage& stage, RowStreamPointer picture, const StageSettings& settings, const Search& search,
                const Features* corrections);
    void attach(const RowStreamPointer& features) override;
    void fill(Band& band) override;

private:
    const Stage& stage_;
    const RowStreamPointer picture_;
    const StageSettings settings_;
    const Search search_;
    const Features* const corrections_;
    std::optional<Latents> latents_;
};

// Codes of the whole map that somebody else has chosen.
class GivenCodes : public CodeSource {
public:
    explicit GivenCodes(const Map<uint8_t>& codes) : codes_(codes) {}
    void fill(Band& band) override;

private:
    const Map<uint8_t>& codes_;
};

// Codes that are drawn from the prior.
class DrawnCodes : public CodeSource {
public:
    DrawnCodes(const Stage& stage, const Draw& draw, Workers& workers)
        : stage_(stage), draw_(draw), workers_(workers) {}
    void fill(Band& band) override;

private:
    const Stage& stage_;
    const Draw draw_;
    Workers& workers_;
};

class StageEncoder : public StageCoder {
public:
    // Writes finished tiles to `tiles`, those of the stage's stream, and adds to `bits` what the codes take.
    StageEncoder(const StageTiles& where, std::unique_ptr<CodeSource> source, OpenCoders<RansEncoder>& open_coders,
                 std::vector<std::string>& tiles, double& bits, Workers& workers);
    void attach(const RowStreamPointer& features) override { source_->attach(features); }
    void code(Band& band) override;

private:
    const StageTiles where_;
    const std::unique_ptr<CodeSource> source_;
    OpenCoders<RansEncoder>& open_coders_;
    std::vector<std::string>& tiles_;
    double& bits_;
    Workers& workers_;
};

class StageDecoder : public StageCoder {
public:
    // tiles: those of the stage's stream. missing: of the tiles of the whole picture. guesses: values of the whole
    // picture that the missing ones take, or null for zeros. codes: of the whole picture, to be filled in, or null.
    StageDecoder(const StageTiles& where, const std::vector<std::optional<std::string>>& tiles,
                 std::vector<bool> missing, const Values* guesses, OpenCoders<RansDecoder>& open_coders,
                 Map<uint8_t>* codes, Workers& workers);
    void code(Band& band) override;

private:
    void guess(const Rectangle& part, Band& band) const;

    const StageTiles where_;
    const std::vector<std::optional<std::string>>& tiles_;
    const std::vector<bool> missing_;
    const Values* const guesses_;
    OpenCoders<RansDecoder>& open_coders_;
    Map<uint8_t>* const codes_;
    Workers& workers_;
};

// The tiles that cannot be decoded in a stage: those that the stream lacks, and those that see one that an earlier
// stage could not decode, as their probabilities are not those that the encoder had. `before` is what was missing in
// the stage before, empty in the first; reach: how many tiles away a stage sees what the one before has coded.
std::vector<bool> missing_tiles(const Tiling& tiling, const std::vector<std::optional<std::string>>& tiles,
                                const std::vector<bool>& before, int64_t reach);

}  // namespace aec
