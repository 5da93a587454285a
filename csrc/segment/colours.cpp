#include "segment/colours.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <vector>

#include "base/workers.h"
#include "segment/colour.h"

namespace aec {
namespace {

constexpr int kColours = 256;          // of which others are shades, at most; PNG and WebP index that many
constexpr int64_t kFrequent = 4096;    // the most frequent ones, from which they are chosen
constexpr float kAlike = 0.5f;         // times 1 / lambda: the most by which colours differ that are one from the start
constexpr float kLimit = 8.0f;         // times 1 / lambda: the squared error that no pixel exceeds
constexpr double kNoError = 1e-3;      // of a merger of colours that are the same
constexpr double kPaper = 0.9;         // of a colour's pixels have one colour if it is to stay as it is
constexpr int64_t kCounted = 1 << 19;  // pixels, about, by which colours are counted,
constexpr int64_t kCountedRows = 16;   // so many rows at once
constexpr int64_t kBlockRows = 8;      // rows of blocks that a thread takes at once
constexpr int kCacheBits = 15;
constexpr int kNone = -1;  // the label of a pixel that stays as it is

using Colour = std::array<float, 3>;  // of gray the first alone

template <int channels>
Colour colour_of(uint32_t number) {
    if constexpr (channels == 1) return {static_cast<float>(number), 0, 0};
    else
        return {static_cast<float>(number >> 16), static_cast<float>(number >> 8 & 255),
                static_cast<float>(number & 255)};
}

template <int channels>
float distance(const Colour& a, const Colour& b) {
    float sum = 0;
    for (int c = 0; c < channels; ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
    return sum / channels;
}

// So many pixels of a colour.
struct Counted {
    uint32_t number;
    int32_t pixels;
};

// The most frequent colours first, of runs of pixels. They are sorted, as there are pictures whose colours all have one
// place in a table of hashes.
std::vector<uint32_t> most_frequent(std::vector<Counted>& runs, int64_t most) {
    std::sort(runs.begin(), runs.end(), [](const Counted& a, const Counted& b) { return a.number < b.number; });
    std::vector<Counted> colours;
    for (const Counted& run : runs)
        if (!colours.empty() && colours.back().number == run.number) colours.back().pixels += run.pixels;
        else colours.push_back(run);
    const auto last = colours.begin() + std::min(most, static_cast<int64_t>(colours.size()));
    std::partial_sort(colours.begin(), last, colours.end(), [](const Counted& a, const Counted& b) {
        return a.pixels != b.pixels ? a.pixels > b.pixels : a.number < b.number;
    });
    std::vector<uint32_t> numbers;
    std::transform(colours.begin(), last, std::back_inserter(numbers), [](const Counted& c) { return c.number; });
    return numbers;
}

// Colours, and what each of them becomes: whole numbers.
template <int channels>
class Palette {
public:
    Palette(const std::vector<Colour>& colours, const std::vector<Colour>& become, float limit)
        : size_(static_cast<int>(colours.size())), become_(become), limit_(limit) {
        for (int k = 0; k < size_; ++k)
            for (int c = 0; c < channels; ++c) of_[c][k] = static_cast<int32_t>(colours[k][c]);
    }

    struct Nearest {
        int label = kNone;
        float error = 0;  // of what it becomes
    };
    Nearest nearest(const Colour& colour) const {
        int32_t best = std::numeric_limits<int32_t>::max();  // a squared distance, and what is that far
        for (int k = 0; k < size_; ++k) {
            int32_t sum = 0;
            for (int c = 0; c < channels; ++c) {
                const int32_t apart = of_[c][k] - static_cast<int32_t>(colour[c]);
                sum += apart * apart;
            }
            best = std::min(best, sum * kColours + k);
        }
        if (!size_) return {};
        const float error = distance<channels>(colour, become_[best % kColours]);
        return error <= limit_ ? Nearest{best % kColours, error} : Nearest{};
    }
    void put(int label, uint8_t* pixel) const {
        for (int c = 0; c < channels; ++c) pixel[c] = static_cast<uint8_t>(become_[label][c]);
    }

private:
    int size_;
    std::vector<Colour> become_;
    float limit_;
    std::array<std::array<int32_t, kColours>, channels> of_ = {};
};

// Remembers what was nearest to the last colours.
template <int channels>
class Labeller {
public:
    explicit Labeller(const Palette<channels>& palette) : palette_(palette) {}

    typename Palette<channels>::Nearest operator()(uint32_t number) {
        Known& known = known_[hash(number, kCacheBits)];
        if (known.number != number) known = {number, palette_.nearest(colour_of<channels>(number))};
        return known.nearest;
    }

private:
    struct Known {
        uint32_t number = ~0u;  // of no colour
        typename Palette<channels>::Nearest nearest;
    };
    const Palette<channels>& palette_;
    std::vector<Known> known_ = std::vector<Known>(size_t{1} << kCacheBits);
};

// Whether a pixel is in one of the blocks whose colours count and change, which are all if there are none.
bool is_inside(const uint8_t* inside, const Samples& s, int64_t y, int64_t x) {
    return !inside || inside[y / kCostBlock * cost_blocks(s.width) + x / kCostBlock];
}

// The rows by which colours are counted: all of a small picture.
std::vector<int64_t> counted_rows(const Samples& s) {
    const int64_t every = std::max(int64_t{1}, s.height * s.width / kCounted);
    std::vector<int64_t> rows;
    for (int64_t y = 0; y < s.height; ++y)
        if (y / kCountedRows % every == 0) rows.push_back(y);
    return rows;
}

template <int channels>
std::vector<Colour> frequent(const Samples& s, const uint8_t* inside, const std::vector<int64_t>& rows) {
    std::vector<Counted> runs;
    for (const int64_t y : rows) {
        const uint8_t* pixel = s.data + y * s.width * channels;
        Counted run = {0, 0};
        for (int64_t x = 0; x < s.width; ++x, pixel += channels) {
            if (!is_inside(inside, s, y, x)) continue;
            const uint32_t number = number_of<channels>(pixel);
            if (run.pixels && number != run.number) {
                runs.push_back(run);
                run.pixels = 0;
            }
            run.number = number;
            ++run.pixels;
        }
        if (run.pixels) runs.push_back(run);
    }
    std::vector<Colour> colours;
    for (const uint32_t number : most_frequent(runs, kFrequent)) colours.push_back(colour_of<channels>(number));
    return colours;
}

// The first of the colours of which no two are nearer than `apart`; fewer than kColours if it could be all.
template <int channels>
std::vector<Colour> spaced(const std::vector<Colour>& colours, float apart) {
    std::vector<Colour> found;
    for (const Colour& colour : colours) {
        const auto is_near = [&](const Colour& other) { return distance<channels>(colour, other) <= apart; };
        if (std::any_of(found.begin(), found.end(), is_near)) continue;
        found.push_back(colour);
        if (found.size() == kColours) break;
    }
    return found;
}

// As near to each other as leaves fewer than kColours, but no further apart than `most`.
template <int channels>
std::vector<Colour> start(const std::vector<Colour>& colours, float most) {
    for (float apart = 0;; apart = std::min(most, std::max(1.0f, 2 * apart))) {
        std::vector<Colour> found = spaced<channels>(colours, apart);
        if (found.size() < kColours || apart >= most) return found;
    }
}

// Colours that are to be merged.
template <int channels>
class Clusters {
public:
    explicit Clusters(const std::vector<Colour>& colours)
        : count_(static_cast<int>(colours.size())),
          members_(count_),
          beside_(count_ * count_),
          worths_(count_ * count_),
          best_(count_),
          root_(count_) {
        std::iota(root_.begin(), root_.end(), 0);
        for (int k = 0; k < count_; ++k) members_[k].most = colours[k];
    }

    void add(const uint8_t* pixel, int label, int left, int above) {
        Member& m = members_[label];
        bool same = true;
        for (int c = 0; c < channels; ++c) {
            m.sum[c] += pixel[c];
            same &= static_cast<float>(pixel[c]) == m.most[c];
        }
        ++m.pixels;
        m.with_most += same;
        if (label == left || label == above) return;
        ++m.fresh;
        ++all_;
        if (left != kNone) beside(label, left, 1);
        if (above != kNone && above != left) beside(label, above, 1);
    }

    // Makes all mergers that pay, those first that save the most bits for their error: so with a larger lambda there
    // are fewer of the same ones, and the picture is nearer to what it was.
    void merge(double lambda) {
        for (Member& m : members_) m.update();
        for (int a = 0; a < count_; ++a)
            for (int b = 0; b < count_; ++b) set_worth(a, b, worth(a, b));
        for (int k = 0; k < count_; ++k) find_best(k);
        while (count_) {
            int a = 0;
            for (int k = 1; k < count_; ++k)
                if (best_worth(k) > best_worth(a)) a = k;
            if (best_worth(a) <= lambda) return;
            const int b = best_[a];
            join(a, b);
            for (int k = 0; k < count_; ++k) {
                set_worth(a, k, worth(a, k));
                set_worth(b, k, 0);
            }
            for (int k = 0; k < count_; ++k)
                if (k == a || k == b || best_[k] == a || best_[k] == b) find_best(k);
                else if (worths_[k * count_ + a] > best_worth(k)) best_[k] = a;
        }
    }

    // What each colour has become: the mean of all that have, in whole numbers; but paper stays as white as it is.
    std::vector<Colour> colours() const {
        std::vector<Colour> found;
        for (int k = 0; k < count_; ++k) {
            const Member& m = members_[root_[k]];
            Colour colour = {};
            for (int c = 0; c < channels; ++c)
                colour[c] = std::round(m.with_most > kPaper * m.pixels ? m.most[c] : m.mean[c]);
            found.push_back(colour);
        }
        return found;
    }

private:
    struct Member {
        std::array<double, 3> sum = {};
        Colour mean = {};
        double pixels = 0, fresh = 0;  // fresh: unlike the pixel to the left and the one above
        Colour most = {};              // that of the most pixels:
        double with_most = 0;          // so many

        void update() {
            for (int c = 0; c < channels; ++c) mean[c] = static_cast<float>(sum[c] / std::max(1.0, pixels));
        }
    };

    void set_worth(int a, int b, float value) { worths_[a * count_ + b] = worths_[b * count_ + a] = value; }
    float best_worth(int a) const { return worths_[a * count_ + best_[a]]; }
    void find_best(int a) {
        const auto row = worths_.begin() + a * count_;
        best_[a] = static_cast<int>(std::max_element(row, row + count_) - row);
    }

    void beside(int a, int b, double count) {
        beside_[a * count_ + b] += count;
        beside_[b * count_ + a] += count;
    }
    double bits(double fresh) const { return fresh > 0 ? fresh * std::log2(all_ / fresh) : 0; }

    // Bits that a merger saves for its error (Ward's).
    float worth(int a, int b) const {
        const Member &m = members_[a], &n = members_[b];
        if (a == b || m.pixels == 0 || n.pixels == 0) return 0;
        const double together = std::max(0.0, m.fresh + n.fresh - beside_[a * count_ + b]);
        const double error = m.pixels * n.pixels / (m.pixels + n.pixels) * distance<channels>(m.mean, n.mean);
        return static_cast<float>((bits(m.fresh) + bits(n.fresh) - bits(together)) / std::max(error, kNoError));
    }

    void join(int a, int b) {  // b becomes a part of a
        Member &m = members_[a], &n = members_[b];
        m.fresh = std::max(0.0, m.fresh + n.fresh - beside_[a * count_ + b]);
        m.pixels += n.pixels;
        if (n.with_most > m.with_most) {
            m.most = n.most;
            m.with_most = n.with_most;
        }
        for (int c = 0; c < channels; ++c) m.sum[c] += n.sum[c];
        m.update();
        n = {};
        std::replace(root_.begin(), root_.end(), b, a);
        for (int k = 0; k < count_; ++k) {
            if (k != a && k != b) beside(a, k, beside_[b * count_ + k]);
            beside_[b * count_ + k] = beside_[k * count_ + b] = 0;
        }
    }

    int count_;
    std::vector<Member> members_;
    std::vector<double> beside_;  // [a][b]: fresh pixels of one that have a neighbour of the other
    std::vector<float> worths_;   // [a][b]: of a merger
    std::vector<int> best_;       // [a]: the b with which it is worth most
    std::vector<int> root_;       // [a]: what it has become a part of
    double all_ = 0;
};

template <int channels>
void count(const Samples& s, const uint8_t* inside, const std::vector<int64_t>& rows, Labeller<channels>& labeller,
           Clusters<channels>& clusters) {
    std::vector<int> line(s.width, kNone);
    int64_t before = -1;
    for (const int64_t y : rows) {
        if (y != before + 1) std::fill(line.begin(), line.end(), kNone);
        before = y;
        int left = kNone;
        for (int64_t x = 0; x < s.width; ++x) {
            const uint8_t* pixel = s.data + (y * s.width + x) * channels;
            const int label = is_inside(inside, s, y, x) ? labeller(number_of<channels>(pixel)).label : kNone;
            if (label != kNone) clusters.add(pixel, label, left, line[x]);
            left = line[x] = label;
        }
    }
}

template <int channels>
void fewer_colours_of(const Samples& s, const uint8_t* inside, float lambda, int threads, uint8_t* result,
                      float* errors) {
    const std::vector<int64_t> rows = counted_rows(s);
    const std::vector<Colour> first = start<channels>(frequent<channels>(s, inside, rows), kAlike / lambda);
    Clusters<channels> clusters(first);
    {
        const Palette<channels> palette(first, first, kLimit / lambda);
        Labeller<channels> labeller(palette);
        count(s, inside, rows, labeller, clusters);
    }
    clusters.merge(lambda);
    const Palette<channels> palette(first, clusters.colours(), kLimit / lambda);
    const int64_t rows_of_blocks = cost_blocks(s.height), columns = cost_blocks(s.width);
    const int64_t grain =
        (rows_of_blocks + 2 * thread_count(threads) - 1) / (2 * thread_count(threads));  // caches fill once
    Workers(threads).split(rows_of_blocks, grain, [&](int64_t begin, int64_t end, Scratch&) {
        Labeller<channels> labeller(palette);
        std::fill(errors + begin * columns, errors + end * columns, 0.0f);
        for (int64_t y = begin * kCostBlock; y < std::min(s.height, end * kCostBlock); ++y)
            for (int64_t x = 0; x < s.width; ++x) {
                const int64_t at = (y * s.width + x) * channels;
                const auto [label, error] = is_inside(inside, s, y, x) ? labeller(number_of<channels>(s.data + at))
                                                                       : typename Palette<channels>::Nearest();
                errors[y / kCostBlock * columns + x / kCostBlock] += error;
                if (label == kNone) std::copy_n(s.data + at, channels, result + at);
                else palette.put(label, result + at);
            }
    });
}

// How many colours the pixels of a block have.
template <int channels>
class Distinct {
public:
    int of(const Samples& s, int64_t top, int64_t left) {
        ++turn_;
        int found = 0;
        for (int64_t y = top; y < std::min(s.height, top + kCostBlock); ++y)
            for (int64_t x = left; x < std::min(s.width, left + kCostBlock); ++x)
                found += is_new(number_of<channels>(s.data + (y * s.width + x) * channels));
        return found;
    }

private:
    bool is_new(uint32_t number) {
        size_t at = hash(number, kBits);
        while (entries_[at].turn == turn_) {
            if (entries_[at].number == number) return false;
            at = (at + 1) & (entries_.size() - 1);
        }
        entries_[at] = {number, turn_};
        return true;
    }

    static constexpr int kBits = 8;  // so that the pixels of a block fill a quarter
    struct Entry {
        uint32_t number = 0;
        int64_t turn = 0;
    };
    std::array<Entry, 1 << kBits> entries_ = {};
    int64_t turn_ = 0;
};

template <int channels>
void distinct_colours_of(const Samples& s, int threads, uint8_t* counts) {
    const int64_t columns = cost_blocks(s.width);
    Workers(threads).split(cost_blocks(s.height), kBlockRows, [&](int64_t begin, int64_t end, Scratch&) {
        Distinct<channels> distinct;
        for (int64_t i = begin * columns; i < end * columns; ++i)
            counts[i] = static_cast<uint8_t>(distinct.of(s, i / columns * kCostBlock, i % columns * kCostBlock));
    });
}

}  // namespace

void distinct_colours(const Samples& samples, int threads, uint8_t* counts) {
    (samples.channels == 1 ? distinct_colours_of<1> : distinct_colours_of<3>)(samples, threads, counts);
}

void fewer_colours(const Samples& samples, const uint8_t* inside, float lambda, int threads, uint8_t* result,
                   float* errors) {
    (samples.channels == 1 ? fewer_colours_of<1> : fewer_colours_of<3>)(samples, inside, lambda, threads, result,
                                                                        errors);
}

}  // namespace aec
