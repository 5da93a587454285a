// Fixed-point convolution and the element-wise steps around it. Included by simd-inl.h, inside its namespace.

inline int16_t to_int16(int32_t x) { return static_cast<int16_t>(std::min(32767, std::max(-32768, x))); }
inline int16_t to_conv_input(int32_t x) {
    return static_cast<int16_t>(std::min(kConvInputMax, std::max(-kConvInputMax, x)));
}
inline int32_t leaky_relu(int32_t x) { return std::max(x, x >> 3); }

#if defined(AEC_USE_AVX512)

constexpr int kTilePixels = 12, kTileBlocks = 2;

// P output pixels by B blocks of 16 output channels, each in a register.
template <int P, int B>
inline void conv_tile(const ConvRow& c, const int16_t* weights, int64_t pixel, int channel) {
    const int64_t block_size = static_cast<int64_t>(c.tap_count) * c.in_channels * kOutBlock;
    __m512i sum[P][B];
    for (int p = 0; p < P; ++p)
        for (int b = 0; b < B; ++b) sum[p][b] = _mm512_setzero_si512();
    const int16_t* w = weights;
    for (int t = 0; t < c.tap_count; ++t) {
        const int16_t* in = c.taps[t] + pixel * c.pixel_stride;
        for (int i = 0; i < c.in_channels; i += 2, w += 2 * kOutBlock) {
            __m512i weight[B];
            for (int b = 0; b < B; ++b) weight[b] = _mm512_loadu_si512(w + b * block_size);
            for (int p = 0; p < P; ++p) {
                int32_t two;
                std::memcpy(&two, in + p * c.pixel_stride + i, sizeof two);
                for (int b = 0; b < B; ++b)
                    sum[p][b] = _mm512_dpwssd_epi32(sum[p][b], _mm512_set1_epi32(two), weight[b]);
            }
        }
    }
    typedef int32_t i32x16 __attribute__((vector_size(64)));
    for (int b = 0; b < B; ++b) {
        const int at = channel + kOutBlock * b;
        const i32x16 bias = load<i32x16>(c.bias + at), shift = load<i32x16>(c.shift + at);
        for (int p = 0; p < P; ++p)
            store(c.out + (pixel + p) * c.out_channels + at, ((i32x16)sum[p][b] + bias) >> shift);
    }
}

#elif defined(AEC_USE_AVX2)

constexpr int kTilePixels = 6, kTileBlocks = 1;

// P output pixels by 16 output channels, held in 2P registers.
template <int P, int B>
inline void conv_tile(const ConvRow& c, const int16_t* weights, int64_t pixel, int channel) {
    static_assert(B == 1, "a tile is one block wide");
    __m256i sum[P][2];
    for (int p = 0; p < P; ++p) sum[p][0] = sum[p][1] = _mm256_setzero_si256();
    const int16_t* w = weights;
    for (int t = 0; t < c.tap_count; ++t) {
        const int16_t* in = c.taps[t] + pixel * c.pixel_stride;
        for (int i = 0; i < c.in_channels; i += 2, w += 2 * kOutBlock) {
            const __m256i w0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
            const __m256i w1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + 16));
            for (int p = 0; p < P; ++p) {
                int32_t two;
                std::memcpy(&two, in + p * c.pixel_stride + i, sizeof two);
                const __m256i x = _mm256_set1_epi32(two);
                sum[p][0] = _mm256_add_epi32(sum[p][0], _mm256_madd_epi16(x, w0));
                sum[p][1] = _mm256_add_epi32(sum[p][1], _mm256_madd_epi16(x, w1));
            }
        }
    }
    for (int half = 0; half < 2; ++half) {
        const __m256i bias = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c.bias + channel + 8 * half));
        const __m256i shift = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c.shift + channel + 8 * half));
        for (int p = 0; p < P; ++p) {
            int32_t* out = c.out + (pixel + p) * c.out_channels + channel + 8 * half;
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                                _mm256_srav_epi32(_mm256_add_epi32(sum[p][half], bias), shift));
        }
    }
}

#elif defined(AEC_USE_NEON)

constexpr int kTilePixels = 6, kTileBlocks = 1;

