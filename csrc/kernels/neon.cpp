// The kernels for 64-bit ARM, which always has NEON.
#define AEC_TARGET neon
#define AEC_NEAREST_LANES 8
#include "kernels/conv_neon-inl.h"
#include "kernels/kernels-inl.h"
