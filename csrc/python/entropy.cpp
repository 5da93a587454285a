// The entropy coder, for Python: what the codec's own streams are made with, for experiments and tests.
#include <algorithm>
#include <string_view>

#include "entropy/rans.h"
#include "kernels/kernels.h"
#include "python/arrays.h"

namespace aec::python {
namespace {

void check_sums(const uint16_t* frequencies, int64_t tables, int64_t k) {
    for (int64_t i = 0; i < tables; ++i) {
        uint32_t total = 0;
        for (int64_t j = 0; j < k; ++j) total += frequencies[i * k + j];
        if (total != kFrequencyTotal)
            throw std::invalid_argument("frequencies must sum to 65536, not " + std::to_string(total));
    }
}

py::bytes rans_encode(const Array<uint16_t>& symbols, const Array<uint16_t>& table,
                      const Array<uint16_t>& frequencies) {
    if (symbols.ndim() != 1 || frequencies.ndim() != 2) throw py::value_error("arrays of other axes");
    expect(table, {symbols.shape(0)}, "table");
    const int64_t n = symbols.shape(0), tables = frequencies.shape(0), k = frequencies.shape(1);
    const uint16_t *s = symbols.data(), *t = table.data(), *f = frequencies.data();
    std::string out;
    {
        py::gil_scoped_release release;
        check_sums(f, tables, k);
        RansEncoder encoder;
        for (int64_t i = 0; i < n; ++i) {
            if (t[i] >= tables || s[i] >= k || f[t[i] * k + s[i]] == 0)
                throw std::invalid_argument("a symbol has no frequency");
            encoder.write(f + t[i] * k, s[i]);
        }
        out = encoder.finish();
    }
    return py::bytes(out);
}

Array<uint16_t> rans_decode(const py::bytes& data, const Array<uint16_t>& table, const Array<uint16_t>& frequencies) {
    if (table.ndim() != 1 || frequencies.ndim() != 2) throw py::value_error("arrays of other axes");
    const int64_t n = table.shape(0), tables = frequencies.shape(0), k = frequencies.shape(1);
    const uint16_t *t = table.data(), *f = frequencies.data();
    const std::string_view bytes(data);
    Array<uint16_t> symbols(n);
    uint16_t* s = symbols.mutable_data();
    py::gil_scoped_release release;
    check_sums(f, tables, k);
    RansDecoder decoder(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    for (int64_t i = 0; i < n; ++i) {
        if (t[i] >= tables) throw std::invalid_argument("no such table");
        s[i] = static_cast<uint16_t>(decoder.read(f + t[i] * k));
    }
    decoder.finish();
    return symbols;
}

Array<uint16_t> prior_frequencies(const Array<int32_t>& exponents) {
    if (exponents.ndim() != 1 || exponents.size() < 8 || exponents.size() > kMaxCodewords || exponents.size() % 8)
        throw py::value_error("exponents must be 8, 16, ... " + std::to_string(kMaxCodewords) + ", not " +
                              std::to_string(exponents.size()));
    for (py::ssize_t i = 0; i < exponents.size(); ++i)
        if (exponents.data()[i] < 0)
            throw py::value_error("exponents must not be negative: " + std::to_string(exponents.data()[i]));
    Array<uint16_t> f(exponents.size());
    const int32_t *begin = exponents.data(), *end = begin + exponents.size();
    kernels().frequencies(begin, *std::min_element(begin, end), static_cast<int>(exponents.size()), f.mutable_data());
    return f;
}

}  // namespace

void add_entropy(py::module_& m) {
    using namespace py::literals;
    m.def("rans_encode", &rans_encode, exact("symbols"), exact("table"), exact("frequencies"),
          "Codes symbols (N,), each with the row table (N,) of frequencies (tables, K), to bytes.");
    m.def("rans_decode", &rans_decode, "data"_a, exact("table"), exact("frequencies"),
          "The inverse of rans_encode, for len(table) symbols.");
    m.def("frequencies", &prior_frequencies, exact("exponents"),
          "The prior's frequencies, which sum to 2^16, for exponents -log2 of the masses with 16 fractional bits.");
}

}  // namespace aec::python
