#include "runtime/network.h"

#include <map>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "runtime/stage.h"

namespace aec {
namespace {

// A pixel from what a head gives: with no fractional bits, or with kDeepBits, so that 255 becomes 65535.
void to_pixel(int32_t v, uint8_t& out) { out = static_cast<uint8_t>(std::min(255, std::max(0, v + 128))); }
void to_pixel(int32_t v, uint16_t& out) {
    const int32_t wide = std::min(255 << kDeepBits, std::max(0, v + (128 << kDeepBits)));
    out = static_cast<uint16_t>((wide * 257 + 128) >> kDeepBits);
}

// Where a stage codes: the area, in positions and in tiles, and whether it is the last of its stream.
struct Place {
    const Stage& stage;
    const Tiling& tiling;
    Rectangle tiles;
    bool last_of_stream;
    int threads;

    int64_t row(const Band& band) const { return band.area.top / tiling.side(stage.shape.level); }
    // The band's part of the tile in a column, from the left of the area.
    Rectangle part(const Band& band, int64_t column) const {
        const Rectangle tile = tiling.at(row(band), tiles.left + column, stage.shape.level);
        return {band.area.top, tile.left, band.area.bottom, tile.right};
    }
    int64_t tile(const Band& band, int64_t column) const { return row(band) * tiling.columns() + tiles.left + column; }
    bool finishes_tiles(const Band& band) const {
        return last_of_stream && band.area.bottom == tiling.at(row(band), 0, stage.shape.level).bottom;
    }
};

// The rANS coders of the tiles that are being worked on, by stream and tile; Coder is RansEncoder or RansDecoder.
template <class Coder>
using Open = std::map<std::pair<int, int64_t>, Coder>;

class StageEncoder : public StageCoder {
public:
    using Chooser = std::function<void(Band&)>;  // fills in a band's codes

    StageEncoder(const Place& place, Chooser choose, Open<RansEncoder>& open, std::vector<std::string>& tiles,
                 double& bits)
        : place_(place), choose_(std::move(choose)), open_(open), tiles_(tiles), bits_(bits) {}

    void code(Band& band) override {
        choose_(band);
        const int stream = place_.stage.shape.stream;
        const int64_t columns = place_.tiles.width();
        std::vector<RansEncoder*> coders;
        for (int64_t c = 0; c < columns; ++c)
            coders.push_back(&open_.try_emplace({stream, place_.tile(band, c)}, kLanes).first->second);
        const bool finish = place_.finishes_tiles(band);
        std::vector<double> bits(columns);
        parallel_for(columns, place_.threads, 1, [&](int64_t begin, int64_t end, int) {
            for (int64_t c = begin; c < end; ++c) {
                bits[c] = write_codes(place_.stage, place_.part(band, c), band, *coders[c]);
                if (finish) tiles_[place_.tile(band, c)] = coders[c]->finish();
            }
        });
        for (double b : bits) bits_ += b;
        for (int64_t c = 0; finish && c < columns; ++c) open_.erase({stream, place_.tile(band, c)});
    }

private:
    const Place place_;
    const Chooser choose_;
    Open<RansEncoder>& open_;
    std::vector<std::string>& tiles_;
    double& bits_;
};

class StageDecoder : public StageCoder {
public:
    // missing: of the tiles of the whole picture. codes: of the whole picture, to be filled in, or null.
    StageDecoder(const Place& place, const std::vector<std::optional<std::string>>& tiles, std::vector<bool> missing,
                 Open<RansDecoder>& open, Map<uint8_t>* codes)
        : place_(place), tiles_(tiles), missing_(std::move(missing)), open_(open), codes_(codes) {}

