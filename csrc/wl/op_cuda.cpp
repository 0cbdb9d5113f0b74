// Weisfeiler-Lehman subtrees on CUDA: checks and memory. cuda.cu computes. The Python side checks the
// neighbour lists: a check here would make every call wait for the device.
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>

#include "cuda/stream.h"
#include "wl/call.h"
#include "wl/cuda.h"

namespace skelbench::wl {
namespace {

Tensor subtrees(Tensor labels, Tensor indptr, Tensor indices, int64_t iterations, int64_t bits) {
    check_one_device("wl_subtrees", labels, {&indptr, &indices});
    const torch::stable::accelerator::DeviceGuard guard(labels.get_device_index());
    const cudaStream_t stream = current_stream(labels.get_device_index());
    const Call call(labels, indptr, indices, iterations, bits);
    check_launch(subtrees_cuda(call.problem, stream), "wl_subtrees");
    return call.tokens;
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CUDA, m) {
    m.impl("wl_subtrees", TORCH_BOX(&subtrees));
}

}  // namespace
}  // namespace skelbench::wl
