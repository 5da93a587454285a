// The nearest-codeword search, for Python.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "kernels/nearest.h"

namespace py = pybind11;

namespace {

// Inputs must already be C-contiguous and of this type: a silent copy would hide a mistake.
template <class T>
using Array = py::array_t<T, py::array::c_style>;

Array<int32_t> nearest(const Array<float>& z, const Array<float>& codebook, const std::optional<Array<float>>& bias,
                       const std::optional<Array<float>>& weight, int threads, const std::string& device) {
    if (z.ndim() != 2 || codebook.ndim() != 2 || codebook.shape(0) != z.shape(1) || codebook.shape(1) < 1)
        throw py::value_error("z must be (N, d) and codebook (d, K) with K at least 1");
    const int64_t n = z.shape(0);
    const int d = static_cast<int>(z.shape(1)), k = static_cast<int>(codebook.shape(1));
    if (bias && (bias->ndim() != 1 || bias->shape(0) != k)) throw py::value_error("bias must be (K,)");
    if (weight && (weight->ndim() != 2 || weight->shape(0) != n || weight->shape(1) != d))
        throw py::value_error("weight must be (N, d)");
    const std::vector<float> zero(bias ? 0 : k);
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

bool cuda_available() {
#if defined(AEC_HAVE_CUDA)
    return aec::cuda_available();
#else
    return false;
#endif
}

}  // namespace

void bind_search(py::module_& m) {
    using namespace py::literals;
    m.def("cuda_available", &cuda_available, "Whether this build has CUDA kernels and the machine a device for them.");
    m.def("nearest", &nearest, py::arg("z").noconvert(), py::arg("codebook").noconvert(),
          py::arg("bias").noconvert() = py::none(), py::arg("weight").noconvert() = py::none(), "threads"_a = 0,
          "device"_a = "cpu",
          "argmin_k |z_n - c_k|^2 + sum_i weight_ni c_ki^2 + bias_k; codebook (d, K). See aecodec.nearest.");
}
