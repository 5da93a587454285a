#include "runtime/network.h"

#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "base/workers.h"
#include "runtime/samples.h"

namespace aec {
namespace {

// A pixel from what a head gives: with no fractional bits, or with kSixteenBitFraction, so that 255 becomes 65535.
void to_pixel(int32_t v, uint8_t& out) { out = static_cast<uint8_t>(std::min(255, std::max(0, v + 128))); }
void to_pixel(int32_t v, uint16_t& out) {
    const int32_t wide = std::min(255 << kSixteenBitFraction, std::max(0, v + (128 << kSixteenBitFraction)));
    out = static_cast<uint16_t>((wide * 257 + 128) >> kSixteenBitFraction);
}

std::string size(int64_t height, int64_t width, int64_t channels) {
    return std::to_string(height) + " x " + std::to_string(width) + " x " + std::to_string(channels);
}

// Throws if there is not one map a stage, or if one is not of the level's size with so many channels.
template <class T, class Channels>
void expect_maps(const std::vector<Map<T>>& maps, const std::string& what, const Model& model, const Tiling& tiling,
                 size_t stages, const Channels& channels) {
    if (maps.size() != stages)
        throw std::invalid_argument(what + " of " + std::to_string(maps.size()) + " stages, but the model has " +
                                    std::to_string(stages));
    for (size_t i = 0; i < maps.size(); ++i) {
        const StageShape& shape = model.stages[i].shape;
        const Rectangle whole = tiling.whole(shape.level);
        const std::string is = size(maps[i].height, maps[i].width, maps[i].channels),
                          should = size(whole.height(), whole.width(), channels(shape));
        if (is != should)
            throw std::invalid_argument(what + " of stage " + std::to_string(i) + " are " + is + ", not " + should);
    }
}

}  // namespace

Tiling Network::tiling(const Frame& frame) const {
    const Tiling tiling(frame, model_.shape.multiple());
    const Rectangle cells = tiling.whole(model_.shape.levels() - 1);
    if (frame.has_map() && (frame.map.height != cells.height() || frame.map.width != cells.width()))
        throw std::invalid_argument("qualities are of " + std::to_string(frame.map.height) + " x " +
                                    std::to_string(frame.map.width) + " cells, not " + std::to_string(cells.height()) +
                                    " x " + std::to_string(cells.width()));
    return tiling;
}

const Head& Network::head(int scale) const {
    for (const Head& h : model_.heads)
        if (h.scale == scale) return h;
    throw std::invalid_argument("the model has no pictures reduced by " + std::to_string(scale));
}

View Network::view(const Frame& frame, int scale, const std::optional<Rectangle>& area) const {
    head(scale);
    const Rectangle all{0, 0, (frame.height + scale - 1) / scale, (frame.width + scale - 1) / scale};
    const Rectangle a = area.value_or(all);
    if (a.top < 0 || a.left < 0 || a.bottom > all.bottom || a.right > all.right || a.height() < 1 || a.width() < 1)
        throw std::invalid_argument("the region " + std::to_string(a.top) + ", " + std::to_string(a.left) + ", " +
                                    std::to_string(a.bottom) + ", " + std::to_string(a.right) +
                                    " is empty or reaches over the edge of " + std::to_string(all.bottom) + " x " +
                                    std::to_string(all.right));
    return {scale, a};
}

std::vector<RowStreamPointer> Network::analysis(const uint8_t* pixels, const Frame& frame, const Tiling& tiling,
                                                Workers& workers) const {
    std::vector<RowStreamPointer> levels;
    RowStreamPointer e = stem(model_.stem, kBlock, pixels, frame.height, frame.width, tiling.whole(0).height(),
                              tiling.whole(0).width(), workers);
    for (size_t i = 0; i < model_.analysis.size(); ++i) {
        if (i) e = downsample(model_.down[i - 1], e, workers);
        for (const Block& b : model_.analysis[i])
            e = residual_block(b, e, e->area, qualities(frame, static_cast<int>(i)), workers);
        levels.push_back(e);
    }
    return levels;
}

std::vector<Network::StageAreas> Network::areas(const Tiling& tiling, int stages, Rectangle wanted) const {
    std::vector<StageAreas> result(stages);
    for (int i = stages; i-- > 0;) {
        const StageShape& shape = model_.shape.stages[i];
        const Rectangle whole = tiling.whole(shape.level);
        StageAreas& a = result[i];
        a.refined.resize(shape.refine);
        for (int j = shape.refine; j-- > 0; wanted = kNeighbours.source(wanted, whole)) a.refined[j] = wanted;
        a.coded = tiling.inside(tiling.around(wanted, shape.level), shape.level);
        wanted = a.before = kNeighbours.source(a.coded, whole);
        for (int level = shape.level; i > 0 && level < model_.shape.stages[i - 1].level; ++level) {
            wanted = kDoubling.source(wanted, tiling.whole(level + 1));
            a.up.push_back({2 * wanted.top, 2 * wanted.left, 2 * wanted.bottom, 2 * wanted.right});
        }
    }
    return result;
}

std::vector<StageTiles> Network::coded_tiles(const Tiling& tiling, int stages, Rectangle wanted) const {
    std::vector<StageTiles> result;
    const auto all = areas(tiling, stages, wanted);
    const int last = static_cast<int>(model_.stages.size()) - 1;
    auto stream = [&](int i) { return model_.stages[i].shape.stream; };
    for (int i = 0; i < stages; ++i)
        result.push_back({model_.stages[i], tiling, tiling.around(all[i].coded, model_.stages[i].shape.level),
                          i == 0 || stream(i - 1) != stream(i), i == last || stream(i + 1) != stream(i)});
    return result;
}

std::vector<Rectangle> Network::tiles(const Frame& frame, const View& view) const {
    const Tiling tiling = this->tiling(frame);
    const Head& h = head(view.scale);
    std::vector<Rectangle> result(model_.shape.streams());
    for (const StageTiles& s : coded_tiles(tiling, h.stages, positions(h.side, view.area)))
        if (s.first_of_stream) result[s.stage.shape.stream] = s.tiles;  // the first stage of a stream needs the most
    return result;
}

RowStreamPointer Network::synthesis(const Tiling& tiling, Rectangle wanted, const Frame& frame, Workers& workers,
                                    Last last, std::vector<std::unique_ptr<StageCoder>> coders) const {
    const int stages = static_cast<int>(coders.size());
    const auto all = areas(tiling, stages, wanted);
    const auto where = coded_tiles(tiling, stages, wanted);
    int level = model_.shape.levels() - 1;
    RowStreamPointer f = zeros(tiling.whole(level).height(), tiling.whole(level).width(), all[0].before,
                               model_.shape.channels[level], workers);
    for (int i = 0; i < stages; ++i) {
        const Stage& stage = model_.stages[i];
        for (size_t step = all[i].up.size(); step-- > 0;) f = upsample(model_.up[--level], f, all[i].up[step], workers);
        const bool goes_on = last == Last::kFeatures || i + 1 < stages;
        f = code_stage({stage, tiling, settings(frame, level, workers), !where[i].first_of_stream, goes_on}, f,
                       all[i].coded, std::move(coders[i]));
        for (size_t j = 0; goes_on && j < stage.refine.size(); ++j)
            f = residual_block(stage.refine[j], f, all[i].refined[j], qualities(frame, level), workers);
    }
    return f;
}

void Network::code_all(const Tiling& tiling, const Frame& frame, Workers& workers,
                       std::vector<std::unique_ptr<StageCoder>> coders) const {
    const Rectangle whole = tiling.whole(model_.stages[coders.size() - 1].shape.level);
    run(synthesis(tiling, whole, frame, workers, Last::kCodes, std::move(coders)));
}

Encoded Network::encode(const Tiling& tiling, const Frame& frame, Workers& workers,
                        std::vector<std::unique_ptr<CodeSource>> sources) const {
    const int stages = static_cast<int>(model_.stages.size());
    Encoded result;
    result.bits.assign(stages, 0);
    result.streams.assign(model_.shape.streams(), std::vector<std::string>(tiling.count()));
    OpenCoders<RansEncoder> open_coders;
    std::vector<std::unique_ptr<StageCoder>> coders;
    const auto where = coded_tiles(tiling, stages, tiling.whole(model_.stages.back().shape.level));
    for (int i = 0; i < stages; ++i)
        coders.push_back(std::make_unique<StageEncoder>(where[i], std::move(sources[i]), open_coders,
                                                        result.streams[where[i].stage.shape.stream], result.bits[i],
                                                        workers));
    code_all(tiling, frame, workers, std::move(coders));
    return result;
}

Encoded Network::encode(const std::vector<RowStreamPointer>& picture, const Tiling& tiling, const Frame& frame,
                        const std::vector<Search>& search, const std::vector<Features>& corrections,
                        Workers& workers) const {
    if (search.size() != model_.stages.size())
        throw std::invalid_argument("prices of a bit for " + std::to_string(search.size()) +
                                    " stages, but the model has " + std::to_string(model_.stages.size()));
    if (!corrections.empty())
        expect_maps(corrections, "corrections", model_, tiling, model_.stages.size(),
                    [](const StageShape& s) { return s.latents; });
    std::vector<std::unique_ptr<CodeSource>> sources;
    for (size_t i = 0; i < model_.stages.size(); ++i) {
        const Stage& stage = model_.stages[i];
        sources.push_back(std::make_unique<ChosenCodes>(stage, picture[stage.shape.level],
                                                        settings(frame, stage.shape.level, workers), search[i],
                                                        corrections.empty() ? nullptr : &corrections[i]));
    }
    return encode(tiling, frame, workers, std::move(sources));
}

Encoded Network::encode(const uint8_t* pixels, const Frame& frame, const std::vector<Search>& search,
                        const std::vector<Features>& corrections, int threads) const {
    const Tiling tiling = this->tiling(frame);
    Workers workers(threads);
    return encode(analysis(pixels, frame, tiling, workers), tiling, frame, search, corrections, workers);
}

Encoded Network::encode(const std::vector<Features>& picture, const Frame& frame, const std::vector<Search>& search,
                        const std::vector<Features>& corrections, int threads) const {
    const Tiling tiling = this->tiling(frame);
    Workers workers(threads);
    if (static_cast<int>(picture.size()) != model_.shape.levels())
        throw std::invalid_argument("features of " + std::to_string(picture.size()) + " levels, but the model has " +
                                    std::to_string(model_.shape.levels()));
    std::vector<RowStreamPointer> levels;
    for (int level = 0; level < model_.shape.levels(); ++level) {
        const Features& map = picture[level];
        const Rectangle whole = tiling.whole(level);
        const std::string is = size(map.height, map.width, map.channels),
                          should = size(whole.height(), whole.width(), model_.shape.channels[level]);
        if (is != should)
            throw std::invalid_argument("features of level " + std::to_string(level) + " are " + is + ", not " +
                                        should);
        levels.push_back(copied(map, workers));
    }
    return encode(levels, tiling, frame, search, corrections, workers);
}

Encoded Network::encode(const Codes& codes, const Frame& frame, int threads) const {
    const Tiling tiling = this->tiling(frame);
    Workers workers(threads);
    expect_maps(codes, "codes", model_, tiling, model_.stages.size(), [](const StageShape& s) { return s.codes(); });
    std::vector<std::unique_ptr<CodeSource>> sources;
    for (const Map<uint8_t>& c : codes) sources.push_back(std::make_unique<GivenCodes>(c));
    return encode(tiling, frame, workers, std::move(sources));
}

Encoded Network::draw(const Codes& codes, const Frame& frame, uint64_t seed, int sharpness, int threads) const {
    const Tiling tiling = this->tiling(frame);
    Workers workers(threads);
    if (sharpness < 1 || sharpness > kSharpnessMax)
        throw std::invalid_argument("the sharpness is " + std::to_string(sharpness) + ", not 1 to " +
                                    std::to_string(kSharpnessMax));
    expect_maps(codes, "codes", model_, tiling, std::min(codes.size(), model_.stages.size()),
                [](const StageShape& s) { return s.codes(); });
    std::vector<std::unique_ptr<CodeSource>> sources;
    for (const Map<uint8_t>& c : codes) sources.push_back(std::make_unique<GivenCodes>(c));
    Random seeds(seed);
    for (const Stage& stage : model_.stages) {
        const Draw draw{seeds.next(), sharpness};
        if (static_cast<size_t>(&stage - model_.stages.data()) >= codes.size())
            sources.push_back(std::make_unique<DrawnCodes>(stage, draw, workers));
    }
    return encode(tiling, frame, workers, std::move(sources));
}

int64_t Network::reach(const Tiling& tiling, int stage) const {
    if (stage == 0) return 0;
    const StageShape &before = model_.shape.stages[stage - 1], &now = model_.shape.stages[stage];
    const int64_t positions = (before.refine << (before.level - now.level)) + kNeighbours.halo;
    return (positions + tiling.side(now.level) - 1) / tiling.side(now.level);
}

std::vector<std::vector<bool>> Network::missing(const Streams& streams, const Frame& frame) const {
    const Tiling tiling = this->tiling(frame);
    if (static_cast<int>(streams.size()) != model_.shape.streams())
        throw CorruptStream("there are " + std::to_string(streams.size()) + " coded streams, not " +
                            std::to_string(model_.shape.streams()));
    for (const auto& s : streams)
        if (static_cast<int64_t>(s.size()) != tiling.count())
            throw CorruptStream("a coded stream has " + std::to_string(s.size()) + " tiles, not " +
                                std::to_string(tiling.count()));
    std::vector<std::vector<bool>> result;
    for (size_t i = 0; i < model_.stages.size(); ++i)
        result.push_back(missing_tiles(tiling, streams[model_.shape.stages[i].stream],
                                       i ? result.back() : std::vector<bool>(), reach(tiling, static_cast<int>(i))));
    return result;
}

std::vector<std::unique_ptr<StageCoder>> Network::decoders(const Tiling& tiling, int stages, Rectangle wanted,
                                                           const Frame& frame, Workers& workers, const Streams& streams,
                                                           const Values* guesses, OpenCoders<RansDecoder>& open_coders,
                                                           Codes* codes) const {
    std::vector<std::unique_ptr<StageCoder>> coders;
    const auto missing = this->missing(streams, frame);
    for (const StageTiles& where : coded_tiles(tiling, stages, wanted)) {
        const size_t i = coders.size();
        coders.push_back(std::make_unique<StageDecoder>(where, streams[where.stage.shape.stream], missing[i],
                                                        i ? nullptr : guesses, open_coders,
                                                        codes ? &(*codes)[i] : nullptr, workers));
    }
    return coders;
}

Codes Network::decode_codes(const Streams& streams, const Frame& frame, int stages, int threads) const {
    const Tiling tiling = this->tiling(frame);
    Workers workers(threads);
    if (stages < 1 || stages > static_cast<int>(model_.stages.size()))
        throw std::invalid_argument("there are " + std::to_string(model_.stages.size()) + " stages, not " +
                                    std::to_string(stages));
    Codes codes;
    for (int i = 0; i < stages; ++i) {
        const StageShape& shape = model_.shape.stages[i];
        const Rectangle whole = tiling.whole(shape.level);
        codes.emplace_back(whole.height(), whole.width(), shape.codes());
    }
    OpenCoders<RansDecoder> open_coders;
    const Rectangle whole = tiling.whole(model_.shape.stages[stages - 1].level);
    code_all(tiling, frame, workers,
             decoders(tiling, stages, whole, frame, workers, streams, nullptr, open_coders, &codes));
    return codes;
}

template <class Pixel>
void Network::decode(const Streams& streams, const Frame& frame, const View& view, const Values& guesses, int threads,
                     Pixel* pixels) const {
    const Tiling tiling = this->tiling(frame);
    Workers workers(threads);
    const bool guessed = !guesses.data.empty();
    if (guessed)
        expect_maps<int32_t>({guesses}, "guesses", model_, tiling, 1, [](const StageShape& s) { return s.latents; });
    const Head& head = this->head(view.scale);
    const Rectangle area = view.area, wanted = positions(head.side, area);
    OpenCoders<RansDecoder> open_coders;
    RowCursor f(synthesis(tiling, wanted, frame, workers, Last::kFeatures,
                          decoders(tiling, head.stages, wanted, frame, workers, streams, guessed ? &guesses : nullptr,
                                   open_coders, nullptr)));
    put_samples(f, std::is_same_v<Pixel, uint16_t> ? head.sixteen_bit : head.conv, head.side, area, workers,
                [&](int32_t value, int64_t at) { to_pixel(value, pixels[at]); });
}

template void Network::decode(const Streams&, const Frame&, const View&, const Values&, int, uint8_t*) const;
template void Network::decode(const Streams&, const Frame&, const View&, const Values&, int, uint16_t*) const;

}  // namespace aec
