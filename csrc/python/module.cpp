// The Python module aecodec._core. Checks every shape, releases the GIL, copies nothing that is already in place.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "entropy/latent_coder.h"
#include "runtime/network.h"
#include "training/quantiser.h"

namespace py = pybind11;

void bind_search(py::module_& m);    // search.cpp
void bind_checksum(py::module_& m);  // checksum.cpp

namespace {

// Inputs must already be C-contiguous and of this type: a silent copy would hide a mistake.
template <class T>
using Array = py::array_t<T, py::array::c_style>;
template <class T>
using Shape = std::vector<py::ssize_t>;

template <class T>
void expect(const Array<T>& a, const std::vector<py::ssize_t>& shape, const char* name) {
    bool same = a.ndim() == static_cast<py::ssize_t>(shape.size());
    for (size_t i = 0; same && i < shape.size(); ++i) same = a.shape(i) == shape[i];
    if (!same) throw py::value_error(std::string(name) + " has the wrong shape");
}

// ---------------------------------------------------------------------------------------------------------------- rANS

py::bytes rans_encode(const Array<uint16_t>& symbols, const Array<uint16_t>& table, const Array<uint16_t>& frequencies,
                      int lanes) {
    if (symbols.ndim() != 1 || frequencies.ndim() != 2 || lanes < 1 || lanes > 64)
        throw py::value_error("wrong arguments");
    expect(table, {symbols.shape(0)}, "table");
    const int64_t n = symbols.shape(0), tables = frequencies.shape(0), k = frequencies.shape(1);
    const uint16_t *s = symbols.data(), *t = table.data(), *f = frequencies.data();
    std::string out;
    {
        py::gil_scoped_release release;
        std::vector<uint32_t> starts(tables * k);
        for (int64_t i = 0; i < tables; ++i) {
            uint32_t start = 0;
            for (int64_t j = 0; j < k; ++j) starts[i * k + j] = start, start += f[i * k + j];
            if (start != aec::kFrequencyTotal) throw std::invalid_argument("frequencies must sum to 65536");
        }
        aec::RansEncoder encoder(lanes);
        for (int64_t i = 0; i < n; ++i) {
            if (t[i] >= tables || s[i] >= k || f[t[i] * k + s[i]] == 0)
                throw std::invalid_argument("a symbol has no frequency");
            encoder.put(starts[t[i] * k + s[i]], f[t[i] * k + s[i]]);
        }
        out = encoder.finish();
    }
    return py::bytes(out);
}

Array<uint16_t> rans_decode(const py::bytes& data, const Array<uint16_t>& table, const Array<uint16_t>& frequencies,
                            int lanes) {
    if (table.ndim() != 1 || frequencies.ndim() != 2 || lanes < 1 || lanes > 64)
        throw py::value_error("wrong arguments");
    const int64_t n = table.shape(0), tables = frequencies.shape(0), k = frequencies.shape(1);
    const uint16_t *t = table.data(), *f = frequencies.data();
    const std::string_view bytes(data);
    Array<uint16_t> symbols(n);
    uint16_t* s = symbols.mutable_data();
    py::gil_scoped_release release;
    for (int64_t i = 0; i < tables; ++i) {
        uint32_t total = 0;
        for (int64_t j = 0; j < k; ++j) total += f[i * k + j];
        if (total != aec::kFrequencyTotal) throw std::invalid_argument("frequencies must sum to 65536");
    }
    aec::RansDecoder decoder(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), lanes);
    for (int64_t i = 0; i < n; ++i) {
        if (t[i] >= tables) throw std::invalid_argument("no such table");
        const uint32_t slot = decoder.slot();
        uint32_t start = 0;
        int64_t j = 0;
        while (start + f[t[i] * k + j] <= slot) start += f[t[i] * k + j++];
        decoder.take(start, f[t[i] * k + j]);
        s[i] = static_cast<uint16_t>(j);
    }
    decoder.finish();
    return symbols;
}

// ----------------------------------------------------------------------------------------------------------- quantiser

struct QuantiserArguments {
    aec::StageQuantiser q;
    int64_t count;

