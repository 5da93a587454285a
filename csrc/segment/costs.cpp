#include "segment/costs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/workers.h"
#include "segment/colour.h"

namespace aec {
namespace {

constexpr int kBlock = kCostBlock;
constexpr float kEmpty = 2.0f;         // bits of a block in which codewords find nothing
constexpr float kSignificance = 3.0f;  // bits to say that a coefficient is not zero, and its sign
constexpr float kRun = 0.01f;          // bits of a pixel like its neighbour,
constexpr float kTurn = 1.0f;          // of a change between such pixels and others,
constexpr float kFound = 1.0f;         // of a colour that was there before, beside what its frequency says,
constexpr float kResidual = 1.6f;      // and of each bit of a residual's size
constexpr float kNever = 1e4f;         // bits of what costs less in another way
constexpr int kHashBits = 16;
constexpr int64_t kCounted = 1 << 18;  // pixels, about, by which colours are counted,
constexpr int64_t kCountedRows = 128;  // so many rows at once
constexpr int64_t kGrain = 4;          // rows of blocks that a thread takes at once
constexpr double kPi = 3.14159265358979323846;

using Block = std::array<float, kBlock * kBlock>;

// [k][n] and [n][k], orthonormal.
struct Dct {
    Block forward{}, turned{};
    Dct() {
        for (int k = 0; k < kBlock; ++k)
            for (int n = 0; n < kBlock; ++n) {
                const double scale = std::sqrt((k ? 2.0 : 1.0) / kBlock);
                forward[k * kBlock + n] = turned[n * kBlock + k] =
                    static_cast<float>(scale * std::cos((2 * n + 1) * k * kPi / (2 * kBlock)));
            }
    }
};

void multiply(const Block& a, const Block& b, Block& product) {
    for (int i = 0; i < kBlock; ++i) {
        float row[kBlock] = {};
        for (int k = 0; k < kBlock; ++k)
            for (int j = 0; j < kBlock; ++j) row[j] += a[i * kBlock + k] * b[k * kBlock + j];
        std::copy(row, row + kBlock, product.begin() + i * kBlock);
    }
}

// log2 to 0.01, of normal numbers: a parabola between powers of two.
inline float log2_about(float x) {
    int32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const int32_t mantissa_bits = (bits & 0x7FFFFF) | 0x3F800000;
    float mantissa;
    std::memcpy(&mantissa, &mantissa_bits, sizeof mantissa);
    return static_cast<float>((bits >> 23) - 128) + mantissa * (2.0246f - 0.3448f * mantissa) - 0.6748f;
}

// The sum of the colours, and what they differ by, orthonormal, of a block; beyond the edges it is like the edges.
template <int channels>
void opponents(const Samples& s, int64_t top, int64_t left, Block* planes) {
    static const float kScale[] = {1 / std::sqrt(3.0f), 1 / std::sqrt(2.0f), 1 / std::sqrt(6.0f)};
    for (int i = 0; i < kBlock * kBlock; ++i) {
        const int64_t y = std::min(s.height - 1, top + i / kBlock), x = std::min(s.width - 1, left + i % kBlock);
        const uint8_t* p = s.data + (y * s.width + x) * channels;
        if constexpr (channels == 1) {
            planes[0][i] = 3 * kScale[0] * p[0];
        } else {
            planes[0][i] = static_cast<float>(p[0] + p[1] + p[2]) * kScale[0];
            planes[1][i] = static_cast<float>(p[0] - p[2]) * kScale[1];
            planes[2][i] = static_cast<float>(p[0] + p[2] - 2 * p[1]) * kScale[2];
        }
    }
}

float codeword_cost(const Dct& dct, const Block& plane, float energy_scale) {
    Block half, coefficients;
    multiply(dct.forward, plane, half);
    multiply(half, dct.turned, coefficients);
    coefficients[0] = 0;  // the mean, which the coarse stages have nearly for nothing
    float total[kBlock] = {};
    for (int i = 0; i < kBlock * kBlock; ++i) {
        const float energy = coefficients[i] * coefficients[i] * energy_scale;
        total[i % kBlock] += std::min(energy, kSignificance + 0.5f * log2_about(energy + 1));
    }
    float sum = 0;
    for (const float part : total) sum += part;
    return sum;
}

template <int channels>
void codeword_costs_of(const Samples& samples, float lambda, int threads, float* costs) {
    static const Dct dct;
    const int64_t rows = cost_blocks(samples.height), columns = cost_blocks(samples.width);
    Workers(threads).split((rows + 1) / 2, kGrain, [&](int64_t begin, int64_t end, Scratch&) {
        Block planes[channels];
        for (int64_t pair = begin; pair < end; ++pair)  // one of two rows of blocks stands for both
            for (int64_t x = 0; x < columns; ++x) {
                opponents<channels>(samples, 2 * pair * kBlock, x * kBlock, planes);
                float total = kEmpty;
                for (const Block& plane : planes) total += codeword_cost(dct, plane, lambda / 3);
                for (int64_t y = 2 * pair; y < std::min(rows, 2 * pair + 2); ++y) costs[y * columns + x] = total;
            }
    });
}

// What pixels of a row are: their colours, as numbers, and whether each is neither like the pixel to the left or above
// nor on a plane with them. Above the first row is the row itself.
template <int channels>
class RowReader {
public:
    explicit RowReader(const Samples& s) : samples_(s), above_(s.width), colours(s.width), is_new(s.width) {}

