// Torch's current stream, and CUDA errors as exceptions, for the host side of every CUDA op.
#pragma once
#include <cuda_runtime.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/headeronly/util/Exception.h>

// Only a CUDA build of torch exports this function. It is weak, so the library also loads with a CPU build.
extern "C" AOTITorchError aoti_torch_get_current_cuda_stream(int32_t device_index, void** ret_stream)
    __attribute__((weak));

namespace skelbench {

// Sets the device of the static CUDA runtime, and returns torch's current stream on it.
inline cudaStream_t current_stream(int32_t device) {
    STD_TORCH_CHECK(aoti_torch_get_current_cuda_stream, "this torch has no CUDA");
    void* stream = nullptr;
    STD_TORCH_CHECK(aoti_torch_get_current_cuda_stream(device, &stream) == 0, "no CUDA stream on device ",
                    device);
    STD_TORCH_CHECK(cudaSetDevice(device) == cudaSuccess, "cannot use CUDA device ", device);
    return static_cast<cudaStream_t>(stream);
}

inline void check_launch(int error, const char* op) {
    STD_TORCH_CHECK(error == 0, op, ": ", cudaGetErrorString(static_cast<cudaError_t>(error)));
}

}  // namespace skelbench
