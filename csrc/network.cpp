#include "network.h"

#include <map>
#include <stdexcept>

#include "stage.h"

namespace aec {
namespace {

// The rANS coders of the rows of tiles that are being worked on; Coder is RansEncoder or RansDecoder.
template <class Coder>
using OpenRows = std::map<std::pair<int, long>, std::vector<Coder>>;  // by stream and row of tiles

// Where a stage codes: which coders, and when the first or the last stage of a stream is at the start or the end of a row.
struct Place {
    const Stage& stage;
    const Tiling& tiling;
    bool last_of_stream;
    int threads;

    long row(const Band& band) const { return band.top / tiling.side(stage.shape.level); }
    Rectangle tile(const Band& band, long column) const {
        const Rectangle r = tiling.at(row(band), column, stage.shape.level);
        return {band.top, r.left, band.bottom, r.right};
    }
    bool finishes_row(const Band& band) const { return last_of_stream && band.bottom == tiling.at(row(band), 0, stage.shape.level).bottom; }
};

class StageEncoder : public StageCoder {
public:
    StageEncoder(const Place& place, Latents latents, int quality, int feature_bits, float beta, OpenRows<RansEncoder>& open,
                 Encoded& result, double& bits)
        : place_(place), latents_(std::move(latents)), quality_(quality), feature_bits_(feature_bits), beta_(beta), open_(open), result_(result), bits_(bits) {}

    void code(Band& band) override {
        const long row = place_.row(band), columns = place_.tiling.columns();
        const int stream = place_.stage.shape.stream;
        auto& coders = open_.try_emplace({stream, row}, columns, RansEncoder(kLanes)).first->second;
        const Map<int32_t> z = latents_.rows(band.top, band.bottom);
        std::vector<double> bits(columns);
        const bool finish = place_.finishes_row(band);
        parallel_for(columns, place_.threads, 1, [&](long begin, long end, int) {
            for (long c = begin; c < end; ++c) {
                bits[c] = encode_tile(place_.stage, z, quality_, feature_bits_, beta_, place_.tile(band, c), band, coders[c]);
                if (finish) result_.streams[stream][row * columns + c] = coders[c].finish();
            }
        });
        for (double b : bits) bits_ += b;
        if (finish) open_.erase({stream, row});
    }

private:
    const Place place_;
    Latents latents_;
    const int quality_, feature_bits_;
    const float beta_;
    OpenRows<RansEncoder>& open_;
    Encoded& result_;
    double& bits_;
};

class StageDecoder : public StageCoder {
public:
    StageDecoder(const Place& place, const std::vector<std::string>& tiles, OpenRows<RansDecoder>& open) : place_(place), tiles_(tiles), open_(open) {}

