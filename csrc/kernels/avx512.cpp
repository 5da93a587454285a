// The kernels for x86-64 with AVX-512 and its int16 dot products; compiled with the flags in avx512.flags.
#define AEC_TARGET avx512
#define AEC_NEAREST_LANES 16
#include "kernels/conv_avx512-inl.h"
#include "kernels/kernels-inl.h"
