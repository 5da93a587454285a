#include "entropy/latent_coder.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

namespace aec {
namespace {

constexpr int kAsItIs = 1 << kSharpnessBits;  // the sharpness that changes no mass

PriorTables prior_tables(const Codebook& book, bool has_coarser_code) {
    const std::vector<int32_t>& bits = book.weight_bits[has_coarser_code];
    return {book.count, book.words.data(), book.squares.data(), bits.empty() ? nullptr : bits.data()};
}

// How many codewords a group can take at an RVQ level: see GroupQuantiser::fine_prefix.
int possible(const Codebook& book, int sigma_max, int rvq_level, bool has_coarser_code) {
    return has_coarser_code ? book.count
                            : book.prefix[std::max(0, sigma_max - kRvqLevelBits * kSigmaPerOctave * rvq_level)];
}

// The exponents of the first `count` codewords at an RVQ level, if coarser ones have given `value` (with
// kCodewordBits) -> the least of them.
int32_t rvq_level_exponents(const Stage& stage, const Codebook& book, int rvq_level, int count, const uint8_t* sigma,
                            const int32_t* value, bool has_coarser_code, int32_t* exponents) {
    int32_t inverse[kGroup], offset[kGroup];
    for (int i = 0; i < kGroup; ++i) {
        inverse[i] =
            stage.inverse_variance[rvq_level > 0][std::max(0, sigma[i] - kRvqLevelBits * kSigmaPerOctave * rvq_level)];
        offset[i] = std::min(kOffsetMax, std::max(-kOffsetMax, value[i] >> kRvqLevelBits * rvq_level));
    }
    return kernels().exponents(prior_tables(book, has_coarser_code), count, inverse,
                               has_coarser_code ? offset : nullptr, exponents);
}

// Multiplies them, from the least of them on, which becomes 0.
void sharpen(int32_t* exponents, int32_t least, int count, int sharpness) {
    constexpr int64_t kMost = int64_t{40} << kExponentBits;  // no mass is left of it
    for (int k = 0; k < count; ++k)
        exponents[k] =
            static_cast<int32_t>(std::min(kMost, ((int64_t{exponents[k]} - least) * sharpness) >> kSharpnessBits));
}

// A codeword by its frequency, without the one count that each has so that it can be coded at all.
uint8_t drawn(const uint16_t* frequencies, int count, Random& random) {
    uint32_t left = random.below((1u << kFrequencyBits) - static_cast<uint32_t>(count));
    int k = 0;
    while (left >= frequencies[k] - 1u) left -= frequencies[k++] - 1u;
    return static_cast<uint8_t>(k);
}

// Adds codeword k of an RVQ level to a group's value.
void add_codeword(const Codebook& book, int k, int rvq_level, int32_t* value) {
    for (int i = 0; i < kGroup; ++i) value[i] += book.words[i * book.count + k] * (1 << kRvqLevelBits * rvq_level);
}

int largest(const uint8_t* sigma) { return std::max(std::max(sigma[0], sigma[1]), std::max(sigma[2], sigma[3])); }

// Where a group lies in a band's maps.
struct Group {
    int64_t index, latent;  // of the position's groups; of its first latent in the maps
    const uint8_t* sigma;
    uint8_t* code;
    int32_t* value;
};

// Visits the groups of a part of a band in coding order: row by row, position by position, group by group.
template <class Visit>
void for_each_group(const Stage& stage, Rectangle part, Band& band, const Visit& visit) {
    const int64_t d = stage.shape.latents, groups = d / kGroup;
    for (int64_t y = part.top - band.area.top; y < part.bottom - band.area.top; ++y)
        for (int64_t x = part.left - band.area.left; x < part.right - band.area.left; ++x)
            for (int64_t g = 0; g < groups; ++g) {
                const int64_t at = (y * band.area.width() + x) * d + g * kGroup;
                visit(Group{g, at, band.sigma.data.data() + at,
                            band.code.data.data() + at / kGroup * stage.shape.rvq_levels, band.value.data.data() + at});
            }
}

// The frequencies of an RVQ level's codewords, after what the coarser ones have given.
void rvq_level_frequencies(const Stage& stage, const Group& group, int rvq_level, int count, bool has_coarser_code,
                           int sharpness, uint16_t* frequencies) {
    int32_t exponents[kMaxCodewords];
    int32_t least = rvq_level_exponents(stage, stage.codebook(group.index, rvq_level), rvq_level, count, group.sigma,
                                        group.value, has_coarser_code, exponents);
    if (sharpness != kAsItIs) {
        sharpen(exponents, least, count, sharpness);
        least = 0;
    }
    kernels().frequencies(exponents, least, count, frequencies);
}

// Walks the levels of a group's residual vector quantiser in coding order, which is the order of both writing and
// reading: from the coarsest RVQ level to the finest. code(frequencies, code) writes or reads the code if more than
// one codeword is possible; if only codeword 0 is, nothing is coded. The codewords add up in the group's value.
// opening: the frequencies of the first of these codes, or null. Throws std::invalid_argument if a code that is to be
// written is impossible.
template <class Code>
void for_each_rvq_level(const Stage& stage, const Group& group, const uint16_t* opening, const Code& code,
                        int sharpness = kAsItIs) {
    const int rvq_levels = stage.shape.rvq_levels, sigma_max = largest(group.sigma);
    bool has_coarser_code = false;  // whether a coarser code is not 0
    uint16_t own[kMaxCodewords];
    for (int rvq_level = rvq_levels - 1; rvq_level >= 0; --rvq_level) {
        const Codebook& book = stage.codebook(group.index, rvq_level);
        const int count = possible(book, sigma_max, rvq_level, has_coarser_code);
        uint8_t& k = group.code[rvq_levels - 1 - rvq_level];  // 0 until it is read
        if (k >= count)
            throw std::invalid_argument("code " + std::to_string(k) + " is impossible where it stands: there are " +
                                        std::to_string(count) + " codewords");
        if (count == 1) continue;
        const uint16_t* frequencies = std::exchange(opening, nullptr);
        if (!frequencies) {
            rvq_level_frequencies(stage, group, rvq_level, count, has_coarser_code, sharpness, own);
            frequencies = own;
        }
        code(frequencies, k, count);
        add_codeword(book, k, rvq_level, group.value);
        has_coarser_code |= k != 0;
    }
}

}  // namespace

void choose_codes(const Stage& stage, const Map<int32_t>& z, const Qualities& qualities, int feature_bits,
                  const Search& search, int64_t begin, int64_t end, Band& band) {
    const int32_t* step = nullptr;
    float sigmas[kSigmaCount];
    for (int i = 0; i < kSigmaCount; ++i)
        sigmas[i] = std::exp2(static_cast<float>(i) / kSigmaPerOctave + kSigmaOctaveMin);
    const auto choose = [&](const Group& group) {
        const Codebook& book = stage.groups[group.index];
        const int sigma_max = largest(group.sigma);
        bool coded = false;
        for (int rvq_level = 0; rvq_level < stage.shape.rvq_levels; ++rvq_level)
            coded |= possible(stage.codebook(group.index, rvq_level), sigma_max, rvq_level, false) > 1;
        if (!coded) return;  // codes are zero at the start
        float residual[kGroup], spread[kGroup];
        for (int i = 0; i < kGroup; ++i) {
            const float unit =
                std::ldexp(static_cast<float>(step[group.index * kGroup + i]), feature_bits - kStepBits);  // a step
            residual[i] = static_cast<float>(z.data[group.latent + i] - band.mu.data[group.latent + i]) / unit;
            spread[i] = sigmas[group.sigma[i]];
        }
        const GroupQuantiser quantiser{stage.shape.rvq_levels,
                                       book.count,
                                       book.search.data(),
                                       stage.coarse.search.data(),
                                       {book.log_weight[0].data(), book.log_weight[1].data()},
                                       stage.variance[0],
                                       stage.variance[1],
                                       book.prefix.data(),
                                       stage.coarse.prefix.data(),
                                       1};
        const Quantised q = kernels().quantise(quantiser, residual, spread, search);
        std::copy_n(q.code, stage.shape.rvq_levels, group.code);
    };
    for (int64_t y = band.area.top + begin; y < band.area.top + end; ++y)
        qualities.for_each_run(y, band.area.left, band.area.right, [&](int64_t left, int64_t right, int quality) {
            step = stage.step.data() + static_cast<int64_t>(quality - 1) * stage.shape.latents;
            for_each_group(stage, {y, left, y + 1, right}, band, choose);
        });
}

void draw_codes(const Stage& stage, const Draw& draw, int64_t begin, int64_t end, Band& band) {
    for (int64_t y = band.area.top + begin; y < band.area.top + end; ++y) {
        Random random(Random(draw.seed + static_cast<uint64_t>(y)).next());
        for_each_group(stage, {y, band.area.left, y + 1, band.area.right}, band, [&](Group group) {
            int32_t value[kGroup] = {};  // the band's own adds up when the codes are written
            group.value = value;
            for_each_rvq_level(
                stage, group, nullptr,
                [&](const uint16_t* frequencies, uint8_t& code, int count) {
                    code = drawn(frequencies, count, random);
                },
                draw.sharpness);
        });
    }
}

double write_codes(const Stage& stage, Rectangle part, Band& band, RansEncoder& coder) {
    double bits = 0;
    for_each_group(stage, part, band, [&](const Group& group) {
        for_each_rvq_level(stage, group, nullptr, [&](const uint16_t* frequencies, uint8_t& code, int) {
            coder.write(frequencies, code);
            bits += kFrequencyBits - std::log2(frequencies[code]);
        });
    });
    return bits;
}

void find_openings(const Stage& stage, Rectangle part, Band& band, uint16_t* openings) {
    for_each_group(stage, part, band, [&](const Group& group) {
        const int sigma_max = largest(group.sigma);
        for (int rvq_level = stage.shape.rvq_levels - 1; rvq_level >= 0; --rvq_level) {
            const int count = possible(stage.codebook(group.index, rvq_level), sigma_max, rvq_level, false);
            if (count == 1) continue;
            rvq_level_frequencies(stage, group, rvq_level, count, false, kAsItIs, openings);
            openings += count;
            break;
        }
    });
}

void read_codes(const Stage& stage, Rectangle part, const uint16_t* openings, Band& band, RansDecoder& coder) {
    for_each_group(stage, part, band, [&](const Group& group) {
        const uint16_t* const opening = openings;
        for_each_rvq_level(stage, group, opening, [&](const uint16_t* frequencies, uint8_t& code, int count) {
            code = static_cast<uint8_t>(coder.read(frequencies));
            if (frequencies == opening) openings += count;
        });
    });
}

}  // namespace aec
