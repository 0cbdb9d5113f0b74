// The contrastive op on CUDA: checks and memory. cuda.cu computes. Nothing waits for the device.
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>

#include <tuple>

#include "contrastive/checks.h"
#include "contrastive/cuda.h"
#include "cuda/stream.h"

namespace skelbench::contrastive {
namespace {

// A call as the launchers see it, and the tensors that it points into.
struct Call {
    Tensor z, y, c, cy;
    ScalarType sum_type;
    CudaProblem problem{};

    Call(const Tensor& embeddings, const Tensor& labels, const MaybeTensor& contrasts,
         const MaybeTensor& contrast_labels, double temperature, double k1, double k2,
         std::optional<int64_t> self_offset, bool tf32, bool deterministic)
        : z(computed(embeddings)),
          y(torch::stable::contiguous(labels)),
          c(contrasts ? computed(*contrasts) : z),
          cy(contrasts ? torch::stable::contiguous(*contrast_labels) : y),
          sum_type(z.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float) {
        check_one_device("contrastive", z, {&y, &c, &cy});
        problem.arithmetic = z.scalar_type() == ScalarType::BFloat16 ? Arithmetic::kBfloat16
                             : z.scalar_type() == ScalarType::Double ? Arithmetic::kDouble
                             : tf32                                  ? Arithmetic::kTf32
                                                                     : Arithmetic::kFloat;
        problem.deterministic = deterministic;
        problem.anchors = z.const_data_ptr();
        problem.contrasts = c.const_data_ptr();
        problem.labels = y.const_data_ptr<int64_t>();
        problem.contrast_labels = cy.const_data_ptr<int64_t>();
        problem.n = z.size(0);
        problem.m = c.size(0);
        problem.d = z.size(1);
        problem.square = !contrasts;
        problem.has_self = !contrasts || self_offset;
        problem.self_offset = contrasts ? self_offset.value_or(0) : 0;
        problem.temperature = temperature;
        problem.k1 = k1;
        problem.k2 = k2;
        STD_TORCH_CHECK(cuda_fits(problem), "contrastive: ", problem.n, " embeddings with ", problem.m,
                        " contrasts are more pairs than the CUDA kernels take; give fewer anchors at a time");
    }

    // The range of float16 is too small for the gradient weights, so float16 is computed in float.
    static Tensor computed(const Tensor& x) {
        return torch::stable::contiguous(
            x.scalar_type() == ScalarType::Half ? torch::stable::to(x, ScalarType::Float) : x);
    }
    Tensor scratch() const {
        return torch::stable::new_empty(z, {cuda_scratch_bytes(problem)}, ScalarType::Byte);
    }
};

std::tuple<Tensor, Tensor, Tensor> contrastive(Tensor embeddings, Tensor labels, MaybeTensor contrasts,
                                               MaybeTensor contrast_labels, double temperature, double k1,
                                               double k2, std::optional<int64_t> self_offset, bool tf32,
                                               bool deterministic) {
    check(embeddings, labels, contrasts, contrast_labels, temperature, k1, k2, self_offset);
    const torch::stable::accelerator::DeviceGuard guard(embeddings.get_device_index());
    const Call call(embeddings, labels, contrasts, contrast_labels, temperature, k1, k2, self_offset, tf32,
                    deterministic);
    const int64_t n = call.problem.n;
    Tensor loss = torch::stable::new_empty(call.z, {n}, call.sum_type),
           lse = torch::stable::new_empty(call.z, {n}, ScalarType::Double),
           positives = torch::stable::new_empty(call.z, {n}, ScalarType::Long), scratch = call.scratch();
    check_launch(cuda_forward(call.problem, scratch.mutable_data_ptr(), loss.mutable_data_ptr(),
                              lse.mutable_data_ptr<double>(), positives.mutable_data_ptr<int64_t>(),
                              current_stream(call.z.get_device_index())),
                 "contrastive");
    return {loss, lse, positives};
}

std::tuple<Tensor, Tensor> contrastive_backward(Tensor grad, Tensor lse, Tensor positives, Tensor embeddings,
                                                Tensor labels, MaybeTensor contrasts,
                                                MaybeTensor contrast_labels, double temperature, double k1,
                                                double k2, std::optional<int64_t> self_offset, bool tf32,
                                                bool deterministic, bool need_embeddings,
                                                bool need_contrasts) {
    check(embeddings, labels, contrasts, contrast_labels, temperature, k1, k2, self_offset);
    const torch::stable::accelerator::DeviceGuard guard(embeddings.get_device_index());
    check_gradient(embeddings, grad, lse, positives);
    const Call call(embeddings, labels, contrasts, contrast_labels, temperature, k1, k2, self_offset, tf32,
                    deterministic);
    need_contrasts = need_contrasts && contrasts;
    const Tensor g = torch::stable::contiguous(torch::stable::to(grad, call.sum_type));
    const Tensor l = torch::stable::contiguous(lse), count = torch::stable::contiguous(positives);
    Tensor scratch = call.scratch(),
           grad_z = torch::stable::new_empty(call.z, {need_embeddings ? call.problem.n : 0, call.problem.d},
                                             call.sum_type),
           grad_c = torch::stable::new_empty(call.z, {need_contrasts ? call.problem.m : 0, call.problem.d},
                                             call.sum_type);
    check_launch(cuda_backward(call.problem, scratch.mutable_data_ptr(), g.const_data_ptr(),
                               l.const_data_ptr<double>(), count.const_data_ptr<int64_t>(),
                               need_embeddings ? grad_z.mutable_data_ptr() : nullptr,
                               need_contrasts ? grad_c.mutable_data_ptr() : nullptr,
                               current_stream(call.z.get_device_index())),
                 "contrastive_backward");
    const ScalarType dtype = embeddings.scalar_type();
    return {torch::stable::to(grad_z, dtype), torch::stable::to(grad_c, dtype)};
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CUDA, m) {
    m.impl("contrastive", TORCH_BOX(&contrastive));
    m.impl("contrastive_backward", TORCH_BOX(&contrastive_backward));
}

}  // namespace
}  // namespace skelbench::contrastive
