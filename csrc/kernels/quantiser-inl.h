// Rate-distortion optimal residual vector quantisation, and its gradients. Included by simd-inl.h, inside its
// namespace. Entropy-constrained VQ: Chou, Lookabaugh and Gray, IEEE TASSP 1989.

constexpr float kLn2 = 0.6931471805599453f;
constexpr float kSureZero = 0.35f;       // squared norm inside which zero is D4's nearest point: (2^(-1/4) / sqrt 2)^2
constexpr float kNegligible = -15.0f;    // log of a soft assignment that counts as zero

inline f32x8 exp_negative(f32x8 x) {  // e^x for x <= 0, to 2e-7 of the value; 0 below -87
    const f32x8 y = x * splat(1.44269504f);
    const i32x8 n = __builtin_convertvector(y - splat(0.5f), i32x8);  // rounds to nearest, as y <= 0
    const f32x8 r = y - __builtin_convertvector(n, f32x8);
    f32x8 p = splat(1.5403530e-4f);
    p = p * r + splat(1.3333558e-3f);
    p = p * r + splat(9.6181291e-3f);
    p = p * r + splat(5.5504109e-2f);
    p = p * r + splat(2.4022651e-1f);
    p = p * r + splat(6.9314718e-1f);
    p = p * r + splat(1.0f);
    const i32x8 bits = (n + splat(127)) << 23;
    const f32x8 result = p * (f32x8)bits;  // a vector cast keeps the bits
    return x < splat(-87.0f) ? splat(0.0f) : result;
}

inline bool any(i32x8 lanes) {  // whether a comparison holds in any lane
    int64_t parts[4];
    store(parts, lanes);
    return (parts[0] | parts[1]) | (parts[2] | parts[3]);
}

inline int sigma_index(float sigma) {  // the nearest of the prior's σ, which may lie below the first
    return static_cast<int>(std::lround(std::log2(sigma) * kSigmaPerOctave)) - kSigmaOctaveMin * kSigmaPerOctave;
}

// The coarsest digit that can be other than zero.
inline int top_digit(const GroupQuantiser& q, int sigma_at) {
    int digit = q.digits - 1;
    while (digit > 0 &&
           q.coarse_prefix[std::min(kSigmaCount - 1, std::max(0, sigma_at - 2 * kSigmaPerOctave * digit))] == 1)
        --digit;
    return digit;
}

// The prior of one digit, and where the search stands in it.
struct DigitPrior {
    int count;                    // possible codewords; where it is 1, nothing is coded
    const float* codebook;        // [4][K]
    const float* log_weight;      // [K] or null
    float variance[kGroup];       // σ² + s, in the digit's steps
    float offset[kGroup];         // what the coarser digits give, in the digit's steps
    float left[kGroup];           // what they leave of the residual
    float left_norm;              // squared
    float energy[kMaxCodewords];  // -log of the unnormalised mass
    float mass[kMaxCodewords];    // relative to the likeliest codeword's
    float total;                  // of the masses
    float log_total;              // log of the sum of the unnormalised masses

    float bits(int k) const { return (energy[k] + log_total) * (1 / kLn2); }
};

