// The Python module aecodec._core. Checks every shape, releases the GIL, copies nothing that is already in place.
#include "entropy/rans.h"
#include "kernels/kernels.h"
#include "model/constants.h"
#include "python/arrays.h"

namespace aec::python {
namespace {

// A class without instances, as a namespace of what csrc/model/constants.h defines.
void add_constants(py::module_& m) {
    py::dict c;
    c["__doc__"] = "The facts of the format, under the names of csrc/model/constants.h.";
    c["__module__"] = m.attr("__name__");
    c["QUALITIES"] = kQualities;
    c["TILE_LOG2_MIN"] = kTileLog2Min;
    c["TILE_LOG2_MAX"] = kTileLog2Max;
    c["MAX_STREAMS"] = kMaxStreams;
    c["BLOCK"] = kBlock;
    c["GROUP"] = kGroup;
    c["OUT_BLOCK"] = kOutBlock;
    c["MAX_RVQ_LEVELS"] = kMaxRvqLevels;
    c["MAX_CODEWORDS"] = kMaxCodewords;
    c["FILM_BITS"] = kFilmBits;
    c["LOG_GAIN_BITS"] = kLogGainBits;
    c["STEP_BITS"] = kStepBits;
    c["INVERSE_VARIANCE_BITS"] = kInverseVarianceBits;
    c["CODEWORD_BITS"] = kCodewordBits;
    c["WEIGHT_BITS"] = kWeightBits;
    c["CONV_INPUT_MAX"] = kConvInputMax;
    c["SPATIAL_INPUT_MAX"] = kSpatialInputMax;
    c["ADDEND_MAX"] = kAddendMax;
    c["LEAK_SHIFT"] = kLeakShift;
    c["SIGMA_COUNT"] = kSigmaCount;
    c["SIGMA_PER_OCTAVE"] = kSigmaPerOctave;
    c["SIGMA_OCTAVE_MIN"] = kSigmaOctaveMin;
    c["SIXTEEN_BIT_FRACTION"] = kSixteenBitFraction;
    c["RVQ_LEVEL_BITS"] = kRvqLevelBits;
    c["POSSIBLE_BITS"] = kPossibleBits;
    c["FREQUENCY_BITS"] = kFrequencyBits;
    c["TEMPERATURE"] = kTemperature;
    c["SMOOTH"] = kSmooth;
    m.attr("constants") = py::type::of(py::type::of(c))("constants", py::tuple(), c);
}

}  // namespace
}  // namespace aec::python

PYBIND11_MODULE(_core, m) {
    using namespace aec::python;
    m.doc() = "The codec's inner loops in C++. aecodec/_core.pyi describes them at length.";
    py::register_exception<aec::CorruptStream>(m, "CorruptStream", PyExc_ValueError);
    add_constants(m);
    m.def(
        "simd", [] { return std::string(aec::kernels().name); }, "The instruction set in use.");
    m.def("available_simd", &aec::available_kernels, "The instruction sets that this machine can use, best first.");
    m.def("set_simd", &aec::choose_kernels, py::arg("name"), "Chooses an instruction set.");
    add_checksum(m);
    add_search(m);
    add_segment(m);
    add_entropy(m);
    add_quantiser(m);
    add_network(m);
}
