// Times the inner loops on one thread: prints JSON. Built and run by bench/kernels.py.
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>

#include "entropy/rans.h"
#include "kernels/kernels.h"
#include "model/winograd.h"
#include "runtime/line_window.h"

namespace {

constexpr int kRepeats = 15;

// Median seconds of a call.
template <class Body>
double seconds(const Body& body) {
    std::vector<double> times;
    for (int i = 0; i < kRepeats; ++i) {
        const auto start = std::chrono::steady_clock::now();
        body();
        times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    std::nth_element(times.begin(), times.begin() + kRepeats / 2, times.end());
    return times[kRepeats / 2];
}

// Multiply-adds with everything in registers, and enough independent sums to hide the latency.
constexpr int kSums2 = 12, kSums512 = 20;
__attribute__((target("avx2"))) void multiply_avx2(int64_t rounds) {
    __m256i sums[kSums2], a = _mm256_set1_epi16(3), b = _mm256_set1_epi16(5);
#pragma GCC unroll 12
    for (auto& s : sums) s = _mm256_setzero_si256();
    for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
        for (auto& s : sums) {
            __asm__ volatile("" : "+x"(a), "+x"(b));  // or one product would do for all sums
            s = _mm256_add_epi32(s, _mm256_madd_epi16(a, b));
        }
#pragma GCC unroll 12
        for (auto& s : sums) __asm__ volatile("" : "+x"(s));
    }
}
// kBytes: of 8 bits, which the network does not use; what it would gain, docs/architecture.md says.
template <bool kBytes>
__attribute__((target("avx512bw,avx512vnni"))) void multiply_avx512(int64_t rounds) {
    __m512i sums[kSums512], a = _mm512_set1_epi16(3), b = _mm512_set1_epi16(5);
#pragma GCC unroll 20
    for (auto& s : sums) s = _mm512_setzero_si512();
    for (int64_t i = 0; i < rounds; ++i) {
        __asm__ volatile("" : "+v"(a), "+v"(b));
#pragma GCC unroll 20
        for (auto& s : sums) s = kBytes ? _mm512_dpbusd_epi32(s, a, b) : _mm512_dpwssd_epi32(s, a, b);
#pragma GCC unroll 20
        for (auto& s : sums) __asm__ volatile("" : "+v"(s));
    }
}

// 10^9 of them a second, or 0 if there is no such measurement.
double peak(const std::string& name) {
    constexpr int64_t kRounds = 3000000;
    if (name == "avx2") return kSums2 * 16 * kRounds / seconds([] { multiply_avx2(kRounds); }) / 1e9;
    if (name == "avx512") return kSums512 * 32 * kRounds / seconds([] { multiply_avx512<false>(kRounds); }) / 1e9;
    return 0;
}

double peak_of_bytes(const std::string& name) {
    constexpr int64_t kRounds = 3000000;
    return name == "avx512" ? kSums512 * 64 * kRounds / seconds([] { multiply_avx512<true>(kRounds); }) / 1e9 : 0;
}

constexpr int kChannels = 192, kTaps = 9, kWidth = 128;

// 10^9 multiply-adds a second of a 3x3 convolution of 192 to 192 channels, a row of 128 positions.
double convolution() {
    std::mt19937 random(0);
    auto values = [&](size_t n, int limit) {
        std::vector<int16_t> v(n);
        for (auto& x : v) x = static_cast<int16_t>(static_cast<int>(random() % (2 * limit + 1)) - limit);
        return v;
    };
    const auto in = values(3 * (kWidth + 2) * kChannels, aec::kConvInputMax),
               weights = values(kTaps * kChannels * kChannels, 200);
    const std::vector<int32_t> bias(kChannels, 1), shift(kChannels, 12);
    std::vector<int32_t> out(kWidth * kChannels);
    const int16_t* taps[kTaps];
    for (int i = 0; i < kTaps; ++i) taps[i] = in.data() + i / 3 * (kWidth + 2) * kChannels + i % 3 * kChannels;
    const aec::ConvRow row{taps,      kTaps,       kChannels,    kChannels, weights.data(),
                           kChannels, bias.data(), shift.data(), kWidth,    out.data()};
    const double t = seconds([&] {
        for (int i = 0; i < 20; ++i) aec::kernels().conv_row(row);
    });
    return 20.0 * kTaps * kChannels * kChannels * kWidth / t / 1e9;
}

// The same convolution by Winograd's minimal filtering, 128 rows of it: so many multiply-adds as it stands for.
double winograd() {
    constexpr int kRows = 128;
    std::mt19937 random(0);
    std::vector<int16_t> weights(kTaps * kChannels * kChannels);
    for (auto& w : weights) w = static_cast<int16_t>(static_cast<int>(random() % 41) - 20);
    aec::Conv conv;
    conv.in = conv.out = kChannels, conv.taps = kTaps;
    conv.winograd = aec::winograd_weights(weights.data(), kChannels, kChannels);
    conv.bias.assign(kChannels, 1), conv.shift.assign(kChannels, 12);
    aec::Features map(kRows, kWidth, kChannels);
    for (auto& x : map.data) x = static_cast<int16_t>(static_cast<int>(random() % 2001) - 1000);
    aec::Workers workers(1);
    const aec::RowCursor in(aec::copied(map, workers), aec::kNeighbours);
    in.need(kRows);
    const double t = seconds([&] {
        aec::Scratch scratch;
        aec::LineWindow window(in, 0, kWidth, aec::SpatialConv::kWindow, aec::kSpatialInputMax, scratch);
        aec::SpatialConv spatial(conv, kWidth, scratch);
        for (int64_t y = 0; y < kRows; y += aec::SpatialConv::kRows) {
            window.move_to(y, aec::kNeighbours.last(kRows));
            spatial(window);
        }
    });
    return 1.0 * kTaps * kChannels * kChannels * kWidth * kRows / t / 1e9;
}

// Microseconds for 1000 symbols of 256 codewords: from exponents to frequencies, and from the stream to the symbol.
void coder(double& frequencies, double& decode) {
    constexpr int kSymbols = 20000, kCount = 256;
    std::mt19937 random(1);
    std::vector<int32_t> exponents(kCount);
    for (int k = 0; k < kCount; ++k) exponents[k] = k << 11;
    uint16_t f[kCount];
    frequencies = 1e9 / kSymbols * seconds([&] {
                      for (int i = 0; i < kSymbols; ++i) aec::kernels().frequencies(exponents.data(), 0, kCount, f);
                  });
    aec::RansEncoder encoder;
    std::discrete_distribution<int> symbol(f, f + kCount);
    for (int i = 0; i < kSymbols; ++i) encoder.write(f, symbol(random));
    const std::string stream = encoder.finish();
    decode = 1e9 / kSymbols * seconds([&] {
                 aec::RansDecoder decoder(reinterpret_cast<const uint8_t*>(stream.data()), stream.size());
                 for (int i = 0; i < kSymbols; ++i) decoder.read(f);
                 decoder.finish();
             });
}

}  // namespace

int main() {
    const char* separator = "";
    std::printf("{");
    for (const std::string& name : aec::available_kernels()) {
        aec::choose_kernels(name);
        const double reached = convolution(), most = peak(name), bytes = peak_of_bytes(name);
        double frequencies, decode;
        coder(frequencies, decode);
        std::printf("%s\n \"%s\": {\"convolution_gmac_per_second\": %.1f, ", separator, name.c_str(), reached);
        if (most > 0) std::printf("\"peak_gmac_per_second\": %.1f, \"share_of_peak\": %.3f, ", most, reached / most);
        if (bytes > 0) std::printf("\"peak_of_8_bits_gmac_per_second\": %.1f, ", bytes);
        std::printf("\"winograd_gmac_per_second\": %.1f, ", winograd());
        std::printf("\"frequencies_us_per_1000_symbols\": %.1f, \"rans_decode_us_per_1000_symbols\": %.1f}",
                    frequencies, decode);
        separator = ",";
    }
    std::printf("\n}\n");
}
