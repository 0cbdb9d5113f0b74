// Sums of embeddings on CUDA: checks and memory. cuda.cu computes. The Python side checks the rows.
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>

#include <tuple>

#include "bag/call.h"
#include "bag/cuda.h"
#include "cuda/stream.h"

namespace skelbench::bag {
namespace {

std::tuple<Tensor, Tensor> bag_sums(Tensor rows, Tensor table, Tensor weight, Tensor known, double dropout,
                                    int64_t seed, int64_t first) {
    check_one_device("bag_sums", rows, {&table, &weight, &known});
    const torch::stable::accelerator::DeviceGuard guard(rows.get_device_index());
    const Call call(rows, table, weight, known, dropout, seed, first);
    Tensor bags = call.empty_bags(), parts = call.empty_parts();
    if (call.problem.tokens == 0) return {torch::stable::zero_(bags), torch::stable::zero_(parts)};
    check_launch(sums_cuda(call.problem, call.table.const_data_ptr<float>(), bags.mutable_data_ptr<float>(),
                           parts.mutable_data_ptr<float>(), current_stream(rows.get_device_index())),
                 "bag_sums");
    return {bags, parts};
}

std::tuple<Tensor, Tensor> bag_sums_backward(Tensor grad, Tensor parts, Tensor rows, Tensor table,
                                             Tensor weight, Tensor known, double dropout, int64_t seed,
                                             int64_t first) {
    check_one_device("bag_sums_backward", grad, {&parts, &rows, &table, &weight, &known});
    const torch::stable::accelerator::DeviceGuard guard(grad.get_device_index());
    const Call call(rows, table, weight, known, dropout, seed, first);
    const Problem& p = call.problem;
    const Tensor g = call.gradient(grad), sums = call.group_sums(parts);
    Tensor table_grad = torch::stable::empty_like(call.table),
           weight_grad = torch::stable::empty_like(call.weight);
    if (p.tokens == 0) {
        torch::stable::zero_(table_grad);
        torch::stable::zero_(weight_grad);
        return {table_grad, weight_grad};
    }
    Tensor share = torch::stable::new_empty(call.weight, {p.bags, call.weight.size(0)}),
           bound = torch::stable::new_empty(call.weight, {1}),
           sum = torch::stable::new_empty(call.table, {p.entries, p.dimensions}, ScalarType::Long);
    torch::stable::zero_(sum);
    const Scratch scratch{share.mutable_data_ptr<float>(), sum.mutable_data_ptr<int64_t>(),
                          bound.mutable_data_ptr<float>()};
    check_launch(gradients_cuda(p, sums.const_data_ptr<float>(), g.const_data_ptr<float>(), scratch,
                                table_grad.mutable_data_ptr<float>(), weight_grad.mutable_data_ptr<float>(),
                                current_stream(grad.get_device_index())),
                 "bag_sums_backward");
    return {table_grad, weight_grad};
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CUDA, m) {
    m.impl("bag_sums", TORCH_BOX(&bag_sums));
    m.impl("bag_sums_backward", TORCH_BOX(&bag_sums_backward));
}

}  // namespace
}  // namespace skelbench::bag
