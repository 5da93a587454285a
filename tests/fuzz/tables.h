// Tables of a model by the rules of csrc/model/model.cpp, from pseudo-random numbers: so a network of any shape can be
// made, of any seed, without a file.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/model.h"

namespace aec::fuzz {

inline bool ends(const std::string& name, const std::string& with) {
    return name.size() >= with.size() && name.compare(name.size() - with.size(), with.size(), with) == 0;
}

class Tables {
public:
    // wildness: 0 for tables that are all in range; else one value in so many is any at all.
    Tables(uint64_t seed, uint32_t wildness) : state_(seed * 2 + 1), wildness_(wildness) {}

    Tensors tensors() {
        return {[this](const std::string& name, int64_t size) { return shorts(name, size); },
                [this](const std::string& name, int64_t size) { return longs(name, size); },
                [this](const std::string& name, int64_t size) { return floats(name, size); }};
    }

private:
    static constexpr int64_t kMost = 1 << 20;  // elements, lest a shape takes all memory before it is refused

    uint32_t random() {  // splitmix64 (Steele, Lea and Flood, OOPSLA 2014)
        uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
    }
    int32_t within(int32_t low, int32_t high) {
        if (wildness_ && random() % wildness_ == 0) return static_cast<int32_t>(random());
        return low + static_cast<int32_t>(random() % static_cast<uint32_t>(high - low + 1));
    }
    static void expect(const std::string& name, int64_t size) {
        if (size < 0 || size > kMost) throw std::invalid_argument("the model's tensor " + name + " has the wrong size");
    }
    const int16_t* shorts(const std::string& name, int64_t size) {
        expect(name, size);
        auto& values = shorts_[name];
        for (int64_t i = static_cast<int64_t>(values.size()); i < size; ++i) {
            int32_t v = within(-60, 60);
            if (ends(name, ".codebook") || name == "lattice") v = i < kGroup ? 0 : within(-kCodewordMax, kCodewordMax);
            if (ends(name, ".weight_bits")) v = within(0, 4000);
            if (ends(name, ".log_gain")) v = within(-500, 500);
            if (ends(name, ".film")) v = within(-6000, 6000);
            values.push_back(static_cast<int16_t>(v));
        }
        if (ends(name, ".codebook"))  // codeword 0 of every group
            for (int64_t i = 0; i < size; ++i)
                if (i / kGroup % codewords == 0) values[i] = 0;
        return values.data();
    }
    const int32_t* longs(const std::string& name, int64_t size) {
        expect(name, size);
        auto& values = longs_[name];
        for (int64_t i = static_cast<int64_t>(values.size()); i < size; ++i) {
            int32_t v = within(-100000, 100000);
            if (ends(name, ".shift")) v = within(kSixteenBitFraction + 1, 14);
            if (ends(name, ".step")) v = within(1, 1 << 20);
            if (ends(name, ".inverse_variance")) v = within(0, 32767);
            values.push_back(v);
        }
        return values.data();
    }
    const float* floats(const std::string& name, int64_t size) {
        expect(name, size);
        auto& values = floats_[name];
        for (int64_t i = static_cast<int64_t>(values.size()); i < size; ++i)
            values.push_back(static_cast<float>(within(1, 1000)) / 100);
        return values.data();
    }

    uint64_t state_;
    const uint32_t wildness_;
    std::map<std::string, std::vector<int16_t>> shorts_;
    std::map<std::string, std::vector<int32_t>> longs_;
    std::map<std::string, std::vector<float>> floats_;

public:
    int codewords = kMaxCodewords;
};

// A small network with every kind of layer: two levels, three stages, two streams, a preview.
inline NetworkShape small_shape() {
    NetworkShape s;
    s.channels = {16, 16}, s.hidden = {16, 16}, s.analysis = {1, 1};
    s.stages = {{1, 16, 3, 1, 0}, {0, 16, 2, 1, 1}, {0, 16, 1, 1, 1}};
    s.previews = {{8, 1}};
    s.feature_bits = 8, s.codewords = 64;
    return s;
}

}  // namespace aec::fuzz