    void code(Band& band) override {
        const long row = place_.row(band), columns = place_.tiling.columns();
        const std::pair<int, long> key{place_.stage.shape.stream, row};
        auto& coders = open_[key];
        for (long c = coders.size(); c < columns; ++c) {
            const std::string& tile = tiles_[row * columns + c];
            coders.emplace_back(reinterpret_cast<const uint8_t*>(tile.data()), tile.size(), kLanes);
        }
        const bool finish = place_.finishes_row(band);
        parallel_for(columns, place_.threads, 1, [&](long begin, long end, int) {
            for (long c = begin; c < end; ++c) {
                decode_tile(place_.stage, place_.tile(band, c), band, coders[c]);
                if (finish) coders[c].finish();
            }
        });
        if (finish) open_.erase(key);
    }

private:
    const Place place_;
    const std::vector<std::string>& tiles_;
    OpenRows<RansDecoder>& open_;
};

}  // namespace

Network::Network(const NetworkShape& shape, const Tensors& t) : shape_(shape) {
    const int levels = static_cast<int>(shape.channels.size());
    if (levels < 1 || levels > 8 || shape.hidden.size() != shape.channels.size() || shape.analysis.size() != shape.channels.size() ||
        shape.stages.empty() || shape.feature_bits < 4 || shape.feature_bits > 12 || shape.codewords % 8 || shape.codewords < 8 ||
        shape.codewords > 256)
        throw std::invalid_argument("the network has an impossible shape");
    stem_ = load_conv(t, "stem", 3 * kBlock * kBlock, shape.channels[0], 1);
    out_ = load_conv(t, "out", shape.channels[0], 3 * kBlock * kBlock, 1);
    for (int i = 0; i < levels; ++i) {
        analysis_.emplace_back();
        for (int j = 0; j < shape.analysis[i]; ++j)
            analysis_[i].push_back(load_block(t, "analysis." + std::to_string(i) + "." + std::to_string(j), shape.channels[i], shape.hidden[i]));
        if (i + 1 == levels) break;
        down_.push_back(load_conv(t, "down." + std::to_string(i), shape.channels[i], shape.channels[i + 1], 4));
        up_.push_back(load_conv(t, "up." + std::to_string(i), shape.channels[i + 1], 4 * shape.channels[i], 1));
    }
    for (size_t i = 0; i < shape.stages.size(); ++i) {
        const StageShape& s = shape.stages[i];
        const int level = i ? shape.stages[i - 1].level : levels - 1, stream = i ? shape.stages[i - 1].stream : 0;
        if (s.level > level || s.stream < stream || s.stream > stream + 1 || (i == 0 && (s.level != level || s.stream != 0)))
            throw std::invalid_argument("the network's stages are out of order");
        stages_.push_back(load_stage(t, "stages." + std::to_string(i), shape, s));
    }
}

std::vector<FlowPointer> Network::analysis(const uint8_t* pixels, long height, long width, const Tiling& tiling, int quality, int threads) const {
    std::vector<FlowPointer> levels;
    FlowPointer e = stem(stem_, pixels, height, width, tiling.height() / kBlock, tiling.width() / kBlock, threads);
    for (size_t i = 0; i < analysis_.size(); ++i) {
        if (i) e = downsample(down_[i - 1], e, threads);
        for (const Block& b : analysis_[i]) e = residual_block(b, e, quality, threads);
        levels.push_back(e);
    }
    return levels;
}

template <class MakeCoder>
FlowPointer Network::synthesis(const Tiling& tiling, int quality, int threads, bool decodes, const MakeCoder& make_coder) const {
    int level = static_cast<int>(shape_.channels.size()) - 1;
    FlowPointer f = zeros(tiling.height() / shape_.multiple(), tiling.width() / shape_.multiple(), shape_.channels[level], threads);
    for (size_t i = 0; i < stages_.size(); ++i) {
        const Stage& stage = stages_[i];
        for (; level > stage.shape.level; --level) f = upsample(up_[level - 1], f, threads);
        const bool last = i + 1 == stages_.size(), last_of_stream = last || stages_[i + 1].shape.stream != stage.shape.stream;
        const bool first_of_stream = i == 0 || stages_[i - 1].shape.stream != stage.shape.stream;
        auto coder = make_coder(i, Place{stage, tiling, last_of_stream, threads}, f);
        f = code_stage({stage, tiling, quality, shape_.feature_bits, threads, !first_of_stream, decodes || !last}, f, std::move(coder));
        if (!decodes && last) break;
        for (const Block& b : stage.refine) f = residual_block(b, f, quality, threads);
    }
    return f;
}

Encoded Network::encode(const uint8_t* pixels, long height, long width, int quality, int tile_log2, float beta, int threads) const {
    const Tiling tiling(height, width, tile_log2, shape_.multiple());
    Encoded result;
    result.bits.assign(stages_.size(), 0);
    result.streams.assign(shape_.streams(), std::vector<std::string>(tiling.count()));
    OpenRows<RansEncoder> open;
    const auto e = analysis(pixels, height, width, tiling, quality, threads);
    Reader f(synthesis(tiling, quality, threads, false, [&](size_t i, const Place& place, const FlowPointer& f) {
        return std::make_unique<StageEncoder>(place, Latents(place.stage, f, e[place.stage.shape.level], threads), quality,
                                              shape_.feature_bits, beta, open, result, result.bits[i]);
    }));
    for_each_strip(f, [](long, long) {});  // the stages have done the work
    return result;
}

void Network::decode(const std::vector<std::vector<std::string>>& streams, long height, long width, int quality, int tile_log2,
                     int threads, uint8_t* pixels) const {
    const Tiling tiling(height, width, tile_log2, shape_.multiple());
    if (static_cast<int>(streams.size()) != shape_.streams()) throw CorruptStream("the number of coded streams is wrong");
    for (const auto& s : streams)
        if (static_cast<long>(s.size()) != tiling.count()) throw CorruptStream("the number of coded tiles is wrong");
    OpenRows<RansDecoder> open;
    Reader f(synthesis(tiling, quality, threads, true, [&](size_t, const Place& place, const FlowPointer&) {
        return std::make_unique<StageDecoder>(place, streams[place.stage.shape.stream], open);
    }));
    for_each_strip(f, [&](long top, long bottom) {
        parallel_for(bottom - top, threads, 1, [&](long begin, long end, int) {
            std::vector<int16_t> row(f.width() * f.channels());
            std::vector<int32_t> sums(f.width() * out_.out);
            for (long y = top + begin; y < top + end; ++y) {
                kernels().clamp(f.row(y), row.data(), f.width() * f.channels());
                conv_1x1(out_, row.data(), f.width(), sums.data());
                for (int i = 0; i < kBlock && y * kBlock + i < height; ++i)
                    for (long x = 0; x < width; ++x)
                        for (int c = 0; c < 3; ++c) {
                            const int32_t v = sums[x / kBlock * out_.out + (c * kBlock + i) * kBlock + x % kBlock] + 128;
                            pixels[((y * kBlock + i) * width + x) * 3 + c] = static_cast<uint8_t>(std::min(255, std::max(0, v)));
                        }
            }
        });
    });
}

}  // namespace aec
