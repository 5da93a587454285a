#include "runtime/stage_coders.h"

#include <algorithm>
#include <numeric>

#include "base/turns.h"

namespace aec {
namespace {

constexpr int64_t kPieceColumns = 64;  // positions, so few that what is worked out beforehand stays in the second cache

// Calls body(begin, end, turns, scratch) on all pieces, by several threads. The first exception is rethrown.
template <class Body>
void for_each_piece(const std::vector<Piece>& pieces, size_t tiles, Workers& workers, const Body& body) {
    Turns turns(tiles);
    workers.split(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end, Scratch& scratch) {
        try {
            body(pieces.data() + begin, pieces.data() + end, turns, scratch);
        } catch (...) {
            turns.give_up();
            throw;
        }
    });
}

}  // namespace

Rectangle StageTiles::part(const Band& band, int64_t column) const {
    const Rectangle tile = tiling.at(row(band), tiles.left + column, stage.shape.level);
    return {band.area.top, tile.left, band.area.bottom, tile.right};
}

std::vector<Piece> StageTiles::pieces(const Band& band, const std::vector<int64_t>& columns) const {
    std::vector<Piece> result;
    std::vector<int64_t> numbers(columns.size());
    for (int64_t y = band.area.top; y < band.area.bottom; ++y)
        for (size_t i = 0; i < columns.size(); ++i) {
            const Rectangle all = part(band, columns[i]);
            for (int64_t x = all.left; x < all.right; x += kPieceColumns)
                result.push_back({{y, x, y + 1, std::min(all.right, x + kPieceColumns)}, i, numbers[i]++});
        }
    return result;
}

bool StageTiles::finishes_tiles(const Band& band) const {
    return last_of_stream && band.area.bottom == tiling.at(row(band), 0, stage.shape.level).bottom;
}

void CodeSource::attach(const RowStreamPointer&) {}

ChosenCodes::ChosenCodes(const Stage& stage, RowStreamPointer picture, const StageSettings& settings,
                         const Search& search, const Features* corrections)
    : stage_(stage), picture_(std::move(picture)), settings_(settings), search_(search), corrections_(corrections) {}

void ChosenCodes::attach(const RowStreamPointer& features) {
    latents_.emplace(stage_, features, picture_, settings_.workers);
}

void ChosenCodes::fill(Band& band) {
    Map<int32_t> z = latents_->rows(band.area.top, band.area.bottom);
    if (corrections_) {
        const int16_t* more = corrections_->row(band.area.top);
        for (int32_t& v : z.data) v += *more++;
    }
    settings_.workers.split(band.area.height(), 1, [&](int64_t begin, int64_t end, Scratch&) {
        choose_codes(stage_, z, settings_.qualities, settings_.feature_bits, search_, begin, end, band);
    });
}

void GivenCodes::fill(Band& band) {
    std::copy_n(codes_.row(band.area.top), band.code.data.size(), band.code.data.begin());
}

void DrawnCodes::fill(Band& band) {
    workers_.split(band.area.height(), 1,
                   [&](int64_t begin, int64_t end, Scratch&) { draw_codes(stage_, draw_, begin, end, band); });
}

StageEncoder::StageEncoder(const StageTiles& where, std::unique_ptr<CodeSource> source,
                           OpenCoders<RansEncoder>& open_coders, std::vector<std::string>& tiles, double& bits,
                           Workers& workers)
    : where_(where),
      source_(std::move(source)),
      open_coders_(open_coders),
      tiles_(tiles),
      bits_(bits),
      workers_(workers) {}

