// Rectangles, and values at every position of one.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace aec {

struct Rectangle {
    int64_t top = 0, left = 0, bottom = 0, right = 0;
    int64_t height() const { return bottom - top; }
    int64_t width() const { return right - left; }
};

template <class T>
struct Map {
    int64_t height = 0, width = 0, channels = 0;
    std::vector<T> data;  // [height][width][channels]

    Map() = default;
    Map(int64_t h, int64_t w, int64_t c) : height(h), width(w), channels(c), data(static_cast<size_t>(h * w * c)) {}
    T* row(int64_t y) { return data.data() + y * width * channels; }
    const T* row(int64_t y) const { return data.data() + y * width * channels; }
};
using Features = Map<int16_t>;

}  // namespace aec
