#include "network.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>

#include "coder.h"
#include "layers.h"
#include "parallel.h"

namespace aec {
namespace {

constexpr long kRowsAtOnce = 4;  // of a thread's turn where rows share work with their neighbours

int16_t clamp_input(int64_t x) { return static_cast<int16_t>(std::min<int64_t>(kConvInputMax, std::max<int64_t>(-kConvInputMax, x))); }
int16_t saturate16(int64_t x) { return static_cast<int16_t>(std::min<int64_t>(32767, std::max<int64_t>(-32768, x))); }

Stage load_stage(const Tensors& t, const std::string& name, const NetworkShape& shape, const StageShape& s) {
    if (s.level < 0 || s.level >= static_cast<int>(shape.channels.size()) || s.digits < 1 || s.digits > kMaxDigits || s.latents < 16)
        throw std::invalid_argument(name + ": impossible shape");
    const int channels = shape.channels[s.level], hidden = shape.hidden[s.level], d = s.latents, groups = d / kGroup;
    Stage stage;
    stage.shape = s;
    stage.select = load_conv(t, name + ".select", channels, d, 1);
    stage.posterior_in = load_conv(t, name + ".posterior.0", 2 * channels, hidden, 1);
    stage.posterior_out = load_conv(t, name + ".posterior.2", hidden, d, 9);
    stage.prior_in = load_conv(t, name + ".prior.0", 3 * channels, hidden, 1);
    stage.prior_out = load_conv(t, name + ".prior.2", hidden, 2 * d, 1);
    stage.inject = load_conv(t, name + ".inject", d, channels, 1);
    const int16_t* log_gain = t.int16(name + ".log_gain", static_cast<long>(kQualities) * d);
    const int32_t* step = t.int32(name + ".step", static_cast<long>(kQualities) * d);
    stage.log_gain.assign(log_gain, log_gain + kQualities * d);
    stage.step.assign(step, step + kQualities * d);
    for (int32_t x : stage.step)
        if (x < 1) throw std::invalid_argument(name + ": a step is not positive");
    const int32_t* inverse = t.int32(name + ".inverse_variance", 2 * kSigmaCount);
    const float* variance = t.float32(name + ".variance", 2);
    for (int i = 0; i < 2; ++i) {
        stage.inverse_variance[i].assign(inverse + i * kSigmaCount, inverse + (i + 1) * kSigmaCount);
        stage.variance[i] = variance[i];
        for (int32_t x : stage.inverse_variance[i])
            if (x < 0 || x > 32767) throw std::invalid_argument(name + ": an inverse variance is out of range");
    }
    const long size = static_cast<long>(shape.codewords) * kGroup;
    const int16_t* codebook = t.int16(name + ".codebook", groups * size);
    const int16_t* weights = t.int16(name + ".weight_bits", static_cast<long>(groups) * 2 * shape.codewords);
    for (int g = 0; g < groups; ++g)
        stage.groups.push_back(load_codebook(codebook + g * size, weights + static_cast<long>(g) * 2 * shape.codewords,
                                             shape.codewords, stage.inverse_variance[0]));
    stage.coarse = load_codebook(t.int16("lattice", size), nullptr, shape.codewords, stage.inverse_variance[1]);
    for (int i = 0; i < s.refine; ++i) stage.refine.push_back(load_block(t, name + ".refine." + std::to_string(i), channels, hidden));
    return stage;
}

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

// ---------------------------------------------------------------------------------------------- the encoder's analysis

std::vector<Features> Network::analyse(const uint8_t* pixels, long height, long width, int quality, int threads) const {
    const long multiple = shape_.multiple(), rows = (height + multiple - 1) / multiple * multiple / kBlock,
               columns = (width + multiple - 1) / multiple * multiple / kBlock;
    Features e(rows, columns, stem_.out);
    parallel_for(rows, threads, 1, [&](long begin, long end, int) {
        std::vector<int16_t> blocks(columns * stem_.in);
        std::vector<int32_t> sums(columns * stem_.out);
        for (long y = begin; y < end; ++y) {
            for (long x = 0; x < columns; ++x)
                for (int c = 0; c < 3; ++c)
                    for (int i = 0; i < kBlock; ++i) {
                        // Beyond the picture's edge its last row and column go on.
                        const uint8_t* line = pixels + std::min(y * kBlock + i, height - 1) * width * 3;
                        int16_t* block = blocks.data() + x * stem_.in + (c * kBlock + i) * kBlock;
                        for (int j = 0; j < kBlock; ++j)
                            block[j] = static_cast<int16_t>(line[std::min(x * kBlock + j, width - 1) * 3 + c] - 128);
                    }
            conv_1x1(stem_, blocks.data(), columns, sums.data());
            std::transform(sums.begin(), sums.end(), e.row(y), saturate16);
        }
    });
    std::vector<Features> levels;
    for (size_t i = 0; i < analysis_.size(); ++i) {
        if (i) e = downsample(down_[i - 1], levels.back(), threads);
        for (const Block& b : analysis_[i]) residual_block(b, e, quality, threads);
        levels.push_back(std::move(e));
    }
    return levels;
}

namespace {

// The rows of a stage that are worked on at once, of a map f whose rows above them hold later features already: `above` is
// row top-1 as it was, or empty.
struct Rows {
    const Features& f;
    long top, bottom;
    std::vector<int16_t> above;

