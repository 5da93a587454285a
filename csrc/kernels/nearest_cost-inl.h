// The cost that a codeword is searched by: one definition for the vector kernels and for the CUDA kernel. Included
// inside a namespace of theirs; see simd-inl.h.

#if defined(__CUDACC__)
#define AEC_HOST_DEVICE __host__ __device__
#else
#define AEC_HOST_DEVICE
#endif

// |z - c|^2 + sum_i weight_i c_i^2 + bias, less |z|^2, which is the same for every codeword, of as many codewords as V
// has lanes. `cost` comes in as bias + |c|^2; `c` points at the first codeword's first dimension, the next is `stride`
// floats on.
template <bool kWeighted, class V>
AEC_HOST_DEVICE inline V codeword_cost(V cost, const float* twice_z, const float* weight, const float* c,
                                       int64_t stride, int d) {
    for (int i = 0; i < d; ++i) {
        V x;
        memcpy(&x, c + i * stride, sizeof x);
        if (kWeighted) cost += x * (x * weight[i] - twice_z[i]);
        else cost -= x * twice_z[i];
    }
    return cost;
}