    QuantiserArguments(const Array<float>& residual, const Array<float>& sigma, const Array<float>& fine,
                       const Array<float>& coarse, const Array<float>& log_weight, const Array<float>& variance,
                       int digits, float beta) {
        if (residual.ndim() != 3 || fine.ndim() != 3)
            throw py::value_error("residual must be (N, groups, 4), fine (groups, 4, K)");
        const py::ssize_t groups = residual.shape(1), k = fine.shape(2);
        count = residual.shape(0);
        if (k % 8 || k < 8 || k > 256 || digits < 1 || digits > aec::kMaxDigits)
            throw py::value_error("impossible codebook or digits");
        expect(residual, {count, groups, aec::kGroup}, "residual");
        expect(sigma, {count, groups, aec::kGroup}, "sigma");
        expect(fine, {groups, aec::kGroup, k}, "fine");
        expect(coarse, {aec::kGroup, k}, "coarse");
        expect(log_weight, {groups, 2, k}, "log_weight");
        expect(variance, {2}, "variance");
        q = {static_cast<int>(groups), static_cast<int>(k), digits, fine.data(), coarse.data(),
             log_weight.data(),        variance.data(),     beta};
    }
};

py::tuple quantise(const Array<float>& residual, const Array<float>& sigma, const Array<float>& fine,
                   const Array<float>& coarse, const Array<float>& log_weight, const Array<float>& variance, int digits,
                   float beta, int threads) {
    const QuantiserArguments a(residual, sigma, fine, coarse, log_weight, variance, digits, beta);
    Array<uint8_t> code({a.count, static_cast<int64_t>(a.q.groups), static_cast<int64_t>(digits)});
    Array<float> value({a.count, static_cast<int64_t>(a.q.groups), static_cast<int64_t>(aec::kGroup)}),
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
                            int digits, float beta, const Array<uint8_t>& code, const Array<float>& grad_value,
                            const Array<float>& grad_bits, int threads) {
    const QuantiserArguments a(residual, sigma, fine, coarse, log_weight, variance, digits, beta);
    const int64_t groups = a.q.groups, k = a.q.codewords, four = aec::kGroup;
    expect(code, {a.count, groups, digits}, "code");
    expect(grad_value, {a.count, groups, four}, "grad_value");
    expect(grad_bits, {a.count, groups}, "grad_bits");
    for (int64_t i = 0; i < code.size(); ++i)
        if (code.data()[i] >= k) throw py::value_error("a code has no codeword");
    const std::vector<std::vector<int64_t>> shapes = {{a.count, groups, four}, {a.count, groups, four},
                                                      {a.count, groups, four}, {groups, four, k},
                                                      {groups, 2, k},          {2}};
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

// ------------------------------------------------------------------------------------------------------------- network

template <class T>
const T* tensor(const py::dict& tensors, const std::string& name, int64_t size) {
    if (!tensors.contains(name)) throw std::invalid_argument("the model has no tensor " + name);
    const py::object value = tensors[name.c_str()];
    if (!py::isinstance<Array<T>>(value))
        throw std::invalid_argument("the model's tensor " + name + " has the wrong type");
    const auto a = py::reinterpret_borrow<Array<T>>(value);
    if (a.size() != size) throw std::invalid_argument("the model's tensor " + name + " has the wrong size");
    return a.data();
}

aec::Network make_network(const py::dict& shape, const py::dict& tensors) {
    aec::NetworkShape s;
    s.channels = shape["channels"].cast<std::vector<int>>();
    s.hidden = shape["hidden"].cast<std::vector<int>>();
    s.analysis = shape["analysis"].cast<std::vector<int>>();
    for (const auto& item : shape["stages"]) {
        const auto stage = item.cast<py::dict>();
        auto field = [&](const char* name) { return stage[name].cast<int>(); };
        s.stages.push_back({field("level"), field("latents"), field("digits"), field("refine"), field("stream")});
    }
    if (shape.contains("previews"))
        for (const auto& item : shape["previews"]) {
            const auto preview = item.cast<py::dict>();
            s.previews.emplace_back(preview["scale"].cast<int>(), preview["stages"].cast<int>());
        }
    s.feature_bits = shape["feature_bits"].cast<int>();
    s.codewords = shape["codewords"].cast<int>();
    const aec::Tensors t{[&](const std::string& name, int64_t size) { return tensor<int16_t>(tensors, name, size); },
                         [&](const std::string& name, int64_t size) { return tensor<int32_t>(tensors, name, size); },
                         [&](const std::string& name, int64_t size) { return tensor<float>(tensors, name, size); }};
    return aec::Network(aec::Model(s, t));
}

void check_settings(const aec::Network& network, int64_t height, int64_t width, int quality, int tile_log2) {
    if (height < 1 || width < 1) throw py::value_error("the picture is empty");
    if (quality < 1 || quality > aec::kQualities) throw py::value_error("quality must be 1 to 100");
    if (tile_log2 < 6 || tile_log2 > 16) throw py::value_error("tile_log2 must be 6 to 16");
    if ((1 << tile_log2) % network.shape().multiple()) throw py::value_error("tiles are too small for the network");
}

py::tuple to_python(const aec::Encoded& e) {
    py::list streams;
    for (const auto& tiles : e.streams) {
        py::list row;
        for (const std::string& s : tiles) row.append(py::bytes(s));
        streams.append(row);
    }
    return py::make_tuple(streams, e.bits);
}

py::tuple encode(const aec::Network& network, const Array<uint8_t>& pixels, int quality, int tile_log2,
                 const std::vector<float>& betas, int paths, int threads,
                 const std::vector<Array<int16_t>>& corrections) {
    if (paths < 1 || paths > aec::kMaxPaths)
        throw py::value_error("paths must be 1 to " + std::to_string(aec::kMaxPaths));
    std::vector<aec::Search> search;
    for (const float beta : betas) search.push_back({beta, paths, false});
    if (pixels.ndim() != 3 || pixels.shape(2) != 3) throw py::value_error("pixels must be (H, W, 3)");
    check_settings(network, pixels.shape(0), pixels.shape(1), quality, tile_log2);
    std::vector<aec::Features> maps;
    for (const auto& c : corrections) {
        if (c.ndim() != 3) throw py::value_error("corrections must be (h, w, latents)");
        maps.emplace_back(c.shape(0), c.shape(1), c.shape(2));
        std::copy(c.data(), c.data() + c.size(), maps.back().data.begin());
    }
    aec::Encoded e;
    {
        py::gil_scoped_release release;
        e = network.encode(pixels.data(), pixels.shape(0), pixels.shape(1), quality, tile_log2, search, maps, threads);
    }
    return to_python(e);
}

py::tuple encode_codes(const aec::Network& network, const std::vector<Array<uint8_t>>& codes, int64_t height,
                       int64_t width, int quality, int tile_log2, int threads) {
    check_settings(network, height, width, quality, tile_log2);
    aec::Codes maps;
    for (const auto& c : codes) {
        if (c.ndim() != 4) throw py::value_error("codes must be (h, w, groups, digits)");
        maps.emplace_back(c.shape(0), c.shape(1), c.shape(2) * c.shape(3));
        std::copy(c.data(), c.data() + c.size(), maps.back().data.begin());
    }
    aec::Encoded e;
    {
        py::gil_scoped_release release;
        e = network.encode(maps, height, width, quality, tile_log2, threads);
    }
    return to_python(e);
}

struct View {  // what a decoder is asked for
    int scale;
    aec::Rectangle area;

    // region: (top, left, bottom, right) in pixels of the picture reduced by `scale`
    View(const aec::Network& network, int64_t height, int64_t width, int scale,
         const std::optional<std::array<int64_t, 4>>& region)
        : scale(scale) {
        network.head(scale);
        const int64_t h = (height + scale - 1) / scale, w = (width + scale - 1) / scale;
        area = {0, 0, h, w};
        if (!region) return;
        area = {(*region)[0], (*region)[1], (*region)[2], (*region)[3]};
        if (area.top < 0 || area.left < 0 || area.bottom > h || area.right > w || area.top >= area.bottom ||
            area.left >= area.right)
            throw py::value_error("the region is empty or reaches over the picture's edge");
    }
};

using Region = std::optional<std::array<int64_t, 4>>;

template <class Pixel>
py::array decode(const aec::Network& network, const aec::Streams& streams, int64_t height, int64_t width, int quality,
                 int tile_log2, int threads, int scale, const Region& region) {
    check_settings(network, height, width, quality, tile_log2);
    const View view(network, height, width, scale, region);
    Array<Pixel> pixels({view.area.height(), view.area.width(), int64_t{3}});
    Pixel* p = pixels.mutable_data();
    {
        py::gil_scoped_release release;
        network.decode(streams, height, width, quality, tile_log2, threads, view.scale, view.area, p, nullptr);
    }
    return pixels;
}

std::vector<Array<uint8_t>> decode_codes(const aec::Network& network, const aec::Streams& streams, int64_t height,
                                         int64_t width, int quality, int tile_log2, int threads) {
    check_settings(network, height, width, quality, tile_log2);
    std::vector<uint8_t> pixels(static_cast<size_t>(height) * width * 3);
    aec::Codes codes;
    {
        py::gil_scoped_release release;
        network.decode(streams, height, width, quality, tile_log2, threads, 1, {0, 0, height, width}, pixels.data(),
                       &codes);
    }
    std::vector<Array<uint8_t>> out;
    for (size_t i = 0; i < codes.size(); ++i) {
        const int64_t digits = network.shape().stages[i].digits;
        out.emplace_back(Shape<uint8_t>{codes[i].height, codes[i].width, codes[i].channels / digits, digits});
        std::copy(codes[i].data.begin(), codes[i].data.end(), out.back().mutable_data());
    }
    return out;
}

std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t>> tiles(const aec::Network& network, int64_t height,
                                                                  int64_t width, int tile_log2, int scale,
                                                                  const Region& region) {
    check_settings(network, height, width, 1, tile_log2);
    const View view(network, height, width, scale, region);
    std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t>> out;
    for (const aec::Rectangle& r : network.tiles(height, width, tile_log2, scale, view.area))
        out.emplace_back(r.top, r.left, r.bottom, r.right);
    return out;
}

// A class without instances, as a namespace of what csrc/model/constants.h defines.
void add_constants(py::module_& m) {
    py::dict c;
    c["__doc__"] = "The facts of the format, under the names of csrc/model/constants.h.";
    c["__module__"] = m.attr("__name__");
    c["QUALITIES"] = aec::kQualities;
    c["TILE_LOG2_MIN"] = aec::kTileLog2Min;
    c["TILE_LOG2_MAX"] = aec::kTileLog2Max;
    c["BLOCK"] = aec::kBlock;
    c["GROUP"] = aec::kGroup;
    c["OUT_BLOCK"] = aec::kOutBlock;
    c["MAX_DIGITS"] = aec::kMaxDigits;
    c["MAX_CODEWORDS"] = aec::kMaxCodewords;
    c["FILM_BITS"] = aec::kFilmBits;
    c["LOG_GAIN_BITS"] = aec::kLogGainBits;
    c["STEP_BITS"] = aec::kStepBits;
    c["INVERSE_VARIANCE_BITS"] = aec::kInverseVarianceBits;
    c["CODEWORD_BITS"] = aec::kCodewordBits;
    c["WEIGHT_BITS"] = aec::kWeightBits;
    c["CONV_INPUT_MAX"] = aec::kConvInputMax;
    c["ADDEND_MAX"] = aec::kAddendMax;
    c["LEAK_SHIFT"] = aec::kLeakShift;
    c["SIGMA_COUNT"] = aec::kSigmaCount;
    c["SIGMA_PER_OCTAVE"] = aec::kSigmaPerOctave;
    c["SIGMA_OCTAVE_MIN"] = aec::kSigmaOctaveMin;
    c["DEEP_BITS"] = aec::kDeepBits;
    c["DIGIT_BITS"] = aec::kDigitBits;
    c["POSSIBLE_BITS"] = aec::kPossibleBits;
    c["LANES"] = aec::kLanes;
    c["FREQUENCY_BITS"] = aec::kFrequencyBits;
    c["TEMPERATURE"] = aec::kTemperature;
    c["SMOOTH"] = aec::kSmooth;
    m.attr("constants") = py::type::of(py::type::of(c))("constants", py::tuple(), c);
}

}  // namespace