void StageEncoder::code(Band& band) {
    source_->fill(band);
    const int stream = where_.stage.shape.stream;
    const int64_t columns = where_.tiles.width();
    std::vector<RansEncoder*> coders;
    for (int64_t c = 0; c < columns; ++c)
        coders.push_back(&open_coders_.try_emplace({stream, where_.tile(band, c)}).first->second);
    std::vector<int64_t> all(columns);
    std::iota(all.begin(), all.end(), 0);
    std::vector<double> bits(columns);
    for_each_piece(where_.pieces(band, all), columns, workers_,
                   [&](const Piece* begin, const Piece* end, Turns& turns, Scratch&) {
                       for (const Piece* p = begin; p < end; ++p) {
                           RansEncoder piece;
                           const double more = write_codes(where_.stage, p->part, band, piece);
                           turns.take(p->tile, p->number, [&] {
                               coders[p->tile]->append(piece);
                               bits[p->tile] += more;
                           });
                       }
                   });
    for (const double b : bits) bits_ += b;
    if (!where_.finishes_tiles(band)) return;
    workers_.split(columns, 1, [&](int64_t begin, int64_t end, Scratch&) {
        for (int64_t c = begin; c < end; ++c) tiles_[where_.tile(band, c)] = coders[c]->finish();
    });
    for (int64_t c = 0; c < columns; ++c) open_coders_.erase({stream, where_.tile(band, c)});
}

StageDecoder::StageDecoder(const StageTiles& where, const std::vector<std::optional<std::string>>& tiles,
                           std::vector<bool> missing, const Values* guesses, OpenCoders<RansDecoder>& open_coders,
                           Map<uint8_t>* codes, Workers& workers)
    : where_(where),
      tiles_(tiles),
      missing_(std::move(missing)),
      guesses_(guesses),
      open_coders_(open_coders),
      codes_(codes),
      workers_(workers) {}

void StageDecoder::guess(const Rectangle& part, Band& band) const {
    for (int64_t y = part.top; guesses_ && y < part.bottom; ++y)
        std::copy_n(guesses_->row(y) + part.left * guesses_->channels, part.width() * guesses_->channels,
                    band.value.row(y - band.area.top) + (part.left - band.area.left) * guesses_->channels);
}

void StageDecoder::code(Band& band) {
    const int stream = where_.stage.shape.stream;
    std::vector<int64_t> columns;
    std::vector<RansDecoder*> coders;
    for (int64_t c = 0; c < where_.tiles.width(); ++c) {
        const int64_t tile = where_.tile(band, c);
        if (missing_[tile]) {
            guess(where_.part(band, c), band);
            continue;
        }
        const auto* data = reinterpret_cast<const uint8_t*>(tiles_[tile]->data());
        columns.push_back(c);
        coders.push_back(&open_coders_.try_emplace({stream, tile}, data, tiles_[tile]->size()).first->second);
    }
    const int64_t most = kPieceColumns * where_.stage.shape.latents / kGroup * kMaxCodewords;
    for_each_piece(where_.pieces(band, columns), columns.size(), workers_,
                   [&](const Piece* begin, const Piece* end, Turns& turns, Scratch& scratch) {
                       uint16_t* const openings = scratch.take<uint16_t>(most);
                       for (const Piece* p = begin; p < end; ++p) {
                           find_openings(where_.stage, p->part, band, openings);
                           turns.take(p->tile, p->number,
                                      [&] { read_codes(where_.stage, p->part, openings, band, *coders[p->tile]); });
                       }
                   });
    if (where_.finishes_tiles(band))
        for (const int64_t c : columns) {
            const auto open = open_coders_.find({stream, where_.tile(band, c)});
            open->second.finish();
            open_coders_.erase(open);
        }
    for (int64_t y = 0; codes_ && y < band.area.height(); ++y)
        std::copy_n(band.code.row(y), band.area.width() * band.code.channels,
                    codes_->row(band.area.top + y) + band.area.left * codes_->channels);
}

std::vector<bool> missing_tiles(const Tiling& tiling, const std::vector<std::optional<std::string>>& tiles,
                                const std::vector<bool>& before, int64_t reach) {
    const int64_t rows = tiling.rows(), columns = tiling.columns();
    std::vector<bool> missing(tiling.count());
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; ++column) {
            bool lost = !tiles[row * columns + column];
            for (int64_t r = std::max(int64_t{0}, row - reach); r < std::min(rows, row + reach + 1); ++r)
                for (int64_t c = std::max(int64_t{0}, column - reach); c < std::min(columns, column + reach + 1); ++c)
                    lost = lost || (!before.empty() && before[r * columns + c]);
            missing[row * columns + column] = lost;
        }
    return missing;
}

}  // namespace aec