    const int16_t* row(long y) const { return y == top - 1 && !above.empty() ? above.data() : f.row(y); }
};

// What the picture's features e say that the latents are, in features: [bottom - top][width][latents].
Map<int32_t> latents(const Stage& stage, const Rows& f, const Features& e, int threads) {
    const long width = e.width, channels = e.channels, hidden = stage.posterior_in.out, d = stage.shape.latents;
    const long first = std::max(0L, f.top - 1), last = std::min(e.height, f.bottom + 1);  // of the rows that a 3x3 sees
    Features inner(last - first, width, hidden);
    Map<int32_t> z(f.bottom - f.top, width, d);
    parallel_for(last - first, threads, 1, [&](long begin, long end, int) {
        std::vector<int16_t> difference(width * channels), both(2 * width * channels);
        std::vector<int32_t> sums(width * hidden);
        for (long y = first + begin; y < first + end; ++y) {
            const int16_t *fr = f.row(y), *er = e.row(y);
            for (long p = 0; p < width; ++p)
                for (long i = 0; i < channels; ++i) {
                    const long at = p * channels + i;
                    difference[at] = both[p * 2 * channels + channels + i] = clamp_input(er[at] - fr[at]);
                    both[p * 2 * channels + i] = clamp_input(fr[at]);
                }
            conv_1x1(stage.posterior_in, both.data(), width, sums.data());
            kernels().leaky(sums.data(), inner.row(y - first), width * hidden);
            if (y >= f.top && y < f.bottom) conv_1x1(stage.select, difference.data(), width, z.row(y - f.top));
        }
    });
    parallel_for(z.height, threads, kRowsAtOnce, [&](long begin, long end, int) {
        const long shift = f.top - first;  // from the rows of z to those of inner
        Window window(inner, begin + shift, end + shift);
        std::vector<int32_t> sums(width * d);
        for (long y = begin; y < end; ++y) {
            window.move_to(y + shift);
            conv_3x3(stage.posterior_out, window, width, sums.data());
            for (long i = 0; i < width * d; ++i) z.row(y)[i] += sums[i];
        }
    });
    return z;
}

// -------------------------------------------------------------------------------------------- shared with the decoder

Band predict(const Stage& stage, const Rows& f, int quality, int threads) {
    const long width = f.f.width, channels = f.f.channels, d = stage.shape.latents, hidden = stage.prior_in.out, height = f.bottom - f.top;
    const int16_t* log_gain = stage.log_gain.data() + (quality - 1) * d;
    Band band{f.top, f.bottom, Features(height, width, d), Map<uint8_t>(height, width, d), Map<int32_t>(height, width, d)};
    parallel_for(height, threads, kRowsAtOnce, [&](long begin, long end, int) {
        const long stride = (width + 2) * channels;
        Window window(f.f, f.top + begin, f.top + end, begin == 0 && !f.above.empty() ? f.above.data() : nullptr);
        std::vector<int16_t> inputs(3 * width * channels), inner(width * hidden);
        std::vector<int32_t> column(stride), sums(width * std::max(hidden, 2 * d));
        for (long y = begin; y < end; ++y) {
            window.move_to(f.top + y);
            for (long i = 0; i < stride; ++i) column[i] = std::abs(window.row(0)[i]) + std::abs(window.row(1)[i]) + std::abs(window.row(2)[i]);
            for (long x = 0; x < width; ++x) {
                int16_t* in = inputs.data() + 3 * x * channels;
                const int16_t* centre = window.row(1) + (x + 1) * channels;
                const int32_t* left = column.data() + x * channels;
                for (long i = 0; i < channels; ++i) {
                    in[i] = centre[i];
                    in[channels + i] = static_cast<int16_t>(std::abs(centre[i]));
                    const int32_t energy = left[i] + left[channels + i] + left[2 * channels + i];  // of 3x3 positions
                    in[2 * channels + i] = static_cast<int16_t>((energy * 7282 + 32768) >> 16);    // a ninth of it
                }
            }
            conv_1x1(stage.prior_in, inputs.data(), width, sums.data());
            kernels().leaky(sums.data(), inner.data(), width * hidden);
            conv_1x1(stage.prior_out, inner.data(), width, sums.data());
            for (long x = 0; x < width; ++x)
                for (long i = 0; i < d; ++i) {
                    band.mu.row(y)[x * d + i] = saturate16(sums[x * 2 * d + i]);
                    // log2 σ in 1/64 octaves, in features; the gain makes it steps
                    const int32_t log_sigma = std::min(1 << 16, std::max(-(1 << 16), sums[x * 2 * d + d + i])) + log_gain[i];
                    const int32_t index = ((log_sigma + 4) >> 3) - kSigmaOctaveMin * kSigmaPerOctave;
                    band.sigma.row(y)[x * d + i] = static_cast<uint8_t>(std::min(kSigmaCount - 1, std::max(0, index)));
                }
        }
    });
    return band;
}

void inject(const Stage& stage, const Band& band, int quality, int feature_bits, Features& f, int threads) {
    const long width = f.width, d = stage.shape.latents;
    const int32_t* step = stage.step.data() + (quality - 1) * d;
    const int shift = kCodewordBits + kStepBits - feature_bits;
    parallel_for(band.bottom - band.top, threads, 1, [&](long begin, long end, int) {
        std::vector<int16_t> values(width * d);
        std::vector<int32_t> sums(width * f.channels);
        for (long y = begin; y < end; ++y) {
            const int16_t* mu = band.mu.row(y);
            const int32_t* value = band.value.row(y);
            for (long x = 0; x < width; ++x)
                for (long i = 0; i < d; ++i) {
                    const long at = x * d + i;
                    const int64_t scaled = (static_cast<int64_t>(value[at]) * step[i] + (1 << (shift - 1))) >> shift;
                    values[at] = clamp_input(mu[at] + scaled);
                }
            conv_1x1(stage.inject, values.data(), width, sums.data());
            int16_t* row = f.row(band.top + y);
            kernels().add(row, sums.data(), row, width * f.channels);
        }
    });
}

}  // namespace

// Runs the stages coarse to fine, each a row of tiles at a time; code(stage, rows of f, row of tiles, band) fills in
// band.value. An encoder has no use for the features after the last codes.
template <class Code>
Features Network::synthesise(const Tiling& tiling, int quality, int threads, bool to_the_end, const Code& code) const {
    int level = static_cast<int>(shape_.channels.size()) - 1;
    Features f(tiling.height() / shape_.multiple(), tiling.width() / shape_.multiple(), shape_.channels[level]);
    for (const Stage& stage : stages_) {
        const bool goes_on = to_the_end || &stage != &stages_.back();
        for (; level > stage.shape.level; --level) f = upsample(up_[level - 1], f, threads);
        std::vector<int16_t> above;
        for (long row = 0; row < tiling.rows(); ++row) {
            const Rectangle tile = tiling.at(row, 0, level);
            const Rows rows{f, tile.top, tile.bottom, std::move(above)};
            Band band = predict(stage, rows, quality, threads);
            code(stage, rows, row, band);
            if (!goes_on) continue;
            above = std::vector<int16_t>(f.row(tile.bottom - 1), f.row(tile.bottom - 1) + f.width * f.channels);
            inject(stage, band, quality, shape_.feature_bits, f, threads);
        }
        if (goes_on)
            for (const Block& b : stage.refine) residual_block(b, f, quality, threads);
    }
    return f;
}

Encoded Network::encode(const uint8_t* pixels, long height, long width, int quality, int tile_log2, float beta, int threads) const {
    const Tiling tiling(height, width, tile_log2, shape_.multiple());
    std::vector<Features> e = analyse(pixels, height, width, quality, threads);
    Encoded result;
    result.bits.assign(stages_.size(), 0);
    std::vector<RansEncoder> coders;
    auto finish_stream = [&] {
        result.streams.emplace_back(coders.size());
        parallel_for(coders.size(), threads, 1, [&](long begin, long end, int) {
            for (long t = begin; t < end; ++t) result.streams.back()[t] = coders[t].finish();
        });
        coders.clear();
    };
    synthesise(tiling, quality, threads, false, [&](const Stage& stage, const Rows& f, long row, Band& band) {
        if (!coders.empty() && static_cast<int>(result.streams.size()) < stage.shape.stream) finish_stream();
        if (coders.empty()) coders.assign(tiling.count(), RansEncoder(kLanes));
        for (size_t level = stage.shape.level + 1; level < e.size(); ++level) e[level] = {};  // no stage asks for it again
        const Map<int32_t> z = latents(stage, f, e[stage.shape.level], threads);
        std::vector<double> bits(tiling.columns());
        parallel_for(tiling.columns(), threads, 1, [&](long begin, long end, int) {
            for (long c = begin; c < end; ++c)
                bits[c] = encode_tile(stage, z, quality, shape_.feature_bits, beta, tiling.at(row, c, stage.shape.level), band,
                                      coders[row * tiling.columns() + c]);
        });
        for (double b : bits) result.bits[&stage - stages_.data()] += b;
    });
    finish_stream();
    return result;
}

void Network::decode(const std::vector<std::vector<std::string>>& streams, long height, long width, int quality, int tile_log2,
                     int threads, uint8_t* pixels) const {
    const Tiling tiling(height, width, tile_log2, shape_.multiple());
    if (static_cast<int>(streams.size()) != shape_.streams()) throw CorruptStream("the number of coded streams is wrong");
    for (const auto& s : streams)
        if (static_cast<long>(s.size()) != tiling.count()) throw CorruptStream("the number of coded tiles is wrong");
    std::vector<RansDecoder> coders;
    int stream = -1;
    auto finish_stream = [&] {
        for (const RansDecoder& c : coders) c.finish();
    };
    const Features f = synthesise(tiling, quality, threads, true, [&](const Stage& stage, const Rows&, long row, Band& band) {
        if (stream != stage.shape.stream) {
            finish_stream();
            coders.clear();
            stream = stage.shape.stream;
            for (const std::string& s : streams[stream]) coders.emplace_back(reinterpret_cast<const uint8_t*>(s.data()), s.size(), kLanes);
        }
        parallel_for(tiling.columns(), threads, 1, [&](long begin, long end, int) {
            for (long c = begin; c < end; ++c) decode_tile(stage, tiling.at(row, c, stage.shape.level), band, coders[row * tiling.columns() + c]);
        });
    });
    finish_stream();

    parallel_for((height + kBlock - 1) / kBlock, threads, 1, [&](long begin, long end, int) {
        std::vector<int16_t> row(f.width * f.channels);
        std::vector<int32_t> sums(f.width * out_.out);
        for (long y = begin; y < end; ++y) {
            kernels().clamp(f.row(y), row.data(), f.width * f.channels);
            conv_1x1(out_, row.data(), f.width, sums.data());
            for (int i = 0; i < kBlock && y * kBlock + i < height; ++i)
                for (long x = 0; x < width; ++x)
                    for (int c = 0; c < 3; ++c) {
                        const int32_t v = sums[x / kBlock * out_.out + (c * kBlock + i) * kBlock + x % kBlock] + 128;
                        pixels[((y * kBlock + i) * width + x) * 3 + c] = static_cast<uint8_t>(std::min(255, std::max(0, v)));
                    }
        }
    });
}

}  // namespace aec
