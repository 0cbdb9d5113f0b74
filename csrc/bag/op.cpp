// Sums of embeddings on the CPU: schema, checks, dispatch.
#include <torch/csrc/stable/library.h>

#include <tuple>

#include "bag/call.h"
#include "isa/dispatch.h"

namespace skelbench::bag {
namespace {

void check_rows(const Problem& p) {
    for (int64_t i = 0; i < p.bags * p.tokens; ++i)
        STD_TORCH_CHECK(p.rows[i] >= 0 && p.rows[i] < p.entries, "rows: number ", i, " is ", p.rows[i],
                        ", but the table has ", p.entries, " rows");
}

std::tuple<Tensor, Tensor> bag_sums(Tensor rows, Tensor table, Tensor weight, Tensor known, double dropout,
                                    int64_t seed, int64_t first) {
    const Call call(rows, table, weight, known, dropout, seed, first);
    check_rows(call.problem);
    Tensor bags = call.empty_bags(), parts = call.empty_parts();
    if (call.problem.tokens == 0) return {torch::stable::zero_(bags), torch::stable::zero_(parts)};
    dispatch<&Kernels::sums>()(call.problem, call.table.const_data_ptr<float>(),
                               bags.mutable_data_ptr<float>(), parts.mutable_data_ptr<float>());
    return {bags, parts};
}

std::tuple<Tensor, Tensor> bag_sums_backward(Tensor grad, Tensor parts, Tensor rows, Tensor table,
                                             Tensor weight, Tensor known, double dropout, int64_t seed,
                                             int64_t first) {
    const Call call(rows, table, weight, known, dropout, seed, first);
    check_rows(call.problem);
    const Tensor g = call.gradient(grad), sums = call.group_sums(parts);
    Tensor table_grad = torch::stable::empty_like(call.table),
           weight_grad = torch::stable::empty_like(call.weight);
    torch::stable::zero_(table_grad);
    torch::stable::zero_(weight_grad);
    if (call.problem.tokens > 0)
        dispatch<&Kernels::gradients>()(call.problem, sums.const_data_ptr<float>(), g.const_data_ptr<float>(),
                                        table_grad.mutable_data_ptr<float>(),
                                        weight_grad.mutable_data_ptr<float>());
    return {table_grad, weight_grad};
}

STABLE_TORCH_LIBRARY_FRAGMENT(skelbench, m) {
    m.def(
        "bag_sums(Tensor rows, Tensor table, Tensor weight, Tensor known, float dropout, int seed, int "
        "first=0) -> "
        "(Tensor, Tensor)");
    m.def(
        "bag_sums_backward(Tensor grad, Tensor parts, Tensor rows, Tensor table, Tensor weight, Tensor "
        "known, float dropout, int seed, int first=0) -> (Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CPU, m) {
    m.impl("bag_sums", TORCH_BOX(&bag_sums));
    m.impl("bag_sums_backward", TORCH_BOX(&bag_sums_backward));
}

}  // namespace
}  // namespace skelbench::bag
