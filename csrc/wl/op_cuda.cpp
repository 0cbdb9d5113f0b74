// The WL op on CUDA: checks and memory; cuda.cu computes. Nothing here waits for the device.
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>

#include "cuda/stream.h"
#include "wl/checks.h"
#include "wl/cuda.h"

namespace skelbench::wl {
namespace {

Tensor subtrees(Tensor labels, Tensor indptr, Tensor indices, int64_t iterations, int64_t bits) {
    const int32_t device = labels.get_device_index();
    const torch::stable::accelerator::DeviceGuard guard(device);
    const Call call(labels, indptr, indices, iterations, bits);
    STD_TORCH_CHECK(indptr.is_cuda() && indices.is_cuda() && indptr.get_device_index() == device &&
                        indices.get_device_index() == device,
                    "labels, indptr and indices must be on one device");
    check_launch(subtrees_cuda(call.problem, current_stream(device)), "wl_subtrees");
    return call.tokens;
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CUDA, m) {
    m.impl("wl_subtrees", TORCH_BOX(&subtrees));
}

}  // namespace
}  // namespace skelbench::wl
