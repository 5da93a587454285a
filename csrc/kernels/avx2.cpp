// The kernels for x86-64 with AVX2; compiled with the flags in avx2.flags.
#define AEC_TARGET avx2
#define AEC_NEAREST_LANES 8
#include "kernels/conv_avx2-inl.h"
#include "kernels/kernels-inl.h"
