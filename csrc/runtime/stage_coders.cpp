#include "runtime/stage_coders.h"

#include <algorithm>

namespace aec {

Rectangle StageTiles::part(const Band& band, int64_t column) const {
    const Rectangle tile = tiling.at(row(band), tiles.left + column, stage.shape.level);
    return {band.area.top, tile.left, band.area.bottom, tile.right};
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
    const bool finish = where_.finishes_tiles(band);
    std::vector<double> bits(columns);
    workers_.split(columns, 1, [&](int64_t begin, int64_t end, Scratch&) {
        for (int64_t c = begin; c < end; ++c) {
            bits[c] = write_codes(where_.stage, where_.part(band, c), band, *coders[c]);
            if (finish) tiles_[where_.tile(band, c)] = coders[c]->finish();
        }
    });
    for (const double b : bits) bits_ += b;
    for (int64_t c = 0; finish && c < columns; ++c) open_coders_.erase({stream, where_.tile(band, c)});
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
    const bool finish = where_.finishes_tiles(band);
    workers_.split(static_cast<int64_t>(columns.size()), 1, [&](int64_t begin, int64_t end, Scratch&) {
        for (int64_t i = begin; i < end; ++i) {
            read_codes(where_.stage, where_.part(band, columns[i]), band, *coders[i]);
            if (finish) coders[i]->finish();
        }
    });
    for (const int64_t c : columns)
        if (finish) open_coders_.erase({stream, where_.tile(band, c)});
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
