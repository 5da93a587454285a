// The kernels for x86-64 with AVX2; compiled with -mavx2.
#define AEC_TARGET avx2
#define AEC_USE_AVX2
#include "kernels/simd-inl.h"