PYBIND11_MODULE(_core, m) {
    m.doc() = "The codec's inner loops in C++; see _core.pyi.";
    add_constants(m);
    py::register_exception<aec::CorruptStream>(m, "CorruptStream", PyExc_ValueError);
    using namespace py::literals;

    m.def("simd", [] { return std::string(aec::kernels().name); });
    m.def("available_simd", &aec::available_kernels);
    m.def("set_simd", &aec::choose_kernels, "name"_a);
    bind_search(m);
    bind_checksum(m);
    m.def("rans_encode", &rans_encode, py::arg("symbols").noconvert(), py::arg("table").noconvert(),
          py::arg("frequencies").noconvert(), "lanes"_a = aec::kLanes);
    m.def("rans_decode", &rans_decode, "data"_a, py::arg("table").noconvert(), py::arg("frequencies").noconvert(),
          "lanes"_a = aec::kLanes);
    m.def(
        "frequencies",
        [](const Array<int32_t>& exponents) {
            if (exponents.ndim() != 1 || exponents.size() < 8 || exponents.size() > aec::kMaxCodewords ||
                exponents.size() % 8)
                throw py::value_error("8, 16, ... 256 exponents");
            for (py::ssize_t i = 0; i < exponents.size(); ++i)
                if (exponents.data()[i] < 0) throw py::value_error("exponents must not be negative");
            Array<uint16_t> f(exponents.size());
            aec::kernels().frequencies(exponents.data(), static_cast<int>(exponents.size()), f.mutable_data());
            return f;
        },
        py::arg("exponents").noconvert());

    m.def("quantise", &quantise, py::arg("residual").noconvert(), py::arg("sigma").noconvert(),
          py::arg("fine").noconvert(), py::arg("coarse").noconvert(), py::arg("log_weight").noconvert(),
          py::arg("variance").noconvert(), "digits"_a, "beta"_a, "threads"_a = 0);
    m.def("quantise_gradient", &quantise_gradient, py::arg("residual").noconvert(), py::arg("sigma").noconvert(),
          py::arg("fine").noconvert(), py::arg("coarse").noconvert(), py::arg("log_weight").noconvert(),
          py::arg("variance").noconvert(), "digits"_a, "beta"_a, py::arg("code").noconvert(),
          py::arg("grad_value").noconvert(), py::arg("grad_bits").noconvert(), "threads"_a = 0);

    py::class_<aec::Network>(m, "Network", py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type)))
        .def(py::init(&make_network), "shape"_a, "tensors"_a)
        .def("encode", &encode, py::arg("pixels").noconvert(), "quality"_a, "tile_log2"_a, "betas"_a,
             "paths"_a = aec::kMaxPaths, "threads"_a = 0, "corrections"_a = std::vector<Array<int16_t>>())
        .def("encode_codes", &encode_codes, py::arg("codes").noconvert(), "height"_a, "width"_a, "quality"_a,
             "tile_log2"_a, "threads"_a = 0)
        .def("decode", &decode<uint8_t>, "streams"_a, "height"_a, "width"_a, "quality"_a, "tile_log2"_a,
             "threads"_a = 0, "scale"_a = 1, "region"_a = py::none())
        .def("decode_deep", &decode<uint16_t>, "streams"_a, "height"_a, "width"_a, "quality"_a, "tile_log2"_a,
             "threads"_a = 0, "scale"_a = 1, "region"_a = py::none())
        .def("decode_codes", &decode_codes, "streams"_a, "height"_a, "width"_a, "quality"_a, "tile_log2"_a,
             "threads"_a = 0)
        .def("tiles", &tiles, "height"_a, "width"_a, "tile_log2"_a, "scale"_a = 1, "region"_a = py::none());
}
