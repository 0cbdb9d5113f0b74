// Torch's current stream, and CUDA errors as exceptions, for the host side of every CUDA op.
#pragma once
#include <cuda_runtime.h>
#include <dlfcn.h>
#include <torch/headeronly/util/Exception.h>

#include <cstdint>

namespace skelbench {

// aoti_torch_get_current_cuda_stream of torch's C shim, which writes the stream and returns 0; null in a CPU
// build of torch. It is looked up in the library that torch has loaded: linking to that library would bind
// this one to a CUDA build, and torch does not load it for everyone to see.
using StreamOf = int32_t (*)(int32_t device, void** stream);
inline StreamOf stream_function() {
    static const StreamOf found = [] {
        void* library = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
        return library ? reinterpret_cast<StreamOf>(dlsym(library, "aoti_torch_get_current_cuda_stream"))
                       : nullptr;
    }();
    return found;
}

// Sets the device of the static CUDA runtime, and returns torch's current stream on it. The caller holds
// torch's DeviceGuard of the same device, which sets the thread's device back.
inline cudaStream_t current_stream(int32_t device) {
    const StreamOf stream_of = stream_function();
    STD_TORCH_CHECK(stream_of, "this torch has no CUDA");
    void* stream = nullptr;
    STD_TORCH_CHECK(stream_of(device, &stream) == 0, "no CUDA stream on device ", device);
    STD_TORCH_CHECK(cudaSetDevice(device) == cudaSuccess, "cannot use CUDA device ", device);
    return static_cast<cudaStream_t>(stream);
}

inline void check_launch(int error, const char* op) {
    if (error == cudaSuccess) return;
    // An error stays the last one until it is read, and would be taken for that of the next launch.
    cudaGetLastError();
    STD_TORCH_CHECK(false, op, ": ", cudaGetErrorString(static_cast<cudaError_t>(error)));
}

}  // namespace skelbench