    void code(Band& band) override {
        const int stream = place_.stage.shape.stream;
        std::vector<int64_t> columns;
        std::vector<RansDecoder*> coders;
        for (int64_t c = 0; c < place_.tiles.width(); ++c) {
            const int64_t tile = place_.tile(band, c);
            if (missing_[tile]) continue;
            const auto* data = reinterpret_cast<const uint8_t*>(tiles_[tile]->data());
            columns.push_back(c);
            coders.push_back(&open_.try_emplace({stream, tile}, data, tiles_[tile]->size(), kLanes).first->second);
        }
        const bool finish = place_.finishes_tiles(band);
        parallel_for(columns.size(), place_.threads, 1, [&](int64_t begin, int64_t end, int) {
            for (int64_t i = begin; i < end; ++i) {
                read_codes(place_.stage, place_.part(band, columns[i]), band, *coders[i]);
                if (finish) coders[i]->finish();
            }
        });
        for (int64_t c : columns)
            if (finish) open_.erase({stream, place_.tile(band, c)});
        for (int64_t y = 0; codes_ && y < band.area.height(); ++y)
            std::copy_n(band.code.row(y), band.area.width() * band.code.channels,
                        codes_->row(band.area.top + y) + band.area.left * codes_->channels);
    }

private:
    const Place place_;
    const std::vector<std::optional<std::string>>& tiles_;
    const std::vector<bool> missing_;
    Open<RansDecoder>& open_;
    Map<uint8_t>* codes_;
};

// The tiles that cannot be decoded in a stage: those that the stream lacks, and those that see (or touch at a corner)
// one that an earlier stage could not decode, as their probabilities are not those that the encoder had.
std::vector<bool> missing_tiles(const Tiling& tiling, const std::vector<std::optional<std::string>>& tiles,
                                const std::vector<bool>& before) {
    std::vector<bool> missing(tiling.count());
    for (int64_t row = 0; row < tiling.rows(); ++row)
        for (int64_t column = 0; column < tiling.columns(); ++column) {
            bool lost = !tiles[row * tiling.columns() + column];
            for (int64_t r = std::max(int64_t{0}, row - 1); r < std::min(tiling.rows(), row + 2); ++r)
                for (int64_t c = std::max(int64_t{0}, column - 1); c < std::min(tiling.columns(), column + 2); ++c)
                    lost = lost || (!before.empty() && before[r * tiling.columns() + c]);
            missing[row * tiling.columns() + column] = lost;
        }
    return missing;
}

// The positions whose features an area of a head's pixels needs.
Rectangle positions(const Head& head, Rectangle area) {
    const int64_t side = head.side;
    return {area.top / side, area.left / side, (area.bottom + side - 1) / side, (area.right + side - 1) / side};
}

}  // namespace

const Head& Network::head(int scale) const {
    for (const Head& h : model_.heads)
        if (h.scale == scale) return h;
    throw std::invalid_argument("the model has no pictures reduced by " + std::to_string(scale));
}

std::vector<FlowPointer> Network::analysis(const uint8_t* pixels, int64_t height, int64_t width, const Tiling& tiling,
                                           int quality, int threads) const {
    std::vector<FlowPointer> levels;
    FlowPointer e =
        stem(model_.stem, pixels, height, width, tiling.whole(0).height(), tiling.whole(0).width(), threads);
    for (size_t i = 0; i < model_.analysis.size(); ++i) {
        if (i) e = downsample(model_.down[i - 1], e, threads);
        for (const Block& b : model_.analysis[i]) e = residual_block(b, e, e->area, quality, threads);
        levels.push_back(e);
    }
    return levels;
}

std::vector<Network::StageAreas> Network::areas(const Tiling& tiling, int stages, Rectangle wanted) const {
    std::vector<StageAreas> result(stages);
    for (int i = stages; i-- > 0;) {
        const StageShape& shape = model_.shape.stages[i];
        const int64_t height = tiling.whole(shape.level).height(), width = tiling.whole(shape.level).width();
        auto grown = [&](Rectangle r) {
            return Rectangle{std::max(int64_t{0}, r.top - 1), std::max(int64_t{0}, r.left - 1),
                             std::min(height, r.bottom + 1), std::min(width, r.right + 1)};
        };
        StageAreas& a = result[i];
        a.refined.resize(shape.refine);
        for (int j = shape.refine; j-- > 0; wanted = grown(wanted)) a.refined[j] = wanted;
        const Rectangle tiles = tiling.around(wanted, shape.level);
        a.coded = {tiling.at(tiles.top, tiles.left, shape.level).top,
                   tiling.at(tiles.top, tiles.left, shape.level).left,
                   tiling.at(tiles.bottom - 1, tiles.right - 1, shape.level).bottom,
                   tiling.at(tiles.bottom - 1, tiles.right - 1, shape.level).right};
        wanted = a.before = grown(a.coded);
        for (int level = shape.level; i > 0 && level < model_.shape.stages[i - 1].level; ++level) {
            wanted = {wanted.top / 2, wanted.left / 2, (wanted.bottom + 1) / 2, (wanted.right + 1) / 2};
            a.up.push_back({2 * wanted.top, 2 * wanted.left, 2 * wanted.bottom, 2 * wanted.right});
        }
    }
    return result;
}

std::vector<Rectangle> Network::tiles(int64_t height, int64_t width, int tile_log2, int scale, Rectangle area) const {
    const Tiling tiling(Frame(height, width, 1, tile_log2), model_.shape.multiple());
    const Head& h = head(scale);
    std::vector<Rectangle> result(model_.shape.streams(), {0, 0, 0, 0});
    const auto all = areas(tiling, h.stages, positions(h, area));
    for (int i = h.stages; i-- > 0;)  // the first stage of a stream needs the most
        result[model_.shape.stages[i].stream] = tiling.around(all[i].coded, model_.shape.stages[i].level);
    return result;
}

template <class MakeCoder>
FlowPointer Network::synthesis(const Tiling& tiling, int stages, Rectangle wanted, int quality, int threads,
                               bool decodes, const MakeCoder& make_coder) const {
    const auto all = areas(tiling, stages, wanted);
    int level = static_cast<int>(model_.shape.channels.size()) - 1;
    FlowPointer f = zeros(tiling.whole(level).height(), tiling.whole(level).width(), all[0].before,
                          model_.shape.channels[level], threads);
    for (int i = 0; i < stages; ++i) {
        const Stage& stage = model_.stages[i];
        const StageAreas& area = all[i];
        for (size_t step = area.up.size(); step-- > 0;) f = upsample(model_.up[--level], f, area.up[step], threads);
        const bool first_of_stream = i == 0 || model_.stages[i - 1].shape.stream != stage.shape.stream;
        const bool last_of_stream =
            i + 1 == static_cast<int>(model_.stages.size()) || model_.stages[i + 1].shape.stream != stage.shape.stream;
        const bool goes_on = decodes || i + 1 < stages;
        auto coder = make_coder(i, Place{stage, tiling, tiling.around(area.coded, level), last_of_stream, threads}, f);
        f = code_stage({stage, tiling, quality, model_.shape.feature_bits, threads, !first_of_stream, goes_on}, f,
                       area.coded, std::move(coder));
        for (size_t j = 0; goes_on && j < stage.refine.size(); ++j)
            f = residual_block(stage.refine[j], f, area.refined[j], quality, threads);
    }
    return f;
}

template <class MakeChooser>
Encoded Network::encode(const Tiling& tiling, int quality, int threads, const MakeChooser& make_chooser) const {
    Encoded result;
    result.bits.assign(model_.stages.size(), 0);
    result.streams.assign(model_.shape.streams(), std::vector<std::string>(tiling.count()));
    Open<RansEncoder> open;
    const int stages = static_cast<int>(model_.stages.size());
    const Rectangle whole = tiling.whole(model_.stages.back().shape.level);
    Reader f(synthesis(
        tiling, stages, whole, quality, threads, false, [&](int i, const Place& place, const FlowPointer& before) {
            return std::make_unique<StageEncoder>(place, make_chooser(i, before), open,
                                                  result.streams[place.stage.shape.stream], result.bits[i]);
        }));
    for_each_strip(f, [](int64_t, int64_t) {});  // the stages have done the work
    return result;
}

Encoded Network::encode(const uint8_t* pixels, int64_t height, int64_t width, int quality, int tile_log2,
                        const std::vector<Search>& search, const std::vector<Features>& corrections,
                        int threads) const {
    if (search.size() != model_.stages.size()) throw std::invalid_argument("the number of stages is wrong");
    const Tiling tiling(Frame(height, width, quality, tile_log2), model_.shape.multiple());
    if (!corrections.empty() && corrections.size() != model_.stages.size())
        throw std::invalid_argument("the number of corrections is wrong");
    for (size_t i = 0; i < corrections.size(); ++i) {
        const Features& c = corrections[i];
        const Rectangle whole = tiling.whole(model_.stages[i].shape.level);
        if (c.height != whole.height() || c.width != whole.width() || c.channels != model_.stages[i].shape.latents)
            throw std::invalid_argument("corrections have the wrong shape");
    }
    const auto e = analysis(pixels, height, width, tiling, quality, threads);
    return encode(tiling, quality, threads, [&](int i, const FlowPointer& f) -> StageEncoder::Chooser {
        const Stage& stage = model_.stages[i];
        auto latents = std::make_shared<Latents>(stage, f, e[stage.shape.level], threads);
        return [=, &stage, &corrections, how = search[i]](Band& band) {
            Map<int32_t> z = latents->rows(band.area.top, band.area.bottom);
            if (!corrections.empty()) {
                const int16_t* more = corrections[i].row(band.area.top);
                for (int32_t& v : z.data) v += *more++;
            }
            parallel_for(band.area.height(), threads, 1, [&](int64_t begin, int64_t end, int) {
                choose_codes(stage, z, quality, model_.shape.feature_bits, how, begin, end, band);
            });
        };
    });
}

Encoded Network::encode(const Codes& codes, int64_t height, int64_t width, int quality, int tile_log2,
                        int threads) const {
    const Tiling tiling(Frame(height, width, quality, tile_log2), model_.shape.multiple());
    if (codes.size() != model_.stages.size()) throw std::invalid_argument("the number of stages is wrong");
    for (size_t i = 0; i < model_.stages.size(); ++i) {
        const StageShape& s = model_.stages[i].shape;
        const Rectangle whole = tiling.whole(s.level);
        if (codes[i].height != whole.height() || codes[i].width != whole.width() ||
            codes[i].channels != s.latents / kGroup * s.digits)
            throw std::invalid_argument("the codes of stage " + std::to_string(i) + " have the wrong shape");
    }
    return encode(tiling, quality, threads, [&](int i, const FlowPointer&) -> StageEncoder::Chooser {
        return [given = &codes[i]](Band& band) {
            std::copy_n(given->row(band.area.top), band.code.data.size(), band.code.data.begin());
        };
    });
}

template <class Pixel>
void Network::decode(const Streams& streams, int64_t height, int64_t width, int quality, int tile_log2, int threads,
                     int scale, Rectangle area, Pixel* pixels, Codes* codes) const {
    const Tiling tiling(Frame(height, width, quality, tile_log2), model_.shape.multiple());
    if (static_cast<int>(streams.size()) != model_.shape.streams())
        throw CorruptStream("the number of coded streams is wrong");
    for (const auto& s : streams)
        if (static_cast<int64_t>(s.size()) != tiling.count()) throw CorruptStream("the number of coded tiles is wrong");
    const Head& head = this->head(scale);
    if (codes) codes->reserve(head.stages);  // so that their addresses stay
    Open<RansDecoder> open;
    std::vector<bool> missing;
    Reader f(synthesis(tiling, head.stages, positions(head, area), quality, threads, true,
                       [&](int i, const Place& place, const FlowPointer& before) {
                           const StageShape& s = place.stage.shape;
                           missing = missing_tiles(tiling, streams[s.stream], missing);
                           if (codes) codes->emplace_back(before->height, before->width, s.latents / kGroup * s.digits);
                           return std::make_unique<StageDecoder>(place, streams[s.stream], missing, open,
                                                                 codes ? &(*codes)[i] : nullptr);
                       }));
    const Conv& conv = std::is_same_v<Pixel, uint16_t> ? head.deep : head.conv;
    const int64_t side = head.side, left = f.flow().area.left, columns = f.flow().area.width();
    for_each_strip(f, [&](int64_t top, int64_t bottom) {
        parallel_for(bottom - top, threads, 1, [&](int64_t begin, int64_t end, int) {
            std::vector<int16_t> row(columns * f.channels());
            std::vector<int32_t> sums(columns * conv.out);
            for (int64_t y = top + begin; y < top + end; ++y) {
                kernels().clamp(f.row(y, left), row.data(), columns * f.channels());
                conv_1x1(conv, row.data(), columns, sums.data());
                for (int64_t i = std::max(int64_t{0}, area.top - y * side); i < std::min(side, area.bottom - y * side);
                     ++i) {
                    Pixel* out = pixels + (y * side + i - area.top) * area.width() * 3;
                    for (int64_t x = area.left; x < area.right; ++x)
                        for (int c = 0; c < 3; ++c)
                            to_pixel(sums[(x / side - left) * conv.out + (c * side + i) * side + x % side], *out++);
                }
            }
        });
    });
}

template void Network::decode(const Streams&, int64_t, int64_t, int, int, int, int, Rectangle, uint8_t*, Codes*) const;
template void Network::decode(const Streams&, int64_t, int64_t, int, int, int, int, Rectangle, uint16_t*, Codes*) const;

}  // namespace aec
