// What all bindings share: arrays, and the functions that add a part of the module each.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

namespace aec::python {

namespace py = pybind11;

// Inputs must already be C-contiguous and of this type: a silent copy would hide a mistake.
template <class T>
using Array = py::array_t<T, py::array::c_style>;
using Shape = std::vector<py::ssize_t>;

inline std::string text(const Shape& shape) {
    std::string s;
    for (const py::ssize_t n : shape) s += (s.empty() ? "" : ", ") + std::to_string(n);
    return "(" + s + ")";
}

template <class T>
void expect(const Array<T>& a, const Shape& shape, const char* name) {
    const Shape is(a.shape(), a.shape() + a.ndim());
    if (is != shape) throw py::value_error(std::string(name) + " has the shape " + text(is) + ", not " + text(shape));
}

inline py::arg exact(const char* name) { return py::arg(name).noconvert(); }  // an array of this very type

void add_checksum(py::module_& m);
void add_search(py::module_& m);
void add_segment(py::module_& m);
void add_entropy(py::module_& m);
void add_quantiser(py::module_& m);
void add_network(py::module_& m);

}  // namespace aec::python
