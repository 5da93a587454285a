// What surrounds the multiplications of a 3x3 convolution by Winograd's minimal filtering, F(2x2, 3x3) of Lavin and
// Gray (CVPR 2016): 2x2 outputs from 4x4 inputs by 16 multiplications instead of 36. Its matrix G holds halves; the
// weights are made with 2G (model/winograd.h), so every integer is exact, and what comes out is four times the sums.
#include "kernels/simd-inl.h"

namespace aec {
namespace AEC_TARGET {
namespace {

typedef int16_t i16x16 __attribute__((vector_size(32)));

void winograd_input(const int16_t* const* rows, int channels, int64_t tiles, int16_t* out) {
    constexpr int kLanes = 16;
    const int64_t plane = tiles * channels;
    for (int64_t t = 0; t < tiles; ++t)
        for (int c = 0; c < channels; c += kLanes) {
            i16x16 down[4][4];  // the transform of the columns
            for (int x = 0; x < 4; ++x) {
                i16x16 in[4];
                for (int y = 0; y < 4; ++y) in[y] = load<i16x16>(rows[y] + (2 * t + x) * channels + c);
                down[0][x] = in[0] - in[2], down[1][x] = in[1] + in[2];
                down[2][x] = in[2] - in[1], down[3][x] = in[1] - in[3];
            }
            int16_t* to = out + t * channels + c;
            for (int y = 0; y < 4; ++y, to += 4 * plane) {
                store(to, down[y][0] - down[y][2]);
                store(to + plane, down[y][1] + down[y][2]);
                store(to + 2 * plane, down[y][2] - down[y][1]);
                store(to + 3 * plane, down[y][1] - down[y][3]);
            }
        }
}

void winograd_output(const WinogradOutput& o) {
    constexpr int kLanes = 8;
    const int64_t plane = o.tiles * o.block;
    for (int64_t t = 0; t < o.tiles; ++t)
        for (int c = 0; c < o.block; c += kLanes) {
            u32x8 down[2][4];  // unsigned, as sums of products wrap around on their way to what they are
            const int32_t* in = o.products + t * o.block + c;
            for (int x = 0; x < 4; ++x, in += plane) {
                const u32x8 m0 = load<u32x8>(in), m1 = load<u32x8>(in + 4 * plane), m2 = load<u32x8>(in + 8 * plane),
                            m3 = load<u32x8>(in + 12 * plane);
                down[0][x] = m0 + m1 + m2;
                down[1][x] = m1 - m2 - m3;
            }
            const i32x8 bias = load<i32x8>(o.bias + c), shift = load<i32x8>(o.shift + c);
            for (int y = 0; y < 2; ++y) {
                const u32x8* m = down[y];
                const u32x8 both[2] = {m[0] + m[1] + m[2], m[1] - m[2] - m[3]};
                for (int x = 0; x < 2 && 2 * t + x < o.width; ++x)
                    store(o.rows[y] + (2 * t + x) * o.stride + c, (((i32x8)both[x] >> 2) + bias) >> shift);
            }
        }
}

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
