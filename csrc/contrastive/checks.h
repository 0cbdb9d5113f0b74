// The checks of a call of the contrastive op, on either device. The Python side checks the same, and names
// the shapes.
#pragma once
#include <cmath>
#include <limits>
#include <optional>

#include "host/tensors.h"

namespace skelbench::contrastive {

using MaybeTensor = std::optional<Tensor>;

inline void check(const Tensor& z, const Tensor& labels, const MaybeTensor& c, const MaybeTensor& c_labels,
                  double temperature, double k1, double k2, std::optional<int64_t> self_offset) {
    const auto rows = [](const Tensor& x, const Tensor& y, const char* name) {
        STD_TORCH_CHECK(x.dim() == 2 && x.size(1) > 0, name, " must be (rows, D) with D > 0");
        STD_TORCH_CHECK(x.size(0) < std::numeric_limits<int32_t>::max() - 4096, name, " has too many rows");
        STD_TORCH_CHECK(y.dim() == 1 && y.size(0) == x.size(0) && y.scalar_type() == ScalarType::Long,
                        "labels of ", name, " must be int64, one per row");
    };
    rows(z, labels, "embeddings");
    const ScalarType dtype = z.scalar_type();
    STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double ||
                        dtype == ScalarType::BFloat16 || dtype == ScalarType::Half,
                    "embeddings must be float32, float64, bfloat16 or float16");
    STD_TORCH_CHECK(temperature > 0 && std::isfinite(temperature),
                    "temperature must be positive: ", temperature);
    STD_TORCH_CHECK(k1 >= 0 && k2 >= 0 && std::isfinite(k1) && std::isfinite(k2),
                    "k1 and k2 must not be negative: ", k1, ", ", k2);
    STD_TORCH_CHECK(c.has_value() == c_labels.has_value(), "contrasts and contrast_labels go together");
    if (c) {
        rows(*c, *c_labels, "contrasts");
        STD_TORCH_CHECK(c->size(1) == z.size(1) && c->scalar_type() == z.scalar_type(),
                        "contrasts must have the width and dtype of embeddings");
        STD_TORCH_CHECK(!self_offset || (*self_offset >= 0 && *self_offset + z.size(0) <= c->size(0)),
                        "self_offset must lie in [0, M - N]");
    }
}

// The tensors that the gradient takes besides: one number per anchor each.
inline void check_gradient(const Tensor& embeddings, const Tensor& grad, const Tensor& lse,
                           const Tensor& positives) {
    const int64_t n = embeddings.size(0);
    const auto per_anchor = [n](const Tensor& x, const char* name) {
        STD_TORCH_CHECK(x.dim() == 1 && x.size(0) == n, name, " must have one number for each of the ", n,
                        " embeddings");
    };
    per_anchor(grad, "grad"), per_anchor(lse, "lse"), per_anchor(positives, "positives");
    STD_TORCH_CHECK(lse.scalar_type() == ScalarType::Double, "lse must be float64");
    STD_TORCH_CHECK(positives.scalar_type() == ScalarType::Long, "positives must be int64");
}

}  // namespace skelbench::contrastive
