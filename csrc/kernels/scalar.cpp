// The kernels for any CPU. The vector types become whatever the compiler's baseline target offers.
#define AEC_TARGET scalar
#define AEC_NEAREST_LANES 8
#include "kernels/conv_scalar-inl.h"
#include "kernels/kernels-inl.h"
