// All kernels of one unit, and their table. The unit has defined AEC_TARGET and AEC_NEAREST_LANES, and has included the
// tile of its convolution.
#include "kernels/conv-inl.h"
#include "kernels/elementwise-inl.h"
#include "kernels/nearest-inl.h"
#include "kernels/prior-inl.h"
#include "kernels/quantiser-inl.h"
#include "kernels/quantiser_gradient-inl.h"
#include "kernels/winograd-inl.h"

namespace aec {

#define AEC_NAME_2(x) #x
#define AEC_NAME(x) AEC_NAME_2(x)
#define AEC_TABLE_2(x) x##_kernels
#define AEC_TABLE(x) AEC_TABLE_2(x)
extern const Kernels AEC_TABLE(AEC_TARGET);
const Kernels AEC_TABLE(AEC_TARGET) = {
    AEC_NAME(AEC_TARGET),        AEC_TARGET::conv_row,      AEC_TARGET::film,
    AEC_TARGET::leaky,           AEC_TARGET::add,           AEC_TARGET::clamp,
    AEC_TARGET::prior_inputs,    AEC_TARGET::prior_outputs, AEC_TARGET::winograd_input,
    AEC_TARGET::winograd_output, AEC_TARGET::nearest,       AEC_TARGET::exponents,
    AEC_TARGET::frequencies,     AEC_TARGET::quantise,      AEC_TARGET::quantise_gradient,
};

}  // namespace aec