template <int P, int B>
inline void conv_tile(const ConvRow& c, const int16_t* weights, int64_t pixel, int channel) {
    static_assert(B == 1, "a tile is one block wide");
    int32x4_t sum[P][4];
    for (int p = 0; p < P; ++p)
        for (int q = 0; q < 4; ++q) sum[p][q] = vdupq_n_s32(0);
    const int16_t* w = weights;
    for (int t = 0; t < c.tap_count; ++t) {
        const int16_t* in = c.taps[t] + pixel * c.pixel_stride;
        for (int i = 0; i < c.in_channels; i += 2, w += 2 * kOutBlock) {
            const int16x8x2_t w0 = vld2q_s16(w), w1 = vld2q_s16(w + 16);  // .val[0] of input i, .val[1] of input i + 1
            for (int p = 0; p < P; ++p)
                for (int j = 0; j < 2; ++j) {
                    const int16_t x = in[p * c.pixel_stride + i + j];
                    sum[p][0] = vmlal_n_s16(sum[p][0], vget_low_s16(w0.val[j]), x);
                    sum[p][1] = vmlal_n_s16(sum[p][1], vget_high_s16(w0.val[j]), x);
                    sum[p][2] = vmlal_n_s16(sum[p][2], vget_low_s16(w1.val[j]), x);
                    sum[p][3] = vmlal_n_s16(sum[p][3], vget_high_s16(w1.val[j]), x);
                }
        }
    }
    for (int q = 0; q < 4; ++q) {
        const int32x4_t bias = vld1q_s32(c.bias + channel + 4 * q),
                        shift = vnegq_s32(vld1q_s32(c.shift + channel + 4 * q));
        for (int p = 0; p < P; ++p)
            vst1q_s32(c.out + (pixel + p) * c.out_channels + channel + 4 * q,
                      vshlq_s32(vaddq_s32(sum[p][q], bias), shift));
    }
}

#else

constexpr int kTilePixels = 6, kTileBlocks = 1;

template <int P, int B>
inline void conv_tile(const ConvRow& c, const int16_t* weights, int64_t pixel, int channel) {
    static_assert(B == 1, "a tile is one block wide");
    int32_t sum[P][kOutBlock] = {};
    const int16_t* w = weights;
    for (int t = 0; t < c.tap_count; ++t) {
        const int16_t* in = c.taps[t] + pixel * c.pixel_stride;
        for (int i = 0; i < c.in_channels; i += 2, w += 2 * kOutBlock)
            for (int p = 0; p < P; ++p) {
                const int32_t a = in[p * c.pixel_stride + i], b = in[p * c.pixel_stride + i + 1];
                for (int o = 0; o < kOutBlock; ++o) sum[p][o] += a * w[2 * o] + b * w[2 * o + 1];
            }
    }
    for (int p = 0; p < P; ++p)
        for (int o = 0; o < kOutBlock; ++o)
            c.out[(pixel + p) * c.out_channels + channel + o] =
                (sum[p][o] + c.bias[channel + o]) >> c.shift[channel + o];
}

#endif

// B blocks of output channels, over the whole row.
template <int B>
inline void conv_blocks(const ConvRow& c, int channel) {
    const int16_t* weights = c.weights + static_cast<int64_t>(channel) * c.tap_count * c.in_channels;
    int64_t pixel = 0;
    for (; pixel + kTilePixels <= c.width; pixel += kTilePixels) conv_tile<kTilePixels, B>(c, weights, pixel, channel);
    for (; pixel + 2 <= c.width; pixel += 2) conv_tile<2, B>(c, weights, pixel, channel);
    for (; pixel < c.width; ++pixel) conv_tile<1, B>(c, weights, pixel, channel);
}

void conv_row(const ConvRow& c) {
    int channel = 0;
    for (; channel + kTileBlocks * kOutBlock <= c.out_channels; channel += kTileBlocks * kOutBlock)
        conv_blocks<kTileBlocks>(c, channel);
    for (; channel < c.out_channels; channel += kOutBlock) conv_blocks<1>(c, channel);
}

void film(const int32_t* in, const int16_t* scale, const int16_t* shift, int16_t* out, int64_t width, int64_t n) {
    for (int64_t p = 0; p < width; ++p)
        for (int64_t i = 0; i < n; ++i) {
            const int32_t y = (to_int16(in[p * n + i]) * scale[i] + (1 << 11)) >> 12;
            out[p * n + i] = to_conv_input(leaky_relu(y + shift[i]));
        }
}

void leaky(const int32_t* in, int16_t* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = to_conv_input(leaky_relu(in[i]));
}

void add(const int16_t* x, const int32_t* y, int16_t* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = to_int16(x[i] + std::min(65536, std::max(-65536, y[i])));
}

void clamp(const int16_t* in, int16_t* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = to_conv_input(in[i]);
}
