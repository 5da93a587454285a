// The nearest codewords, for Python.
#include "kernels/nearest.h"

#include <optional>

#include "python/arrays.h"

namespace aec::python {
namespace {

Array<int32_t> nearest(const Array<float>& z, const Array<float>& codebook, const std::optional<Array<float>>& bias,
                       const std::optional<Array<float>>& weight, int threads, const std::string& device) {
    if (z.ndim() != 2 || codebook.ndim() != 2 || codebook.shape(0) != z.shape(1) || codebook.shape(1) < 1)
        throw py::value_error("z must be (N, d) and codebook (d, K) with K at least 1");
    const int64_t n = z.shape(0);
    const int d = static_cast<int>(z.shape(1)), k = static_cast<int>(codebook.shape(1));
    if (bias) expect(*bias, {k}, "bias");
    if (weight) expect(*weight, {n, d}, "weight");
    std::vector<float> zero(bias ? 0 : k);
    Array<int32_t> index(n);
    const float *pz = z.data(), *pw = weight ? weight->data() : nullptr, *pc = codebook.data(),
                *pb = bias ? bias->data() : zero.data();
    int32_t* pi = index.mutable_data();
    py::gil_scoped_release release;
    if (device == "cpu") aec::nearest(pz, pw, pc, pb, n, d, k, threads, pi);
#if defined(AEC_HAVE_CUDA)
    else if (device == "cuda") aec::nearest_cuda(pz, pw, pc, pb, n, d, k, pi);
#endif
    else throw std::invalid_argument("no such device in this build: " + device);
    return index;
}

}  // namespace

void add_search(py::module_& m) {
    using namespace py::literals;
#if defined(AEC_HAVE_CUDA)
    m.def("cuda_available", &aec::cuda_available, "Whether the machine has a device for this build's CUDA kernels.");
#else
    m.def(
        "cuda_available", [] { return false; }, "False: this build has no CUDA kernels.");
#endif
    m.def("nearest", &nearest, exact("z"), exact("codebook"), exact("bias") = py::none(), exact("weight") = py::none(),
          "threads"_a = 0, "device"_a = "cpu", "The nearest codeword (N,) of each z (N, d) in a codebook (d, K).");
}

}  // namespace aec::python
