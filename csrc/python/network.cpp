// The codec's network, for Python.
#include "runtime/network.h"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

#include "python/arrays.h"
#include "runtime/denoiser.h"

namespace aec::python {
namespace {

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

Tensors tensors_of(const py::dict& tensors) {
    return {[tensors](const std::string& name, int64_t size) { return tensor<int16_t>(tensors, name, size); },
            [tensors](const std::string& name, int64_t size) { return tensor<int32_t>(tensors, name, size); },
            [tensors](const std::string& name, int64_t size) { return tensor<float>(tensors, name, size); }};
}

std::unique_ptr<Network> make_network(const py::dict& shape, const py::dict& tensors) {
    NetworkShape s;
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
    return std::make_unique<Network>(Model(s, tensors_of(tensors)));
}

std::unique_ptr<Denoiser> make_denoiser(const py::dict& shape, const py::dict& tensors) {
    auto field = [&](const char* name) { return shape[name].cast<int>(); };
    return std::make_unique<Denoiser>(
        DenoiserModel(field("channels"), field("hidden"), field("blocks"), tensors_of(tensors)));
}

Array<uint8_t> denoise(const Denoiser& denoiser, const Array<uint8_t>& pixels, int level, int threads) {
    if (pixels.ndim() != 3 || pixels.shape(2) != 3) throw py::value_error("pixels must be (height, width, 3)");
    Array<uint8_t> clean({pixels.shape(0), pixels.shape(1), py::ssize_t{3}});
    uint8_t* p = clean.mutable_data();
    {
        py::gil_scoped_release release;
        denoiser.run(pixels.data(), pixels.shape(0), pixels.shape(1), level, threads, p);
    }
    return clean;
}

constexpr const char* kCorrections = "corrections must be (h, w, latents)";

py::tuple to_python(const Encoded& e) {
    py::list streams;
    for (const auto& tiles : e.streams) {
        py::list row;
        for (const std::string& s : tiles) row.append(py::bytes(s));
        streams.append(row);
    }
    return py::make_tuple(streams, e.bits);
}

// Copies an array whose last axes make up a map's channels.
template <class T>
Map<T> to_map(const Array<T>& a, py::ssize_t axes, const char* what) {
    if (a.ndim() != axes) throw py::value_error(std::string(what) + ", not of " + std::to_string(a.ndim()) + " axes");
    const int64_t positions = a.shape(0) * a.shape(1);
    Map<T> map(a.shape(0), a.shape(1), positions ? a.size() / positions : 0);
    std::copy(a.data(), a.data() + a.size(), map.data.begin());
    return map;
}

std::vector<Search> to_search(const std::vector<float>& betas, int paths) {
    if (paths < 1 || paths > kMaxPaths)
        throw py::value_error("paths must be 1 to " + std::to_string(kMaxPaths) + ", not " + std::to_string(paths));
    std::vector<Search> search;
    for (const float beta : betas) search.push_back({beta, paths, false});
    return search;
}

std::vector<Features> to_features(const std::vector<Array<int16_t>>& arrays, const char* what) {
    std::vector<Features> maps;
    for (const auto& a : arrays) maps.push_back(to_map(a, 3, what));
    return maps;
}

py::tuple encode(const Network& network, const Array<uint8_t>& pixels, const Frame& frame,
                 const std::vector<float>& betas, int paths, int threads,
                 const std::vector<Array<int16_t>>& corrections) {
    const auto search = to_search(betas, paths);
    expect(pixels, {frame.height, frame.width, 3}, "pixels");
    const auto more = to_features(corrections, kCorrections);
    Encoded e;
    {
        py::gil_scoped_release release;
        e = network.encode(pixels.data(), frame, search, more, threads);
    }
    return to_python(e);
}

py::tuple encode_features(const Network& network, const std::vector<Array<int16_t>>& features, const Frame& frame,
                          const std::vector<float>& betas, int paths, int threads,
                          const std::vector<Array<int16_t>>& corrections) {
    const auto search = to_search(betas, paths);
    const auto picture = to_features(features, "features must be (h, w, channels)"),
               more = to_features(corrections, kCorrections);
    Encoded e;
    {
        py::gil_scoped_release release;
        e = network.encode(picture, frame, search, more, threads);
    }
    return to_python(e);
}

py::tuple encode_codes(const Network& network, const std::vector<Array<uint8_t>>& codes, const Frame& frame,
                       int threads) {
    Codes maps;
    for (const auto& c : codes) maps.push_back(to_map(c, 4, "codes must be (h, w, groups, rvq_levels)"));
    Encoded e;
    {
        py::gil_scoped_release release;
        e = network.encode(maps, frame, threads);
    }
    return to_python(e);
}

py::tuple draw(const Network& network, const Frame& frame, uint64_t seed, int sharpness,
               const std::vector<Array<uint8_t>>& codes, int threads) {
    Codes maps;
    for (const auto& c : codes) maps.push_back(to_map(c, 4, "codes must be (h, w, groups, rvq_levels)"));
    Encoded e;
    {
        py::gil_scoped_release release;
        e = network.draw(maps, frame, seed, sharpness, threads);
    }
    return to_python(e);
}

using Region = std::optional<std::array<int64_t, 4>>;  // top, left, bottom, right

View to_view(const Network& network, const Frame& frame, int scale, const Region& region) {
    std::optional<Rectangle> area;
    if (region) area = Rectangle{(*region)[0], (*region)[1], (*region)[2], (*region)[3]};
    return network.view(frame, scale, area);
}

template <class Pixel>
Array<Pixel> decode(const Network& network, const Streams& streams, const Frame& frame, int scale, const Region& region,
                    int threads, const std::optional<Array<int32_t>>& guesses) {
    const View view = to_view(network, frame, scale, region);
    const Values values = guesses ? to_map(*guesses, 3, "guesses must be (h, w, latents)") : Values();
    Array<Pixel> pixels({view.area.height(), view.area.width(), int64_t{3}});
    Pixel* p = pixels.mutable_data();
    {
        py::gil_scoped_release release;
        network.decode(streams, frame, view, values, threads, p);
    }
    return pixels;
}

std::vector<Array<uint8_t>> decode_codes(const Network& network, const Streams& streams, const Frame& frame,
                                         int threads, const std::optional<int>& stages) {
    Codes codes;
    {
        py::gil_scoped_release release;
        codes = network.decode_codes(streams, frame, stages.value_or(static_cast<int>(network.shape().stages.size())),
                                     threads);
    }
    std::vector<Array<uint8_t>> out;
    for (size_t i = 0; i < codes.size(); ++i) {
        const StageShape& shape = network.shape().stages[i];
        out.emplace_back(Shape{codes[i].height, codes[i].width, shape.groups(), shape.rvq_levels});
        std::copy(codes[i].data.begin(), codes[i].data.end(), out.back().mutable_data());
    }
    return out;
}

std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t>> tiles(const Network& network, const Frame& frame, int scale,
                                                                  const Region& region) {
    std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t>> out;
    for (const Rectangle& r : network.tiles(frame, to_view(network, frame, scale, region)))
        out.emplace_back(r.top, r.left, r.bottom, r.right);
    return out;
}

Frame make_frame(int64_t height, int64_t width, int quality, int tile_log2,
                 const std::optional<Array<uint8_t>>& qualities) {
    Map<uint8_t> map;
    if (qualities) {
        if (qualities->size() == 0) throw py::value_error("qualities have no cells");
        map = to_map(*qualities, 2, "qualities must be (rows, columns)");
    }
    return {height, width, quality, tile_log2, std::move(map)};
}

std::string repr(const Frame& f) {
    return "Frame(height=" + std::to_string(f.height) + ", width=" + std::to_string(f.width) +
           ", quality=" + std::to_string(f.quality) + ", tile_log2=" + std::to_string(f.tile_log2) + ")";
}

}  // namespace

void add_network(py::module_& m) {
    using namespace py::literals;
    const py::metaclass plain(reinterpret_cast<PyObject*>(&PyType_Type));

    py::class_<Frame>(m, "Frame", plain, "The picture of a file, as far as coding it depends on it.")
        .def(py::init(&make_frame), "height"_a, "width"_a, "quality"_a, "tile_log2"_a, exact("qualities") = py::none())
        .def_readonly("height", &Frame::height)
        .def_readonly("width", &Frame::width)
        .def_readonly("quality", &Frame::quality)
        .def_readonly("tile_log2", &Frame::tile_log2)
        .def("__repr__", &repr);

    py::class_<Network>(m, "Network", plain, "The fixed-point network of a model file.")
        .def(py::init(&make_network), "shape"_a, "tensors"_a)
        .def("encode", &encode, exact("pixels"), "frame"_a, "betas"_a, "paths"_a = kMaxPaths, "threads"_a = 0,
             "corrections"_a = std::vector<Array<int16_t>>(), "Streams [stream][tile], and the bits of every stage.")
        .def("encode_features", &encode_features, "features"_a, "frame"_a, "betas"_a, "paths"_a = kMaxPaths,
             "threads"_a = 0, "corrections"_a = std::vector<Array<int16_t>>(),
             "The same of a picture's features, (h, w, channels) of every level, the finest first.")
        .def("encode_codes", &encode_codes, exact("codes"), "frame"_a, "threads"_a = 0,
             "The same from codes that are chosen already.")
        .def("draw", &draw, "frame"_a, "seed"_a, "sharpness"_a, "codes"_a = std::vector<Array<uint8_t>>(),
             "threads"_a = 0, "The same from the first stages' codes; the others' are drawn from the prior.")
        .def("decode", &decode<uint8_t>, "streams"_a, "frame"_a, "scale"_a = 1, "region"_a = py::none(),
             "threads"_a = 0, exact("guesses") = py::none(), "Pixels (h, w, 3), the same bits on every machine.")
        .def("decode_sixteen_bit", &decode<uint16_t>, "streams"_a, "frame"_a, "scale"_a = 1, "region"_a = py::none(),
             "threads"_a = 0, exact("guesses") = py::none(), "The same with 16 bits a colour.")
        .def("decode_codes", &decode_codes, "streams"_a, "frame"_a, "threads"_a = 0, "stages"_a = py::none(),
             "The codes of the first stages, or of all, (h, w, groups, rvq_levels) each.")
        .def("missing", &Network::missing, "streams"_a, "frame"_a,
             "[stage][tile], whether the tile cannot be decoded in the stage and is filled in.")
        .def("tiles", &tiles, "frame"_a, "scale"_a = 1, "region"_a = py::none(),
             "The tiles of every stream that decode needs, as (top, left, bottom, right) in tiles.");

    py::class_<Denoiser>(m, "Denoiser", plain, "The fixed-point network that takes noise out of pictures.")
        .def(py::init(&make_denoiser), "shape"_a, "tensors"_a)
        .def("run", &denoise, exact("pixels"), "level"_a, "threads"_a = 0,
             "Pixels (h, w, 3) without noise of this level, 1 to 100.");
}

}  // namespace aec::python
