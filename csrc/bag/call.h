// A call of the ops on either device: their checks of everything but the values, and their problem.
#pragma once
#include "bag/kernels.h"
#include "host/tensors.h"

namespace skelbench::bag {

struct Call {
    Tensor rows, table, weight, known;
    Problem problem{};

    Call(const Tensor& r, const Tensor& t, const Tensor& w, const Tensor& k, double dropout, int64_t seed,
         int64_t first)
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
                   .seed = seed,
                   .first = first};
    }

    Tensor empty_bags() const { return torch::stable::new_empty(table, {problem.bags, problem.dimensions}); }
    // For the sums of the groups.
    Tensor empty_parts() const {
        return torch::stable::new_empty(table, {problem.bags, weight.size(0), problem.dimensions});
    }
    // The sums of the groups, checked.
    Tensor group_sums(const Tensor& parts) const {
        const Tensor sums = checked(parts, ScalarType::Float, 3, "parts");
        STD_TORCH_CHECK(sums.size(0) == problem.bags && sums.size(1) == weight.size(0) &&
                            sums.size(2) == problem.dimensions,
                        "parts must be those of the sums");
        return sums;
    }
    // The gradient of the sums, checked.
    Tensor gradient(const Tensor& grad) const {
        const Tensor g = checked(grad, ScalarType::Float, 2, "grad");
        STD_TORCH_CHECK(g.size(0) == problem.bags && g.size(1) == problem.dimensions,
                        "grad must have the shape of the sums");
        return g;
    }
};

}  // namespace skelbench::bag