inline void digit_prior(const GroupQuantiser& q, int digit, float scale, const float* residual, const float* value,
                        bool moved, const float* sigma, int sigma_at, DigitPrior& prior) {
    const int32_t* prefix = digit ? q.coarse_prefix : q.fine_prefix;
    const int at = std::min(kSigmaCount - 1, std::max(0, sigma_at - 2 * kSigmaPerOctave * digit));
    prior.count = moved ? q.codewords : prefix[at];
    prior.codebook = digit ? q.coarse : q.fine;
    prior.log_weight = digit ? nullptr : q.log_weight[moved];
    prior.left_norm = 0;
    const float unit = 1 / scale;  // exact: a power of 4
    for (int i = 0; i < kGroup; ++i) {
        const float s = sigma[i] * unit;
        prior.variance[i] = s * s + (digit ? q.coarse_variance : q.fine_variance);
        prior.offset[i] = value[i] * unit;
        prior.left[i] = residual[i] * unit - prior.offset[i];
        prior.left_norm += prior.left[i] * prior.left[i];
    }
    if (digit == 0 && prior.left_norm > kSureZero) prior.count = std::max(prior.count, q.surprise);
    if (prior.count == 1) return;
    float factor[kGroup];
    for (int i = 0; i < kGroup; ++i) factor[i] = 0.5f / prior.variance[i];
    for (int k = 0; k < prior.count; k += 8) {
        f32x8 energy = prior.log_weight ? -load<f32x8>(prior.log_weight + k) : splat(0.0f);
        for (int i = 0; i < kGroup; ++i) {
            const f32x8 t = load<f32x8>(prior.codebook + i * q.codewords + k) + splat(prior.offset[i]);
            energy += t * t * splat(factor[i]);
        }
        store(prior.energy + k, energy);
    }
    prior.log_total = 0;
}

// Makes prior.bits() true: until then they all lack the same.
inline void normalise(DigitPrior& prior) {
    f32x8 lowest = load<f32x8>(prior.energy);
    for (int k = 8; k < prior.count; k += 8) {
        const f32x8 energy = load<f32x8>(prior.energy + k);
        lowest = energy < lowest ? energy : lowest;
    }
    float low = lowest[0];
    for (int i = 1; i < 8; ++i) low = std::min(low, lowest[i]);
    f32x8 total = splat(0.0f);
    for (int k = 0; k < prior.count; k += 8) {
        const f32x8 mass = exp_negative(splat(low) - load<f32x8>(prior.energy + k));
        store(prior.mass + k, mass);
        total += mass;
    }
    prior.total = sum(total);
    prior.log_total = std::log(prior.total) - low;
}

// |left - codeword|^2 of eight codewords
inline f32x8 distances(const DigitPrior& prior, const GroupQuantiser& q, int k) {
    f32x8 d = splat(0.0f);
    for (int i = 0; i < kGroup; ++i) {
        const f32x8 e = splat(prior.left[i]) - load<f32x8>(prior.codebook + i * q.codewords + k);
        d += e * e;
    }
    return d;
}

struct Path {
    Quantised q = {};
    bool moved = false;  // whether any digit so far is not zero
    float cost = 0;      // what paths are compared by
};

// Extends a path by codeword k of a digit.
inline Path extended(const Path& path, const DigitPrior& prior, const GroupQuantiser& q, int position, float scale,
                     int k) {
    Path next = path;
    next.q.code[position] = static_cast<uint8_t>(k);
    if (prior.count > 1) next.q.bits += prior.bits(k);
    for (int i = 0; i < kGroup; ++i) next.q.value[i] += scale * prior.codebook[i * q.codewords + k];
    next.moved |= k != 0;
    return next;
}

