// The kernels for any CPU. The vector types become whatever the compiler's baseline target offers.
#define AEC_TARGET scalar
#include "kernels/simd-inl.h"