    void read(int64_t y) {
        const int64_t width = samples_.width;
        const uint8_t* row = samples_.data + y * width * channels;
        pack(y ? row - width * channels : row, above_.data());
        pack(row, colours.data());
        const uint32_t *c = colours.data(), *up = above_.data();
        uint8_t* n = is_new.data();
        n[0] = 0;
        for (int64_t x = 1; x < width; ++x)
            n[x] = (c[x] != up[x]) & (c[x] != c[x - 1]) & (c[x] != c[x - 1] + up[x] - up[x - 1]);
    }

private:
    void pack(const uint8_t* row, uint32_t* numbers) const {
        for (int64_t x = 0; x < samples_.width; ++x) numbers[x] = number_of<channels>(row + x * channels);
    }

    const Samples& samples_;
    std::vector<uint32_t> above_;

public:
    std::vector<uint32_t> colours;
    std::vector<uint8_t> is_new;
};

// Of every hash, the bits of a colour that has it; too many if nearly no pixel has, whose residual is cheaper.
template <int channels>
std::vector<float> rarities(const Samples& s) {
    std::vector<int32_t> counts(size_t{1} << kHashBits);
    const int64_t every = std::max(int64_t{1}, s.height * s.width / kCounted);
    int64_t all = 0;
    RowReader<channels> row(s);
    for (int64_t y = 0; y < s.height; ++y) {
        if (y / kCountedRows % every) continue;
        row.read(y);
        for (int64_t x = 0; x < s.width; ++x) {
            counts[hash(row.colours[x], kHashBits)] += row.is_new[x];
            all += row.is_new[x];
        }
    }
    const float most = kFound + std::log2(static_cast<float>(std::max(int64_t{1}, all)));
    std::vector<float> bits(counts.size());
    for (size_t i = 0; i < bits.size(); ++i)
        bits[i] = counts[i] > 1 ? most - log2_about(static_cast<float>(counts[i])) : kNever;
    return bits;
}

// The bits of residuals, against the mean of the pixels to the left and above; of three colours, less green's, as WebP
// does.
struct Residuals {
    std::array<float, 511> of_size = {};
    Residuals() {
        for (size_t i = 0; i < of_size.size(); ++i) of_size[i] = 1 + kResidual * std::log2(static_cast<float>(i + 1));
    }

    template <int channels>
    float bits(const uint8_t* here, const uint8_t* above) const {
        int residual[channels];
        for (int c = 0; c < channels; ++c) residual[c] = here[c] - ((here[c - channels] + above[c]) >> 1);
        if constexpr (channels == 1) return of_size[std::abs(residual[0])];
        else
            return of_size[std::abs(residual[0] - residual[1])] + of_size[std::abs(residual[1])] +
                   of_size[std::abs(residual[2] - residual[1])];
    }
};

template <int channels>
void layer_costs_of(const Samples& samples, int threads, float* costs, uint8_t* runs) {
    static const Residuals residuals;
    const std::vector<float> rarity = rarities<channels>(samples);
    const int64_t columns = cost_blocks(samples.width);
    const auto of_row = [&](int64_t y, const RowReader<channels>& row, float* cost, uint8_t* run) {
        const uint8_t* here = samples.data + y * samples.width * channels;
        const uint8_t* above = y ? here - samples.width * channels : here;
        cost[0] += kRun;
        ++run[0];
        for (int64_t x = 1; x < samples.width; ++x) {
            const int is_new = row.is_new[x];
            const float fresh = std::min(rarity[hash(row.colours[x], kHashBits)],
                                         residuals.bits<channels>(here + x * channels, above + x * channels));
            cost[x / kBlock] += (is_new ? fresh : kRun) + kTurn * static_cast<float>(is_new ^ row.is_new[x - 1]);
            run[x / kBlock] = static_cast<uint8_t>(run[x / kBlock] + 1 - is_new);
        }
    };
    Workers(threads).split(cost_blocks(samples.height), kGrain, [&](int64_t begin, int64_t end, Scratch&) {
        std::fill(costs + begin * columns, costs + end * columns, 0.0f);
        std::fill(runs + begin * columns, runs + end * columns, uint8_t{0});
        RowReader<channels> row(samples);
        for (int64_t y = begin * kBlock; y < std::min(samples.height, end * kBlock); ++y) {
            row.read(y);
            of_row(y, row, costs + y / kBlock * columns, runs + y / kBlock * columns);
        }
    });
}

}  // namespace

void codeword_costs(const Samples& samples, float lambda, int threads, float* costs) {
    (samples.channels == 1 ? codeword_costs_of<1> : codeword_costs_of<3>)(samples, lambda, threads, costs);
}

void layer_costs(const Samples& samples, int threads, float* costs, uint8_t* runs) {
    (samples.channels == 1 ? layer_costs_of<1> : layer_costs_of<3>)(samples, threads, costs, runs);
}

}  // namespace aec