Quantised quantise(const GroupQuantiser& q, const float* residual, const float* sigma, const Search& search) {
    const int sigma_at = sigma_index(std::max(std::max(sigma[0], sigma[1]), std::max(sigma[2], sigma[3])));
    Path beam[kMaxPaths];
    int paths = 1;
    DigitPrior prior;
    for (int digit = top_digit(q, sigma_at); digit > 0; --digit) {
        const int position = q.digits - 1 - digit;
        const float scale = static_cast<float>(1 << 2 * digit);
        Path found[kMaxPaths];  // cheapest first
        int count = 0;
        auto offer = [&](const Path& p) {
            int at = count < search.paths ? count++ : search.paths;
            for (; at > 0 && p.cost < found[at - 1].cost; --at)
                if (at < search.paths) found[at] = found[at - 1];
            if (at < search.paths) found[at] = p;
        };
        for (int b = 0; b < paths; ++b) {
            digit_prior(q, digit, scale, residual, beam[b].q.value, beam[b].moved, sigma, sigma_at, prior);
            if (prior.count > 1 && (search.bits || search.paths > 1)) normalise(prior);
            if (prior.count == 1 || prior.left_norm < kSureZero) {
                Path p = extended(beam[b], prior, q, position, scale, 0);
                p.cost = prior.left_norm * scale * scale;
                offer(p);
                continue;
            }
            float worst = count < search.paths ? std::numeric_limits<float>::infinity() : found[count - 1].cost;
            for (int first = 0; first < prior.count;
                 first += 8) {  // paths are compared by what they leave for the finer digits
                const f32x8 left = distances(prior, q, first) * splat(scale * scale);
                for (int k = first; k < first + 8; ++k) {
                    if (left[k - first] >= worst) continue;
                    Path p = extended(beam[b], prior, q, position, scale, k);
                    p.cost = left[k - first];
                    offer(p);
                    if (count == search.paths) worst = found[count - 1].cost;
                }
            }
        }
        std::copy(found, found + count, beam);
        paths = count;
    }

    Path best;
    best.cost = std::numeric_limits<float>::infinity();
    for (int b = 0; b < paths; ++b) {
        digit_prior(q, 0, 1.0f, residual, beam[b].q.value, beam[b].moved, sigma, sigma_at, prior);
        int k = 0;
        float cost = prior.left_norm;
        if (prior.count > 1) {
            if (search.bits || paths > 1) normalise(prior);
            const float rate = search.beta / kLn2;
            RunningMinimum minimum;
            for (int j = 0; j < prior.count; j += 8)
                minimum.offer(load<f32x8>(prior.energy + j) * splat(rate) + distances(prior, q, j), j);
            k = minimum.index(cost);
            cost += rate * prior.log_total;
        }
        cost += search.beta * beam[b].q.bits;
        if (cost < best.cost) {
            best = extended(beam[b], prior, q, q.digits - 1, 1.0f, k);
            best.cost = cost;
        }
    }
    return best.q;
}

