// The facts of the format and of its fixed-point arithmetic, each defined here and nowhere else. Sections are those of
// docs/format.md. Python reads them as aecodec._core.constants.
#pragma once
#include <cstdint>

namespace aec {

// Section 1, the header.
constexpr int kQualities = 100;  // 1..100; tables have a row for each
constexpr int kTileLog2Min = 6;  // tiles are squares of 2^tile_log2 pixels
constexpr int kTileLog2Max = 16;
constexpr int kMaxStreams = 7;  // of a tile

// Section 2, the model file: sizes.
constexpr int kBlock = 8;           // pixels on a side of a position of level 0
constexpr int kGroup = 4;           // latent dimensions that are quantised together
constexpr int kOutBlock = 16;       // channel counts are multiples of this, so that vectors are full
constexpr int kMaxRvqLevels = 8;    // of a group's codes
constexpr int kMaxCodewords = 256;  // K, a multiple of 8: codes are bytes

// Section 2, the model file: fractional bits. Those of features are the model's own.
constexpr int kFilmBits = 12;             // of a FiLM layer's scale
constexpr int kLogGainBits = 6;           // of log_gain, and of the prior's log2 σ
constexpr int kStepBits = 16;             // of a quantiser step, in features
constexpr int kInverseVarianceBits = 10;  // of log2(e) / (2 (σ² + s))
constexpr int kCodewordBits = 8;          // of codewords and values, in steps
constexpr int kWeightBits = 8;            // of -log2 of the codewords' weights

// Section 2, a convolution.
constexpr int kConvInputMax = 16383;     // its inputs are clamped to ± this, so that an int32 holds the sum
constexpr int kSpatialInputMax = 8191;   // those of a 3x3 convolution to ± this, so that an int16 holds a sum of four
constexpr int32_t kAddendMax = 1 << 16;  // what is added to features is first clamped to ± this (section 3, steps 4, 5)

// Section 3, step 2: the prior.
constexpr int kLeakShift = 3;  // leaky ReLU is max(x, x >> 3)
constexpr int kNinth = 7282;   // 1/9 with kNinthBits, for the mean of 3x3 positions
constexpr int kNinthBits = 16;
constexpr int32_t kLogSigmaMax = 1 << 16;  // the prior's log2 σ is clamped to ± this
constexpr int kSigmaCount = 96;            // σ is one of 2^(index / 8 - 4) steps
constexpr int kSigmaPerOctave = 8;
constexpr int kSigmaOctaveMin = -4;
constexpr int kSigmaShift = 3;  // from log2 σ with kLogGainBits to an index
static_assert(1 << kLogGainBits == kSigmaPerOctave << kSigmaShift, "the shift makes octaves indices");

// Section 3, at last: pixels of 16 bits are made from this many fractional bits.
constexpr int kSixteenBitFraction = 8;

// Section 4: codes.
constexpr int kRvqLevelBits = 2;   // the steps of RVQ level j are 4^j
constexpr int kExponentBits = 16;  // fractional bits of -log2 of the prior's masses
constexpr int kSquareBits = 6;     // of squares of codewords
constexpr int kSquareShift = 2 * kCodewordBits - kSquareBits;
constexpr int32_t kTermMax = 1 << 28;                 // of an exponent's terms: four and a weight fit an int32
constexpr int32_t kCodewordMax = 8 << kCodewordBits;  // within 8 steps, which keeps exponents inside an int32
constexpr int32_t kOffsetMax = 16 << kCodewordBits;   // what coarser RVQ levels give is clamped to ± this
constexpr int kPossibleBits = 13;                     // codewords that cost more than this are left out
static_assert(kSquareBits + kInverseVarianceBits == kExponentBits, "a square over a variance is an exponent");

// Section 4, rANS.
constexpr int kFrequencyBits = 16;  // frequencies sum to 2^16

// No part of the format: what training and the encoder's search share.
constexpr float kTemperature =
    0.1532f;                     // of soft assignments: twice D4's second moment, so that its spread is a cell's
constexpr float kSmooth = 1.4f;  // σ in steps above which the codewords lie dense in the prior

}  // namespace aec
