// The Python module of the .skeleton parser: read(path), parse(bytes) and positions(path), all without the
// GIL.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "skeleton_file/parser.h"

namespace py = pybind11;

namespace {

using skeleton_file::best_isa;
using skeleton_file::Isa;
using skeleton_file::name_of;
using skeleton_file::Parser;
using skeleton_file::Recording;

// A numpy array that owns the vector's memory.
template <class Vector>
py::array hand_over(Vector&& values, std::vector<py::ssize_t> shape) {
    auto owner = std::make_unique<Vector>(std::move(values));
    auto* data = owner->data();
    py::capsule keeper(owner.release(), [](void* kept) { delete static_cast<Vector*>(kept); });
    return py::array_t<typename Vector::value_type>(std::move(shape), data, keeper);
}

py::tuple to_python(Recording&& recording, int fields) {
    const auto frames = static_cast<py::ssize_t>(recording.bodies.size());
    const auto bodies = static_cast<py::ssize_t>(recording.ids.size());
    return py::make_tuple(hand_over(std::move(recording.bodies), {frames}),
                          hand_over(std::move(recording.ids), {bodies}),
                          hand_over(std::move(recording.body_fields), {bodies, skeleton_file::kBodyFields}),
                          hand_over(std::move(recording.joints), {bodies, skeleton_file::kJoints, fields}));
}

// The sum over x, y, z of the variance of points (..., 3). Each sum is in float, one point after the other,
// so the result has the bits of numpy's var over the points.
float spread(const py::array_t<float, py::array::c_style>& points) {
    const float* const first = points.data();
    const float* const end = first + points.size();
    const auto count = static_cast<float>(points.size() / 3);
    float mean[3] = {}, squares[3] = {};
    for (const float* point = first; point != end; point += 3) {
        for (int axis = 0; axis < 3; ++axis) mean[axis] += point[axis];
    }
    for (float& value : mean) value /= count;
    for (const float* point = first; point != end; point += 3) {
        for (int axis = 0; axis < 3; ++axis) {
            const float apart = point[axis] - mean[axis];
            squares[axis] += apart * apart;
        }
    }
    return squares[0] / count + squares[1] / count + squares[2] / count;
}

py::array_t<float, py::array::c_style> checked_points(const py::array& points) {
    auto floats = py::array_t<float, py::array::c_style>::ensure(points);
    if (!floats || floats.ndim() < 1 || floats.shape(floats.ndim() - 1) != 3) {
        throw py::value_error("points must be numbers of shape (..., 3)");
    }
    return floats;
}

// The instruction set in use: the best of the processor, or a lower one that SKELBENCH_ISA names.
std::atomic<Isa>& active_isa() {
    static std::atomic<Isa> isa{[] {
        const char* named = std::getenv("SKELBENCH_ISA");
        for (const Isa isa : {Isa::scalar, Isa::avx2}) {
            if (named && std::strcmp(named, name_of(isa)) == 0) return std::min(isa, best_isa());
        }
        return best_isa();
    }()};
    return isa;
}

std::vector<std::string> isa_levels() {
    std::vector<std::string> names;
    for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512}) {
        if (isa <= best_isa()) names.emplace_back(name_of(isa));
    }
    return names;
}

std::string isa_use(const std::string& name) {
    for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512}) {
        if (isa <= best_isa() && name == name_of(isa)) return name_of(active_isa().exchange(isa));
    }
    throw py::value_error("ISA level '" + name + "' is not one of this machine's");
}

[[noreturn]] void raise_os_error(const std::string& path, int code) {
    errno = code;
    PyErr_SetFromErrnoWithFilename(PyExc_OSError, path.c_str());
    throw py::error_already_set();
}

// Reads a whole file into `buffer`, which only grows, and sets `length`. Returns 0 or an errno.
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

py::tuple read_fields(const std::string& path, int fields) {
    Recording recording;
    int error = 0;
    {
        py::gil_scoped_release release;
        // Kept between calls, because files differ little in size.
        thread_local std::vector<char> buffer;
        std::size_t length = 0;
        errno = 0;
        error = slurp(path, buffer, length);
        if (!error) recording = Parser({buffer.data(), length}, fields, active_isa()).parse();
    }
    if (error) raise_os_error(path, error);
    return to_python(std::move(recording), fields);
}

py::tuple read_file(const std::string& path) {
    return read_fields(path, skeleton_file::kJointFields);
}

py::tuple read_positions(const std::string& path) {
    return read_fields(path, skeleton_file::kPosition);
}

py::tuple parse_bytes(const py::bytes& content) {
    const std::string_view bytes(content);
    Recording recording;
    {
        py::gil_scoped_release release;
        recording = Parser(bytes, skeleton_file::kJointFields, active_isa()).parse();
    }
    return to_python(std::move(recording), skeleton_file::kJointFields);
}

}  // namespace

PYBIND11_MODULE(_skeleton_file, module) {
    module.doc() = "NTU .skeleton files to arrays; see skelbench.data.read_skeleton.";
    // A ValueError with the text "line N: what was expected". The Python side adds the path.
    py::register_exception<skeleton_file::ParseError>(module, "ParseError", PyExc_ValueError);
    const char* returns =
        "Returns (bodies int32 (F,), ids uint64 (B,), body_fields float32 (B, 9), joints float32 (B, 25, "
        "12)).";
    module.def("read", &read_file, py::arg("path"), returns);
    module.def("positions", &read_positions, py::arg("path"),
               "As read, but joints are float32 (B, 25, 3). The other fields are read and checked.");
    module.def("parse", &parse_bytes, py::arg("content"), returns);
    module.def(
        "spread", [](const py::array& points) { return spread(checked_points(points)); }, py::arg("points"),
        "The sum over x, y, z of the variance of float32 points (..., 3), to the last bit that of numpy's "
        "var.");
    module.def("isa_levels", &isa_levels, "The instruction sets that this machine can parse with.");
    module.def("isa_use", &isa_use, py::arg("name"), "Chooses one, and returns the one that was in force.");
}
