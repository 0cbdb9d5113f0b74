// PV-DBOW on CUDA: checks and memory. cuda.cu computes. The Python side checks the documents and their words.
// An epoch of training waits once, for the words of the longest document.
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>

#include "cuda/stream.h"
#include "pv_dbow/call.h"
#include "pv_dbow/cuda.h"

namespace skelbench::pv_dbow {
namespace {

// Memory for what down-sampling leaves.
struct Room {
    Tensor words, count;
    Kept kept;

    explicit Room(const Call& call)
        : words(torch::stable::new_empty(call.words, {call.words.size(0)})),
          count(torch::stable::new_empty(call.indptr, {call.problem.documents})),
          kept{words.mutable_data_ptr<int32_t>(), count.mutable_data_ptr<int64_t>()} {}
};

void pv_dbow_train_(Tensor vectors, Tensor table, Tensor words, Tensor indptr, Tensor cumulative, Tensor keep,
                    double rate, double next_rate, int64_t negative, int64_t epoch, int64_t seed,
                    int64_t block) {
    check_one_device("pv_dbow_train_", vectors, {&table, &words, &indptr, &cumulative, &keep});
    const torch::stable::accelerator::DeviceGuard guard(vectors.get_device_index());
    const cudaStream_t stream = current_stream(vectors.get_device_index());
    Call call(vectors, table, words, indptr, cumulative, keep, negative, epoch, seed);
    STD_TORCH_CHECK(block >= 1, "block must be at least 1, not ", block);
    Problem& p = call.problem;
    if (p.documents == 0) return;
    p.vectors = vectors.mutable_data_ptr<float>();
    p.table = table.mutable_data_ptr<float>();
    p.rate = rate;
    p.next_rate = next_rate;
    p.block = block < p.documents ? block : p.documents;
    const Room room(call);
    Tensor found = torch::stable::new_empty(call.indptr, {1});
    int64_t longest = 0;
    check_launch(thin_cuda(p, room.kept, found.mutable_data_ptr<int64_t>(), &longest, stream),
                 "pv_dbow_train_");
    Tensor samples = torch::stable::new_empty(call.words, {longest * negative}),
           before = torch::stable::new_empty(vectors, {p.block, kSteps, p.dimensions}),
           slope = torch::stable::new_empty(vectors, {p.block, kSteps, kRows});
    const Scratch scratch{samples.mutable_data_ptr<int32_t>(), before.mutable_data_ptr<float>(),
                          slope.mutable_data_ptr<float>()};
    check_launch(train_cuda(p, room.kept, longest, scratch, stream), "pv_dbow_train_");
}

void pv_dbow_infer_(Tensor vectors, Tensor table, Tensor words, Tensor indptr, Tensor cumulative, Tensor keep,
                    double rate, int64_t negative, int64_t epoch, int64_t seed) {
    check_one_device("pv_dbow_infer_", vectors, {&table, &words, &indptr, &cumulative, &keep});
    const torch::stable::accelerator::DeviceGuard guard(vectors.get_device_index());
    const cudaStream_t stream = current_stream(vectors.get_device_index());
    Call call(vectors, table, words, indptr, cumulative, keep, negative, epoch, seed);
    Problem& p = call.problem;
    if (p.documents == 0) return;
    p.vectors = vectors.mutable_data_ptr<float>();
    // `infer` only reads it.
    p.table = const_cast<float*>(table.const_data_ptr<float>());
    p.rate = rate;
    const Room room(call);
    check_launch(infer_cuda(p, room.kept, stream), "pv_dbow_infer_");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CUDA, m) {
    m.impl("pv_dbow_train_", TORCH_BOX(&pv_dbow_train_));
    m.impl("pv_dbow_infer_", TORCH_BOX(&pv_dbow_infer_));
}

}  // namespace
}  // namespace skelbench::pv_dbow
