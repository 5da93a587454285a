// The kernels for x86-64 with AVX-512 and its int16 dot products; compiled with the flags in CMakeLists.txt.
#define AEC_TARGET avx512
#define AEC_USE_AVX512
#include "kernels/simd-inl.h"
