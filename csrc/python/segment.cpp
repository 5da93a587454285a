// What the blocks of a picture cost, for Python.
#include <optional>

#include "python/arrays.h"
#include "segment/colours.h"
#include "segment/costs.h"

namespace aec::python {
namespace {

Samples samples_of(const Array<uint8_t>& array) {
    if (array.ndim() != 3 || array.shape(0) < 1 || array.shape(1) < 1 || (array.shape(2) != 1 && array.shape(2) != 3))
        throw py::value_error("samples must be (H, W, 1) or (H, W, 3)");
    return {array.data(), array.shape(0), array.shape(1), static_cast<int>(array.shape(2))};
}

Array<float> codeword_costs(const Array<uint8_t>& array, float lambda, int threads) {
    const Samples samples = samples_of(array);
    Array<float> costs({cost_blocks(samples.height), cost_blocks(samples.width)});
    float* out = costs.mutable_data();
    py::gil_scoped_release release;
    aec::codeword_costs(samples, lambda, threads, out);
    return costs;
}

py::tuple layer_costs(const Array<uint8_t>& array, int threads) {
    const Samples samples = samples_of(array);
    Array<float> costs({cost_blocks(samples.height), cost_blocks(samples.width)});
    Array<uint8_t> runs({cost_blocks(samples.height), cost_blocks(samples.width)});
    {
        float* out = costs.mutable_data();
        uint8_t* counts = runs.mutable_data();
        py::gil_scoped_release release;
        aec::layer_costs(samples, threads, out, counts);
    }
    return py::make_tuple(costs, runs);
}

Array<uint8_t> distinct_colours(const Array<uint8_t>& array, int threads) {
    const Samples samples = samples_of(array);
    Array<uint8_t> counts({cost_blocks(samples.height), cost_blocks(samples.width)});
    uint8_t* out = counts.mutable_data();
    py::gil_scoped_release release;
    aec::distinct_colours(samples, threads, out);
    return counts;
}

py::tuple fewer_colours(const Array<uint8_t>& array, float lambda, const std::optional<Array<bool>>& inside,
                        int threads) {
    const Samples samples = samples_of(array);
    if (!(lambda > 0)) throw py::value_error("lam must be above 0");
    const int64_t rows = cost_blocks(samples.height), columns = cost_blocks(samples.width);
    if (inside) expect(*inside, {rows, columns}, "inside");
    Array<uint8_t> result({samples.height, samples.width, int64_t{samples.channels}});
    Array<float> errors({rows, columns});
    {
        const auto* counted = inside ? reinterpret_cast<const uint8_t*>(inside->data()) : nullptr;
        uint8_t* out = result.mutable_data();
        float* squares = errors.mutable_data();
        py::gil_scoped_release release;
        aec::fewer_colours(samples, counted, lambda, threads, out, squares);
    }
    return py::make_tuple(result, errors);
}

}  // namespace

void add_segment(py::module_& m) {
    using namespace py::literals;
    m.def("codeword_costs", &codeword_costs, exact("samples"), "lam"_a, "threads"_a = 0,
          "Bits and λ times the error of every block of 8x8 pixels with codewords: an estimate.");
    m.def("layer_costs", &layer_costs, exact("samples"), "threads"_a = 0,
          "Bits of every block of 8x8 pixels in a lossless layer, an estimate, and how many of its pixels are like a "
          "neighbour.");
    m.def("distinct_colours", &distinct_colours, exact("samples"), "threads"_a = 0,
          "How many colours every block of 8x8 pixels has.");
    m.def("fewer_colours", &fewer_colours, exact("samples"), "lam"_a, exact("inside") = py::none(), "threads"_a = 0,
          "A picture in which colours that are alike are one, and the squared error of every block of 8x8 pixels.");
}

}  // namespace aec::python
