// The kernels for 64-bit ARM, which always has NEON.
#define AEC_TARGET neon
#define AEC_USE_NEON
#include "kernels/simd-inl.h"
