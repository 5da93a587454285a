// The quantiser over batches, for training in Python.
#include "training/quantiser.h"

#include <algorithm>

#include "python/arrays.h"

namespace aec::python {
namespace {

struct QuantiserArguments {
    StageQuantiser q{};
    int64_t count = 0;

    QuantiserArguments(const Array<float>& residual, const Array<float>& sigma, const Array<float>& fine,
                       const Array<float>& coarse, const Array<float>& log_weight, const Array<float>& variance,
                       int rvq_levels, float beta) {
        if (residual.ndim() != 3 || fine.ndim() != 3)
            throw py::value_error("residual must be (N, groups, 4), fine (groups, 4, K)");
        const py::ssize_t groups = residual.shape(1), k = fine.shape(2);
        count = residual.shape(0);
        if (k % 8 || k < 8 || k > kMaxCodewords || rvq_levels < 1 || rvq_levels > kMaxRvqLevels)
            throw py::value_error("there cannot be " + std::to_string(k) + " codewords and " +
                                  std::to_string(rvq_levels) + " RVQ levels");
        expect(residual, {count, groups, kGroup}, "residual");
        expect(sigma, {count, groups, kGroup}, "sigma");
        expect(fine, {groups, kGroup, k}, "fine");
        expect(coarse, {kGroup, k}, "coarse");
        expect(log_weight, {groups, 2, k}, "log_weight");
        expect(variance, {2}, "variance");
        q = {static_cast<int>(groups), static_cast<int>(k), rvq_levels, fine.data(), coarse.data(),
             log_weight.data(),        variance.data(),     beta};
    }
};

py::tuple quantise(const Array<float>& residual, const Array<float>& sigma, const Array<float>& fine,
                   const Array<float>& coarse, const Array<float>& log_weight, const Array<float>& variance,
                   int rvq_levels, float beta, int threads) {
    const QuantiserArguments a(residual, sigma, fine, coarse, log_weight, variance, rvq_levels, beta);
    Array<uint8_t> code({a.count, static_cast<int64_t>(a.q.groups), static_cast<int64_t>(rvq_levels)});
    Array<float> value({a.count, static_cast<int64_t>(a.q.groups), static_cast<int64_t>(kGroup)}),
        bits({a.count, static_cast<int64_t>(a.q.groups)});
    {
        uint8_t* c = code.mutable_data();
        float *v = value.mutable_data(), *b = bits.mutable_data();
        py::gil_scoped_release release;
        aec::quantise(a.q, residual.data(), sigma.data(), a.count, threads, c, v, b);
    }
    return py::make_tuple(code, value, bits);
}

py::tuple quantise_gradient(const Array<float>& residual, const Array<float>& sigma, const Array<float>& fine,
                            const Array<float>& coarse, const Array<float>& log_weight, const Array<float>& variance,
                            int rvq_levels, float beta, const Array<uint8_t>& code, const Array<float>& grad_value,
                            const Array<float>& grad_bits, int threads) {
    const QuantiserArguments a(residual, sigma, fine, coarse, log_weight, variance, rvq_levels, beta);
    const int64_t groups = a.q.groups, k = a.q.codewords, dimensions = kGroup;
    expect(code, {a.count, groups, rvq_levels}, "code");
    expect(grad_value, {a.count, groups, dimensions}, "grad_value");
    expect(grad_bits, {a.count, groups}, "grad_bits");
    for (int64_t i = 0; i < code.size(); ++i)
        if (code.data()[i] >= k) throw py::value_error("a code has no codeword");
    const std::vector<std::vector<int64_t>> shapes = {{a.count, groups, dimensions},
                                                      {a.count, groups, dimensions},
                                                      {a.count, groups, dimensions},
                                                      {groups, dimensions, k},
                                                      {groups, 2, k},
                                                      {2}};
    std::vector<Array<float>> out;
    std::vector<float*> p;
    for (const auto& s : shapes) {
        out.emplace_back(s);
        p.push_back(out.back().mutable_data());
        std::fill(p.back(), p.back() + out.back().size(), 0.0f);
    }
    {
        py::gil_scoped_release release;
        aec::quantise_gradient(a.q, residual.data(), sigma.data(), code.data(), a.count, grad_value.data(),
                               grad_bits.data(), threads, p[0], p[1], p[2], p[3], p[4], p[5]);
    }
    return py::make_tuple(out[0], out[1], out[2], out[3], out[4], out[5]);
}

// An address on the device, or on the host; who calls answers for it.
template <class T>
T* at(const std::vector<uintptr_t>& addresses, size_t index) {
    return reinterpret_cast<T*>(addresses.at(index));  // NOLINT(performance-no-int-to-ptr)
}

StageQuantiser stage_at(int groups, int codewords, int rvq_levels, float beta, const std::vector<uintptr_t>& a) {
    if (codewords % 8 || codewords < 8 || codewords > kMaxCodewords || rvq_levels < 1 || rvq_levels > kMaxRvqLevels)
        throw py::value_error("there cannot be so many codewords or RVQ levels");
    return {groups, codewords, rvq_levels, at<float>(a, 2), at<float>(a, 3), at<float>(a, 4), at<float>(a, 5), beta};
}

void team_quantise(const std::string& device, int64_t count, int groups, int codewords, int rvq_levels, float beta,
                   const std::vector<uintptr_t>& a, [[maybe_unused]] uintptr_t stream) {
    const StageQuantiser q = stage_at(groups, codewords, rvq_levels, beta, a);
    const TeamQuantise batch{at<float>(a, 0),   at<float>(a, 1), count,          at<int32_t>(a, 6),
                             at<uint8_t>(a, 7), at<float>(a, 8), at<float>(a, 9)};
    if (device == "cpu") return quantise_host(q, batch);
#if defined(AEC_HAVE_CUDA)
    if (device == "cuda") return quantise_cuda(q, batch, reinterpret_cast<void*>(stream));
#endif
    throw py::value_error("no such device in this build: " + device);
}

void team_quantise_gradient(const std::string& device, int64_t count, int groups, int codewords, int rvq_levels,
                            float beta, const std::vector<uintptr_t>& a, [[maybe_unused]] uintptr_t stream) {
    const StageQuantiser q = stage_at(groups, codewords, rvq_levels, beta, a);
    const TeamGradient batch{at<float>(a, 0),   at<float>(a, 1),  count,           at<int32_t>(a, 6),
                             at<uint8_t>(a, 7), at<float>(a, 8),  at<float>(a, 9), at<float>(a, 10),
                             at<float>(a, 11),  at<float>(a, 12), at<void>(a, 13), at<float>(a, 14),
                             at<float>(a, 15)};
    if (device == "cpu") return quantise_gradient_host(q, batch);
#if defined(AEC_HAVE_CUDA)
    if (device == "cuda") return quantise_gradient_cuda(q, batch, reinterpret_cast<void*>(stream));
#endif
    throw py::value_error("no such device in this build: " + device);
}

}  // namespace

void add_quantiser(py::module_& m) {
    using namespace py::literals;
    m.def(
        "quantise", &quantise, exact("residual"), exact("sigma"), exact("fine"), exact("coarse"), exact("log_weight"),
        exact("variance"), "rvq_levels"_a, "beta"_a, "threads"_a = 0,
        "Rate-distortion optimal codes of residuals (N, G, 4) under their sigma, the coded residuals, and their bits.");
    m.def("quantise_gradient", &quantise_gradient, exact("residual"), exact("sigma"), exact("fine"), exact("coarse"),
          exact("log_weight"), exact("variance"), "rvq_levels"_a, "beta"_a, exact("code"), exact("grad_value"),
          exact("grad_bits"), "threads"_a = 0, "Gradients through the codes of quantise.");
    m.def("team_terms_size", &team_terms_size, "Bytes that team_quantise_gradient needs for a group.");
    m.def("team_quantise", &team_quantise, "device"_a, "count"_a, "groups"_a, "codewords"_a, "rvq_levels"_a, "beta"_a,
          "addresses"_a, "stream"_a = 0, "quantise on a device, by addresses in its memory.");
    m.def("team_quantise_gradient", &team_quantise_gradient, "device"_a, "count"_a, "groups"_a, "codewords"_a,
          "rvq_levels"_a, "beta"_a, "addresses"_a, "stream"_a = 0,
          "quantise_gradient on a device, by addresses in its memory.");
}

}  // namespace aec::python
