// Layers of the network over whole maps, a row at a time, rows split over threads.
#pragma once
#include "network.h"

namespace aec {

Conv load_conv(const Tensors& tensors, const std::string& name, int in, int out, int taps);
Block load_block(const Tensors& tensors, const std::string& name, int channels, int hidden);

// A 1x1 convolution of one row: in [width][conv.in], clamped already, to out [width][conv.out].
void conv_1x1(const Conv& conv, const int16_t* in, long width, int32_t* out);

// The rows y-1, y, y+1 of a map as convolutions want them: clamped, with a zero pixel at both ends, zeros outside the map.
// Moves down a row at a time. `above` and `below`, where given, stand in for the rows begin-1 and end, which another
// thread or an earlier step may have overwritten.
class Window {
public:
    Window(const Features& x, long begin, long end, const int16_t* above = nullptr, const int16_t* below = nullptr);
    void move_to(long y);  // begin first, then begin+1, ...
    const int16_t* row(int i) const { return rows_[i].data(); }  // 0 above, 1 at, 2 below y: [width + 2][channels]

private:
    void read(long y, std::vector<int16_t>& row) const;

    const Features& x_;
    long begin_, end_;
    const int16_t *above_, *below_;
    std::vector<int16_t> rows_[3];
};
void conv_3x3(const Conv& conv, const Window& window, long width, int32_t* out);

void residual_block(const Block& block, Features& x, int quality, int threads);  // in place
Features downsample(const Conv& conv, const Features& x, int threads);           // 2x2, stride 2
Features upsample(const Conv& conv, const Features& x, int threads);             // 1x1, then pixels shuffled 2x2

}  // namespace aec
