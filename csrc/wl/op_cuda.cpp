// Rooted subtrees on CUDA: checks and memory; cuda.cu computes. The neighbour lists are checked by the Python
// face: looking at them here would make every call wait for the device.
#include <torch/csrc/stable/library.h>

#include "cuda/stream.h"
#include "wl/call.h"
#include "wl/cuda.h"

namespace skelbench::wl {
namespace {

Tensor subtrees(Tensor labels, Tensor indptr, Tensor indices, int64_t iterations, int64_t bits) {
    const int32_t device = labels.get_device_index();
    for (const Tensor* other : {&indptr, &indices}) {
        STD_TORCH_CHECK(other->is_cuda() && other->get_device_index() == device,
                        "labels, indptr and indices must be on one device");
    }
    const cudaStream_t stream = current_stream(device);
    const Call call(labels, indptr, indices, iterations, bits);
    check_launch(subtrees_cuda(call.problem, stream), "wl_subtrees");
    return call.tokens;
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CUDA, m) {
    m.impl("wl_subtrees", TORCH_BOX(&subtrees));
}

}  // namespace
}  // namespace skelbench::wl