// With respect to σ and the tables, the gradients are those of the chosen codes' bits and value. With respect to the
// residual, which the codes are piecewise constant in, they are those of the expectations under the soft assignment
//     soft_k ∝ exp(-(|left - c_k|² + beta · bits_k) / temperature)
// of what the coarser digits leave, along the path that was chosen; the bits in it are taken as constants. That path is
// the wrong one as soon as another coarse digit is near. Where σ is large, or a coarse digit is not zero, the quantiser
// adds noise and little else: the value follows the residual, and the bits follow the prior's density.
void quantise_gradient(const GroupQuantiser& q, const float* residual, const float* sigma, float beta,
                       const Quantised& chosen, const float* grad_value, float grad_bits, const GroupGradient& out) {
    const int sigma_at = sigma_index(std::max(std::max(sigma[0], sigma[1]), std::max(sigma[2], sigma[3])));
    DigitPrior prior;
    float value[kGroup] = {};
    bool moved = false, smooth = *std::max_element(sigma, sigma + kGroup) > kSmooth;
    float soft[kMaxCodewords];
    for (int digit = top_digit(q, sigma_at); digit >= 0; --digit) {
        const int k0 = chosen.code[q.digits - 1 - digit];
        const float scale = static_cast<float>(1 << 2 * digit);
        digit_prior(q, digit, scale, residual, value, moved, sigma, sigma_at, prior);
        if (prior.count > 1) {
            normalise(prior);
            const float rate = beta / (scale * scale) / kLn2;
            f32x8 lowest = splat(std::numeric_limits<float>::infinity());
            for (int k = 0; k < prior.count; k += 8) {
                const f32x8 c =
                    (load<f32x8>(prior.energy + k) + splat(prior.log_total)) * splat(rate) + distances(prior, q, k);
                store(soft + k, c);
                lowest = c < lowest ? c : lowest;
            }
            float low = lowest[0];
            for (int i = 1; i < 8; ++i) low = std::min(low, lowest[i]);

            // Sums under the soft assignment, not yet normalised: of 1, of the bits b, of h = grad_value·c, of c, b·c
            // and h·c; and the prior's mean of t².
            f32x8 total = splat(0.0f), sum_b = splat(0.0f), sum_h = splat(0.0f);
            f32x8 sum_c[kGroup] = {}, sum_bc[kGroup] = {}, sum_hc[kGroup] = {}, square[kGroup] = {};
            const bool fine = digit == 0;
            float* weight = out.log_weight[moved];
            for (int k = 0; k < prior.count; k += 8) {
                f32x8 c[kGroup];
                for (int i = 0; i < kGroup; ++i) c[i] = load<f32x8>(prior.codebook + i * q.codewords + k);
                const f32x8 p = load<f32x8>(prior.mass + k) * splat(1 / prior.total);
                for (int i = 0; i < kGroup; ++i) {
                    const f32x8 t = c[i] + splat(prior.offset[i]);
                    square[i] += p * t * t;
                    if (fine) {
                        float* at = out.fine + i * q.codewords + k;
                        store(at, load<f32x8>(at) - p * t * splat(grad_bits / (prior.variance[i] * kLn2)));
                    }
                }
                if (fine) store(weight + k, load<f32x8>(weight + k) + splat(grad_bits / kLn2) * p);

                const f32x8 log_soft = (splat(low) - load<f32x8>(soft + k)) * splat(1 / kTemperature);
                if (smooth || !any(log_soft > splat(kNegligible))) continue;  // most codewords are far away
                const f32x8 s = exp_negative(log_soft);
                const f32x8 sb = s * (load<f32x8>(prior.energy + k) + splat(prior.log_total)) * splat(1 / kLn2);
                total += s;
                sum_b += sb;
                f32x8 h = splat(0.0f);
                for (int i = 0; i < kGroup; ++i) {
                    h += splat(grad_value[i]) * c[i];
                    sum_c[i] += s * c[i];
                    sum_bc[i] += sb * c[i];
                }
                if (fine) {
                    const f32x8 sh = s * h;
                    sum_h += sh;
                    for (int i = 0; i < kGroup; ++i) sum_hc[i] += sh * c[i];
                }
            }
            const float normalise = smooth ? 0 : 1 / sum(total), mean_b = sum(sum_b) * normalise,
                        mean_h = sum(sum_h) * normalise;
            float variance_gradient = 0;
            for (int i = 0; i < kGroup; ++i) {
                const float mean_c = sum(sum_c[i]) * normalise, v = prior.variance[i];
                const float t = prior.offset[i] + prior.codebook[i * q.codewords + k0];
                out.rate[i] += grad_bits * (2 / kTemperature) * (sum(sum_bc[i]) * normalise - mean_b * mean_c) / scale;
                if (fine) {
                    out.value[i] += (2 / kTemperature) * (sum(sum_hc[i]) * normalise - mean_h * mean_c);
                    out.fine[i * q.codewords + k0] += grad_bits * t / (v * kLn2);
                }
                const float g = -grad_bits * (t * t - sum(square[i])) / (2 * v * v * kLn2);
                out.sigma[i] += 2 * g * sigma[i] / (scale * scale);
                variance_gradient += g;
            }
            out.variance[digit ? 1 : 0] += variance_gradient;
            if (fine) weight[k0] -= grad_bits / kLn2;
        }
        if (digit == 0)
            for (int i = 0; i < kGroup; ++i) out.fine[i * q.codewords + k0] += grad_value[i];
        for (int i = 0; i < kGroup; ++i) value[i] += scale * prior.codebook[i * q.codewords + k0];
        moved |= k0 != 0;
        smooth |= moved && digit > 0;
    }
    for (int i = 0; smooth && i < kGroup; ++i) {
        out.rate[i] = grad_bits * residual[i] / ((sigma[i] * sigma[i] + q.fine_variance) * kLn2);
        out.value[i] = grad_value[i];
    }
}
