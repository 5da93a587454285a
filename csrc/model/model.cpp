#include "model/model.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include "model/winograd.h"

namespace aec {
namespace {

constexpr int kMaxChannels = 1 << 16, kMaxBlocks = 1 << 10;  // far beyond any network, and no product of them overflows

// Throws if a value is not one of low to high.
void expect(const std::string& of, const char* what, int64_t value, int64_t low, int64_t high) {
    if (value < low || value > high)
        throw std::invalid_argument(of + ": " + what + " " + std::to_string(value) + " is not one of " +
                                    std::to_string(low) + " to " + std::to_string(high));
}

void expect_multiple(const std::string& of, const char* what, int64_t value, int64_t unit) {
    if (value < unit || value % unit)
        throw std::invalid_argument(of + ": " + what + " " + std::to_string(value) + " is no multiple of " +
                                    std::to_string(unit));
}

std::string numbered(const std::string& name, int64_t i) { return name + "." + std::to_string(i); }

Conv load_conv(const Tensors& tensors, const std::string& name, int in, int out, int taps) {
    expect_multiple(name, "input channels", in, kOutBlock);
    expect_multiple(name, "output channels", out, kOutBlock);
    Conv c;
    c.in = in, c.out = out, c.taps = taps;
    const bool spatial = taps == 9;
    const int64_t count = int64_t{in} * taps;                              // weights of an output channel
    const int16_t* weight = tensors.int16(name + ".weight", out * count);  // [out][in][taps]
    const int32_t* bias = tensors.int32(name + ".bias", out);
    const int32_t* shift = tensors.int32(name + ".shift", out);
    c.weights.reserve(static_cast<size_t>(out * count));
    for (int block = 0; block < out; block += kOutBlock)
        for (int t = 0; t < taps; ++t)
            for (int i = 0; i < in; i += 2)
                for (int o = block; o < block + kOutBlock; ++o)
                    for (int pair = 0; pair < 2; ++pair) c.weights.push_back(weight[o * count + (i + pair) * taps + t]);
    if (spatial) c.winograd = winograd_weights(weight, in, out);
    const int64_t input_max = spatial ? kSpatialInputMax : kConvInputMax;
    for (int o = 0; o < out; ++o) {
        expect(name, "shift", shift[o], 1, 30);
        int64_t bound = std::abs(int64_t{bias[o]}) + (int64_t{1} << (shift[o] - 1));
        for (int64_t i = 0; i < count; ++i) bound += std::abs(weight[o * count + i]) * input_max;
        if (bound >= int64_t{1} << 31)
            throw std::invalid_argument(name + ": a sum of output channel " + std::to_string(o) + " could overflow");
        c.bias.push_back(bias[o] + (1 << (shift[o] - 1)));
        c.shift.push_back(shift[o]);
    }
    return c;
}

Block load_block(const Tensors& tensors, const std::string& name, int channels, int hidden) {
    Block b;
    b.spatial = load_conv(tensors, name + ".spatial", channels, hidden, 9);
    b.mix = load_conv(tensors, name + ".mix", hidden, channels, 1);
    const int64_t size = int64_t{kQualities} * 2 * hidden;
    const int16_t* film = tensors.int16(name + ".film", size);
    b.film.assign(film, film + size);
    return b;
}

// How many codewords, by the index of σ, cost at most kPossibleBits: 1, or a multiple of 8.
std::vector<int32_t> possible_prefix(const Codebook& book, const std::vector<int32_t>& inverse_variance) {
    std::vector<int32_t> prefix;
    for (const int64_t inverse : inverse_variance) {
        int needed = 0;
        for (int k = 0; k < book.count; ++k) {
            int64_t norm = 0;
            for (int i = 0; i < kGroup; ++i) norm += book.squares[static_cast<size_t>(i) * book.count + k];
            if (norm * inverse <= int64_t{kPossibleBits} << kExponentBits) needed = k + 1;
        }
        prefix.push_back(needed <= 1 ? 1 : std::min(book.count, (needed + 7) / 8 * 8));
    }
    return prefix;
}

// codewords [K][4]; weight_bits [2][K] with kWeightBits, or null
Codebook load_codebook(const std::string& name, const int16_t* codewords, const int16_t* weight_bits, int count,
                       const std::vector<int32_t>& inverse_variance) {
    Codebook book;
    book.count = count;
    for (int i = 0; i < kGroup; ++i)
        for (int k = 0; k < count; ++k) {
            const int32_t c = codewords[k * kGroup + i], most = k ? kCodewordMax : 0;  // codeword 0 is zero
            expect(name, ("codeword " + std::to_string(k) + ":").c_str(), c, -most, most);
            book.words.push_back(static_cast<int16_t>(c));
            book.squares.push_back(static_cast<int16_t>((c * c + (1 << (kSquareShift - 1))) >> kSquareShift));
            book.search.push_back(static_cast<float>(c) / (1 << kCodewordBits));
        }
    for (int has_coarser_code = 0; has_coarser_code < 2 && weight_bits; ++has_coarser_code)
        for (int k = 0; k < count; ++k) {
            const int32_t bits = weight_bits[has_coarser_code * count + k];
            expect(name, "weight", bits, 0, 32767);
            book.weight_bits[has_coarser_code].push_back(bits << (kExponentBits - kWeightBits));
            book.log_weight[has_coarser_code].push_back(static_cast<float>(bits) *
                                                        (-0.6931471805599453f / (1 << kWeightBits)));
        }
    book.prefix = possible_prefix(book, inverse_variance);
    return book;
}

Stage load_stage(const Tensors& t, const std::string& name, const NetworkShape& shape, const StageShape& s) {
    expect(name, "level", s.level, 0, shape.levels() - 1);
    expect(name, "digits", s.rvq_levels, 1, kMaxRvqLevels);
    expect(name, "refine", s.refine, 0, kMaxBlocks);
    expect(name, "latents", s.latents, 0, kMaxChannels);
    expect_multiple(name, "latents", s.latents, kOutBlock);
    const int channels = shape.channels[s.level], hidden = shape.hidden[s.level], d = s.latents;
    Stage stage;
    stage.shape = s;
    stage.select = load_conv(t, name + ".select", channels, d, 1);
    stage.posterior_in = load_conv(t, name + ".posterior.0", 2 * channels, hidden, 1);
    stage.posterior_out = load_conv(t, name + ".posterior.2", hidden, d, 9);
    stage.prior_in = load_conv(t, name + ".prior.0", 3 * channels, hidden, 1);
    stage.prior_out = load_conv(t, name + ".prior.2", hidden, 2 * d, 1);
    stage.inject = load_conv(t, name + ".inject", d, channels, 1);
    const int64_t gains = int64_t{kQualities} * d;
    const int16_t* log_gain = t.int16(name + ".log_gain", gains);
    const int32_t* step = t.int32(name + ".step", gains);
    stage.log_gain.assign(log_gain, log_gain + gains);
    stage.step.assign(step, step + gains);
    for (const int32_t x : stage.step) expect(name, "step", x, 1, INT32_MAX);
    const int32_t* inverse = t.int32(name + ".inverse_variance", 2 * kSigmaCount);
    const float* variance = t.float32(name + ".variance", 2);
    for (int i = 0; i < 2; ++i) {
        stage.inverse_variance[i].assign(inverse + i * kSigmaCount, inverse + (i + 1) * kSigmaCount);
        stage.variance[i] = variance[i];
        if (!(variance[i] > 0) || !std::isfinite(variance[i]))
            throw std::invalid_argument(name + ": a variance is " + std::to_string(variance[i]));
        for (const int32_t x : stage.inverse_variance[i]) expect(name, "inverse variance", x, 0, 32767);
    }
    const int64_t k = shape.codewords, groups = s.groups();
    const int16_t* words = t.int16(name + ".codebook", groups * k * kGroup);
    const int16_t* weights = t.int16(name + ".weight_bits", groups * 2 * k);
    for (int64_t g = 0; g < groups; ++g)
        stage.groups.push_back(load_codebook(name + ".codebook", words + g * k * kGroup, weights + g * 2 * k,
                                             shape.codewords, stage.inverse_variance[0]));
    stage.coarse =
        load_codebook("lattice", t.int16("lattice", k * kGroup), nullptr, shape.codewords, stage.inverse_variance[1]);
    for (int i = 0; i < s.refine; ++i)
        stage.refine.push_back(load_block(t, numbered(name + ".refine", i), channels, hidden));
    return stage;
}

Head load_head(const Tensors& t, const std::string& name, const NetworkShape& shape, int scale, int stages) {
    expect(name, "scale", scale, 1, kBlock);
    expect(name, "stages", stages, 1, static_cast<int64_t>(shape.stages.size()));
    if (kBlock % scale)
        throw std::invalid_argument(name + ": scale " + std::to_string(scale) + " does not divide " +
                                    std::to_string(kBlock));
    Head head;
    head.scale = scale, head.stages = stages;
    const int level = shape.stages[stages - 1].level;
    head.side = (kBlock << level) / scale;
    const int out = (3 * head.side * head.side + kOutBlock - 1) / kOutBlock * kOutBlock;
    head.conv = head.sixteen_bit = load_conv(t, name, shape.channels[level], out, 1);
    for (int i = 0; i < out; ++i) {
        int32_t &shift = head.sixteen_bit.shift[i], &bias = head.sixteen_bit.bias[i];
        expect(name, "shift", shift, kSixteenBitFraction + 1, 30);
        bias -= 1 << (shift - 1);  // the rounding
        shift -= kSixteenBitFraction;
        bias += 1 << (shift - 1);
    }
    return head;
}

void check(const NetworkShape& shape) {
    const std::string name = "network";
    const int levels = shape.levels();
    expect(name, "number of levels", levels, 1, 8);
    expect(name, "number of hidden sizes", static_cast<int64_t>(shape.hidden.size()), levels, levels);
    expect(name, "number of analysis sizes", static_cast<int64_t>(shape.analysis.size()), levels, levels);
    for (int l = 0; l < levels; ++l) {
        expect(name, "channels", shape.channels[l], 0, kMaxChannels);
        expect(name, "hidden", shape.hidden[l], 0, kMaxChannels);
        expect(name, "analysis", shape.analysis[l], 0, kMaxBlocks);
    }
    expect(name, "feature_bits", shape.feature_bits, 4, 12);
    expect(name, "codewords", shape.codewords, 8, kMaxCodewords);
    expect_multiple(name, "codewords", shape.codewords, 8);
    if (shape.stages.empty()) throw std::invalid_argument("network: there are no stages");
    // The first stage has the coarsest level and stream 0; from then on levels fall and streams count up.
    StageShape before = shape.stages.front();
    for (size_t i = 0; i < shape.stages.size(); ++i) {
        const StageShape& s = shape.stages[i];
        const std::string stage = numbered("stages", static_cast<int64_t>(i));
        expect(stage, "level", s.level, i ? 0 : levels - 1, i ? before.level : levels - 1);
        expect(stage, "stream", s.stream, i ? before.stream : 0, i ? before.stream + 1 : 0);
        expect(stage, "stream", s.stream, 0, kMaxStreams - 1);
        before = s;
    }
}

}  // namespace

Model::Model(const NetworkShape& network_shape, const Tensors& t) : shape(network_shape) {
    check(shape);
    stem = load_conv(t, "stem", 3 * kBlock * kBlock, shape.channels[0], 1);
    for (int l = 0; l < shape.levels(); ++l) {
        const int channels = shape.channels[l];
        analysis.emplace_back();
        for (int j = 0; j < shape.analysis[l]; ++j)
            analysis[l].push_back(load_block(t, numbered(numbered("analysis", l), j), channels, shape.hidden[l]));
        if (l + 1 == shape.levels()) break;
        down.push_back(load_conv(t, numbered("down", l), channels, shape.channels[l + 1], 4));
        up.push_back(load_conv(t, numbered("up", l), shape.channels[l + 1], 4 * channels, 1));
    }
    for (const StageShape& s : shape.stages)
        stages.push_back(load_stage(t, numbered("stages", static_cast<int64_t>(stages.size())), shape, s));
    heads.push_back(load_head(t, "out", shape, 1, static_cast<int>(stages.size())));
    for (const auto& [scale, count] : shape.previews)
        heads.push_back(load_head(t, numbered("preview", scale), shape, scale, count));
}

DenoiserModel::DenoiserModel(int channels, int hidden, int count, const Tensors& t) {
    const std::string name = "denoiser";
    expect(name, "channels", channels, 0, kMaxChannels);
    expect(name, "hidden", hidden, 0, kMaxChannels);
    expect(name, "blocks", count, 0, kMaxBlocks);
    constexpr int kSamples = 3 * kDenoiserSide * kDenoiserSide;
    stem = load_conv(t, "stem", kSamples, channels, 1);
    for (int i = 0; i < count; ++i) blocks.push_back(load_block(t, numbered("blocks", i), channels, hidden));
    head = load_conv(t, "head", channels, kSamples, 1);
}

}  // namespace aec
