// Rate-distortion optimal residual vector quantisation: the search. Numbers in brackets are equations of
// docs/quantiser.md.
#include "kernels/group_prior-inl.h"

namespace aec {
namespace AEC_TARGET {
namespace {

// The best few paths, cheapest first; of equal ones the earlier.
class Beam {
public:
    explicit Beam(int capacity) : capacity_(capacity) {}

    void offer(const Path& path) {
        int at = count_ < capacity_ ? count_++ : capacity_;
        for (; at > 0 && path.cost < paths_[at - 1].cost; --at)
            if (at < capacity_) paths_[at] = paths_[at - 1];
        if (at < capacity_) paths_[at] = path;
    }
    // What a path must cost less than to get in.
    float limit() const { return count_ < capacity_ ? kInfinity : paths_[count_ - 1].cost; }
    const Path* begin() const { return paths_; }
    const Path* end() const { return paths_ + count_; }
    int count() const { return count_; }

private:
    Path paths_[kMaxPaths];
    int count_ = 0, capacity_;
};

// Offers a path's extensions by a coarse RVQ level. They are compared by what they leave for the finer RVQ levels (6).
inline void extend_coarse(const GroupQuantiser& q, const RvqLevelPrior& prior, const Path& path, Beam& beam) {
    const float area = prior.scale * prior.scale;
    if (prior.count == 1 || prior.left_norm < kSureZero) {
        Path next = extended(q, prior, path, 0);
        next.cost = prior.left_norm * prior.scale * prior.scale;
        beam.offer(next);
        return;
    }
    float limit = beam.limit();
    for (int first = 0; first < prior.count; first += 8) {
        const f32x8 left = distances(prior, first) * splat(area);
        for (int k = first; k < first + 8; ++k) {
            if (left[k - first] >= limit) continue;
            Path next = extended(q, prior, path, k);
            next.cost = left[k - first];
            beam.offer(next);
            limit = beam.limit();
        }
    }
}

struct Choice {
    int codeword;
    float cost;
};

// The finest RVQ level's cheapest codeword (7), and what a path costs with it.
inline Choice choose_finest(const RvqLevelPrior& prior, const Path& path, float beta) {
    Choice choice{0, prior.left_norm};
    if (prior.count > 1) {
        const float rate = beta / kLn2;
        RunningMinimum minimum;
        for (int k = 0; k < prior.count; k += 8)
            minimum.offer(load<f32x8>(prior.energy + k) * splat(rate) + distances(prior, k), k);
        choice.codeword = minimum.index(choice.cost);
        choice.cost += rate * prior.log_total;
    }
    choice.cost += beta * path.q.bits;
    return choice;
}

Quantised quantise(const GroupQuantiser& q, const float* residual, const float* sigma, const Search& search) {
    const Latents latents(residual, sigma);
    Beam beam(search.paths);
    beam.offer(Path());
    RvqLevelPrior prior;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled below, and 2 KB cost time
    for (int rvq_level = top_rvq_level(q, latents); rvq_level > 0; --rvq_level) {
        Beam next(search.paths);
        for (const Path& path : beam) {
            rvq_level_prior(q, latents, rvq_level, path, prior);
            if (prior.count > 1 && (search.bits || search.paths > 1)) normalise(prior);
            extend_coarse(q, prior, path, next);
        }
        beam = next;
    }
    Path best;
    best.cost = kInfinity;
    for (const Path& path : beam) {
        rvq_level_prior(q, latents, 0, path, prior);
        if (prior.count > 1 && (search.bits || beam.count() > 1)) normalise(prior);
        const Choice choice = choose_finest(prior, path, search.beta);
        if (choice.cost < best.cost) {
            best = extended(q, prior, path, choice.codeword);
            best.cost = choice.cost;
        }
    }
    return best.q;
}

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
