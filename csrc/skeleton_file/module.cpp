// Python face of the .skeleton parser: read(path) and parse(bytes), both without the GIL.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "skeleton_file/parser.h"

namespace py = pybind11;

namespace {

using skeleton_file::Parser;
using skeleton_file::Recording;

// A numpy array that owns the vector's memory.
template <class T>
py::array hand_over(std::vector<T>&& values, std::vector<py::ssize_t> shape) {
    auto owner = std::make_unique<std::vector<T>>(std::move(values));
    T* data = owner->data();
    py::capsule keeper(owner.release(), [](void* kept) { delete static_cast<std::vector<T>*>(kept); });
    return py::array_t<T>(std::move(shape), data, keeper);
}

py::tuple to_python(Recording&& recording) {
    const auto frames = static_cast<py::ssize_t>(recording.bodies.size());
    const auto bodies = static_cast<py::ssize_t>(recording.ids.size());
    return py::make_tuple(hand_over(std::move(recording.bodies), {frames}),
                          hand_over(std::move(recording.ids), {bodies}),
                          hand_over(std::move(recording.body_fields), {bodies, skeleton_file::kBodyFields}),
                          hand_over(std::move(recording.joints),
                                    {bodies, skeleton_file::kJoints, skeleton_file::kJointFields}));
}

[[noreturn]] void raise_os_error(const std::string& path, int code) {
    errno = code;
    PyErr_SetFromErrnoWithFilename(PyExc_OSError, path.c_str());
    throw py::error_already_set();
}

// Reads a whole file into `buffer`, which only grows, and sets `length`; returns 0 or an errno.
int slurp(const std::string& path, std::vector<char>& buffer, std::size_t& length) {
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (!file) return errno;
    std::setvbuf(file, nullptr, _IONBF, 0);
    length = 0;
    for (std::size_t got = 1; got != 0; length += got) {
        if (buffer.size() < length + (1 << 16)) buffer.resize(2 * length + (1 << 20));
        got = std::fread(buffer.data() + length, 1, buffer.size() - length, file);
    }
    const int error = std::ferror(file) ? (errno ? errno : EIO) : 0;
    std::fclose(file);
    return error;
}

py::tuple read_file(const std::string& path) {
    Recording recording;
    int error = 0;
    {
        py::gil_scoped_release release;
        thread_local std::vector<char> buffer;  // kept: files differ little in size
        std::size_t length = 0;
        errno = 0;
        error = slurp(path, buffer, length);
        if (!error) recording = Parser({buffer.data(), length}).parse();
    }
    if (error) raise_os_error(path, error);
    return to_python(std::move(recording));
}

py::tuple parse_bytes(const py::bytes& content) {
    const std::string_view bytes(content);
    Recording recording;
    {
        py::gil_scoped_release release;
        recording = Parser(bytes).parse();
    }
    return to_python(std::move(recording));
}

}  // namespace

PYBIND11_MODULE(_skeleton_file, module) {
    module.doc() = "NTU .skeleton files to arrays; see skelbench.data.read_skeleton.";
    // A ValueError whose text is "line N: what was expected"; the Python side adds the path.
    py::register_exception<skeleton_file::ParseError>(module, "ParseError", PyExc_ValueError);
    const char* returns =
        "Returns (bodies int32 (F,), ids uint64 (B,), body_fields float32 (B, 9), joints float32 (B, 25, "
        "12)).";
    module.def("read", &read_file, py::arg("path"), returns);
    module.def("parse", &parse_bytes, py::arg("content"), returns);
}
