// Sums of embeddings on the CPU: schema, checks, dispatch.
#include <torch/csrc/stable/library.h>

#include <tuple>

#include "bag/kernels.h"
#include "host/tensors.h"
#include "isa/dispatch.h"

namespace skelbench::bag {
namespace {

struct Call {
    Tensor rows, table, weight, known;
    Problem problem{};

    Call(const Tensor& r, const Tensor& t, const Tensor& w, const Tensor& k, double dropout, int64_t seed)
        : rows(checked(r, ScalarType::Int, 2, "rows")),
          table(checked(t, ScalarType::Float, 2, "table")),
          weight(checked(w, ScalarType::Float, 1, "weight")),
          known(checked(k, ScalarType::Bool, 1, "known")) {
        const int64_t tokens = rows.size(1), groups = weight.size(0);
        STD_TORCH_CHECK(groups >= 1 && tokens % groups == 0, "weight has ", groups,
                        " numbers, which do not divide the ", tokens, " columns of rows");
        STD_TORCH_CHECK(known.size(0) == table.size(0), "known has ", known.size(0),
                        " numbers, but the table ", table.size(0), " rows");
        STD_TORCH_CHECK(dropout >= 0 && dropout < 1, "dropout must be in [0, 1), not ", dropout);
        problem = {.rows = rows.const_data_ptr<int32_t>(),
                   .bags = rows.size(0),
                   .tokens = tokens,
                   .entries = table.size(0),
                   .dimensions = table.size(1),
                   .weight = weight.const_data_ptr<float>(),
                   .repeats = tokens / groups,
                   .known = known.const_data_ptr<bool>(),
                   .dropout = dropout,
                   .seed = seed};
        for (int64_t i = 0; i < rows.numel(); ++i)
            STD_TORCH_CHECK(problem.rows[i] >= 0 && problem.rows[i] < problem.entries, "rows: number ", i,
                            " is ", problem.rows[i], ", but the table has ", problem.entries, " rows");
    }
};

Tensor bag_sums(Tensor rows, Tensor table, Tensor weight, Tensor known, double dropout, int64_t seed) {
    const Call call(rows, table, weight, known, dropout, seed);
    Tensor bags = torch::stable::new_empty(call.table, {call.problem.bags, call.problem.dimensions});
    if (call.problem.tokens == 0) return torch::stable::zero_(bags);
    dispatch<&Kernels::sums>()(call.problem, call.table.const_data_ptr<float>(),
                               bags.mutable_data_ptr<float>());
    return bags;
}

std::tuple<Tensor, Tensor> bag_sums_backward(Tensor grad, Tensor rows, Tensor table, Tensor weight,
                                             Tensor known, double dropout, int64_t seed) {
    const Call call(rows, table, weight, known, dropout, seed);
    const Tensor g = checked(grad, ScalarType::Float, 2, "grad");
    STD_TORCH_CHECK(g.size(0) == call.problem.bags && g.size(1) == call.problem.dimensions,
                    "grad must have the shape of the sums");
    Tensor table_grad = torch::stable::empty_like(call.table),
           weight_grad = torch::stable::empty_like(call.weight);
    torch::stable::zero_(table_grad);
    torch::stable::zero_(weight_grad);
    if (call.problem.tokens > 0)
        dispatch<&Kernels::gradients>()(call.problem, call.table.const_data_ptr<float>(),
                                        g.const_data_ptr<float>(), table_grad.mutable_data_ptr<float>(),
                                        weight_grad.mutable_data_ptr<float>());
    return {table_grad, weight_grad};
}

STABLE_TORCH_LIBRARY_FRAGMENT(skelbench, m) {
    m.def(
        "bag_sums(Tensor rows, Tensor table, Tensor weight, Tensor known, float dropout, int seed) -> "
        "Tensor");
    m.def(
        "bag_sums_backward(Tensor grad, Tensor rows, Tensor table, Tensor weight, Tensor known, float "
        "dropout, "
        "int seed) -> (Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CPU, m) {
    m.impl("bag_sums", TORCH_BOX(&bag_sums));
    m.impl("bag_sums_backward", TORCH_BOX(&bag_sums_backward));
}

}  // namespace
}  // namespace skelbench::bag
