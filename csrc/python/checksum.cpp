// The checksum of a file's chunks, for Python.
#include "base/crc32c.h"

#include "python/arrays.h"

namespace aec::python {
namespace {

constexpr Py_ssize_t kLarge = 1 << 14;  // bytes from which other threads may run meanwhile

// A view of a contiguous buffer, whose owner cannot change its size while the view lives.
class BufferView {
public:
    explicit BufferView(const py::buffer& source) {
        if (PyObject_GetBuffer(source.ptr(), &view_, PyBUF_SIMPLE) != 0) throw py::error_already_set();
    }
    ~BufferView() { PyBuffer_Release(&view_); }
    BufferView(const BufferView&) = delete;
    BufferView& operator=(const BufferView&) = delete;

    const uint8_t* data() const { return static_cast<const uint8_t*>(view_.buf); }
    Py_ssize_t size() const { return view_.len; }

private:
    Py_buffer view_{};
};

uint32_t crc32c(const py::buffer& data, uint32_t value) {
    const BufferView view(data);
    if (view.size() < kLarge) return aec::crc32c(view.data(), view.size(), value);
    py::gil_scoped_release release;
    return aec::crc32c(view.data(), view.size(), value);
}

}  // namespace

void add_checksum(py::module_& m) {
    m.def("crc32c", &crc32c, py::arg("data"), py::arg("value") = 0,
          "CRC-32C of a contiguous buffer's bytes. value: the checksum of the bytes before them.");
}

}  // namespace aec::python
