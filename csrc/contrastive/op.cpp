// The contrastive op on the CPU: schema, checks, the order of the rows, and the computations once per row.
#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "contrastive/checks.h"
#include "contrastive/crew.h"
#include "contrastive/kernels.h"
#include "contrastive/shift.h"
#include "isa/dispatch.h"

namespace skelbench::contrastive {
namespace {

// An operand sorted by class.
struct Sorted {
    std::vector<int32_t> order, cls;
    bool identity = true;
};

// The rows ordered by label, ties by index. A counting sort where the range of the labels is small, as for
// class numbers.
std::vector<int32_t> order_by_label(const int64_t* labels, int64_t n) {
    std::vector<int32_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    if (std::is_sorted(labels, labels + n)) return order;
    const auto [low, high] = std::minmax_element(labels, labels + n);
    const uint64_t span = static_cast<uint64_t>(*high) - static_cast<uint64_t>(*low);
    if (span < static_cast<uint64_t>(8 * n)) {
        const int64_t first = *low;
        std::vector<int32_t> place(span + 2, 0);
        for (int64_t i = 0; i < n; ++i) ++place[labels[i] - first + 1];
        std::partial_sum(place.begin(), place.end(), place.begin());
        for (int64_t i = 0; i < n; ++i) order[place[labels[i] - first]++] = static_cast<int32_t>(i);
    } else {
        std::stable_sort(order.begin(), order.end(),
                         [&](int32_t a, int32_t b) { return labels[a] < labels[b]; });
    }
    return order;
}

// Numbers the classes of both operands, or of one, in ascending order of their labels.
void number_classes(const int64_t* labels_a, Sorted& a, const int64_t* labels_b, Sorted* b) {
    const auto finish = [](Sorted& s) {
        for (size_t i = 0; i < s.order.size(); ++i) s.identity &= s.order[i] == static_cast<int32_t>(i);
        s.cls.resize(s.order.size() + kPad, -1);
    };
    size_t i = 0, j = 0;
    int32_t cls = 0;
    const size_t n = a.order.size(), m = b ? b->order.size() : 0;
    while (i < n || j < m) {
        const int64_t label = j == m || (i < n && labels_a[a.order[i]] <= labels_b[b->order[j]])
                                  ? labels_a[a.order[i]]
                                  : labels_b[b->order[j]];
        for (; i < n && labels_a[a.order[i]] == label; ++i) a.cls.push_back(cls);
        for (; j < m && labels_b[b->order[j]] == label; ++j) b->cls.push_back(cls);
        ++cls;
    }
    finish(a);
    if (b) finish(*b);
}

// A call as the kernels see it, and the memory that it points into.
template <class T>
struct Call {
    Tensor embeddings, contrasts;
    Sorted a, b;
    // Per anchor in class order: its own contrast, |P|.
    std::vector<int32_t> self, positives;
    Crew crew;
    Problem<T> problem{};
    const Entry<T>& entry;

    Call(const Entry<T>& e, const Tensor& z, const Tensor& labels, const MaybeTensor& c,
         const MaybeTensor& c_labels, double temperature, double k1, double k2,
         std::optional<int64_t> self_offset)
        : embeddings(z), contrasts(c.value_or(z)), entry(e) {
        const int64_t n = z.size(0), m = contrasts.size(0);
        const int64_t* la = labels.const_data_ptr<int64_t>();
        const int64_t* lb = c ? c_labels->const_data_ptr<int64_t>() : la;
        a.order = order_by_label(la, n);
        if (c) b.order = order_by_label(lb, m);
        number_classes(la, a, lb, c ? &b : nullptr);
        const Sorted& other = c ? b : a;

        std::vector<int32_t> place(m), size(n + m, 0);
        for (int64_t i = 0; i < m; ++i) place[other.order[i]] = static_cast<int32_t>(i);
        for (int64_t i = 0; i < m; ++i) ++size[other.cls[i]];
        self.assign(n + kPad, -1);
        positives.resize(n);
        for (int64_t i = 0; i < n; ++i) {
            if (!c) self[i] = static_cast<int32_t>(i);
            if (c && self_offset) self[i] = place[a.order[i] + *self_offset];
            positives[i] = size[a.cls[i]] - (self[i] >= 0 && other.cls[self[i]] == a.cls[i]);
        }

        const double norm = largest_norm(embeddings, "embeddings");
        const double largest = norm * (c ? largest_norm(contrasts, "contrasts") : norm);
        const SharedShift shift(largest, temperature, k1);
        problem.anchors = {z.const_data_ptr<T>(), n, a.order.data(), a.cls.data(), a.identity};
        problem.contrasts =
            c ? Rows<T>{contrasts.const_data_ptr<T>(), m, b.order.data(), b.cls.data(), b.identity}
              : problem.anchors;
        problem.square = !c;
        problem.d = z.size(1);
        problem.self = self.data();
        problem.scale = kLog2e / temperature;
        problem.k1 = k1;
        problem.k2 = k2;
        problem.shared_shift = shift.safe;
        problem.shift = static_cast<T>(shift.value);
        problem.threads = crew.threads(n * m);
        problem.seconds_alone = crew.seconds_alone();
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // Whether the anchor's one positive is all that its denominator has. Its loss is 0, exactly.
    bool only_term(int64_t i) const {
        const int64_t others = problem.contrasts.n - (self[i] >= 0);
        return positives[i] == 1 && problem.k1 == 0 && (problem.k2 == 0 || others == 1);
    }

private:
    double largest_norm(const Tensor& rows, const char* name) const {
        std::vector<T> squares(rows.size(0));
        entry.squared_norms(rows.const_data_ptr<T>(), rows.size(0), rows.size(1), squares.data());
        T largest = 0;
        for (size_t i = 0; i < squares.size(); ++i) {
            STD_TORCH_CHECK(std::isfinite(squares[i]), name, ": row ", i, " of ", squares.size(),
                            " is not finite; check the encoder's output before the loss");
            largest = std::max(largest, squares[i]);
        }
        return std::sqrt(static_cast<double>(largest));
    }
};

Tensor row_vector(const Tensor& like, int64_t n, ScalarType dtype) {
    return torch::stable::new_empty(like, {n}, dtype);
}

template <class T>
T* data_or_null(Tensor* x) {
    return x ? x->template mutable_data_ptr<T>() : nullptr;
}

template <class T>
std::tuple<Tensor, Tensor, Tensor> forward_as(const Call<T>& call, double temperature, ScalarType dtype) {
    const int64_t n = call.problem.anchors.n;
    std::vector<T> shift(n + kPad);
    std::vector<double> sum(n + kPad), positive(n + kPad);
    Passes<T>(call.entry, call.problem, false).forward({shift.data(), sum.data(), positive.data()});
    Tensor loss = row_vector(call.embeddings, n, dtype),
           lse = row_vector(call.embeddings, n, ScalarType::Double),
           counts = row_vector(call.embeddings, n, ScalarType::Long);
    T* losses = loss.template mutable_data_ptr<T>();
    double* lses = lse.template mutable_data_ptr<double>();
    int64_t* positives = counts.template mutable_data_ptr<int64_t>();
    for (int64_t i = 0; i < n; ++i) {
        const int32_t row = call.a.order[i];
        const AnchorLoss anchor(shift[i], sum[i], positive[i], call.positives[i], temperature);
        positives[row] = call.positives[i];
        lses[row] = anchor.lse;
        losses[row] = static_cast<T>(anchor.loss);
    }
    return {loss, lse, counts};
}

template <class T>
void backward_as(const Call<T>& call, const Tensor& grad, const Tensor& lse, double temperature,
                 Tensor* grad_a, Tensor* grad_b) {
    const int64_t n = call.problem.anchors.n;
    std::vector<T> shift(n + kPad), weight(n + kPad), share(n + kPad);
    const T* grads = grad.const_data_ptr<T>();
    const double* lses = lse.const_data_ptr<double>();
    for (int64_t i = 0; i < n; ++i) {
        const int32_t row = call.a.order[i];
        const AnchorGradient anchor(grads[row], lses[row], call.positives[i], temperature);
        shift[i] = static_cast<T>(call.problem.shared_shift ? call.problem.shift : anchor.own_shift());
        weight[i] = static_cast<T>(anchor.weight(shift[i]));
        share[i] = static_cast<T>(anchor.share());
    }
    Passes<T>(call.entry, call.problem, false)
        .backward({shift.data(), weight.data(), share.data(), temperature, data_or_null<T>(grad_a),
                   data_or_null<T>(grad_b)});
}

// The sum or mean of the anchors' losses, and its gradient in `grad_a` and `grad_b` unless both are null. The
// passes share the operands and, where they fit, the tiles.
template <class T>
double reduced_as(const Call<T>& call, double temperature, bool mean, Tensor* grad_a, Tensor* grad_b) {
    const int64_t n = call.problem.anchors.n;
    std::vector<T> shift(n + kPad), weight(n + kPad), share(n + kPad);
    std::vector<double> sum(n + kPad), positive(n + kPad), lse(n);
    const bool wanted = grad_a || grad_b;
    const Passes<T> passes(call.entry, call.problem, wanted);
    passes.forward({shift.data(), sum.data(), positive.data()});
    double total = 0;
    int64_t anchors = 0;
    for (int64_t i = 0; i < n; ++i) {
        const AnchorLoss anchor(shift[i], sum[i], positive[i], call.positives[i], temperature);
        lse[i] = anchor.lse;
        total += call.only_term(i) ? 0 : anchor.loss;
        anchors += call.positives[i] > 0;
    }
    const double share_of_anchor = mean ? 1.0 / static_cast<double>(std::max<int64_t>(anchors, 1)) : 1.0;
    if (!wanted) return total * share_of_anchor;
    for (int64_t i = 0; i < n; ++i) {
        const AnchorGradient anchor(call.only_term(i) ? 0 : share_of_anchor, lse[i], call.positives[i],
                                    temperature);
        if (!call.problem.shared_shift) shift[i] = static_cast<T>(anchor.own_shift());
        weight[i] = static_cast<T>(anchor.weight(shift[i]));
        share[i] = static_cast<T>(anchor.share());
    }
    passes.backward({shift.data(), weight.data(), share.data(), temperature, data_or_null<T>(grad_a),
                     data_or_null<T>(grad_b)});
    return total * share_of_anchor;
}

// The kernels get half-precision inputs as floats.
Tensor computed(const Tensor& x) {
    const bool half = x.scalar_type() == ScalarType::BFloat16 || x.scalar_type() == ScalarType::Half;
    return made_contiguous(half ? torch::stable::to(x, ScalarType::Float) : x);
}

MaybeTensor computed(const MaybeTensor& x) {
    return x ? MaybeTensor(computed(*x)) : std::nullopt;
}

const Entry<float>& float_entry(const Tensor& embeddings) {
    const Entry<float>* bf16 = dispatch<&Kernels::bf16>();
    return bf16 && embeddings.scalar_type() == ScalarType::BFloat16 ? *bf16 : *dispatch<&Kernels::f32>();
}

std::tuple<Tensor, Tensor, Tensor> contrastive(Tensor embeddings, Tensor labels, MaybeTensor contrasts,
                                               MaybeTensor contrast_labels, double temperature, double k1,
                                               double k2, std::optional<int64_t> self_offset, bool, bool) {
    check(embeddings, labels, contrasts, contrast_labels, temperature, k1, k2, self_offset);
    const Tensor z = computed(embeddings), y = made_contiguous(labels);
    const MaybeTensor c = computed(contrasts),
                      cy = contrasts ? MaybeTensor(made_contiguous(*contrast_labels)) : std::nullopt;
    if (z.scalar_type() == ScalarType::Double) {
        return forward_as(
            Call<double>(*dispatch<&Kernels::f64>(), z, y, c, cy, temperature, k1, k2, self_offset),
            temperature, ScalarType::Double);
    }
    return forward_as(Call<float>(float_entry(embeddings), z, y, c, cy, temperature, k1, k2, self_offset),
                      temperature, ScalarType::Float);
}

std::tuple<Tensor, Tensor> contrastive_backward(Tensor grad, Tensor lse, Tensor positives, Tensor embeddings,
                                                Tensor labels, MaybeTensor contrasts,
                                                MaybeTensor contrast_labels, double temperature, double k1,
                                                double k2, std::optional<int64_t> self_offset, bool, bool,
                                                bool need_embeddings, bool need_contrasts) {
    check(embeddings, labels, contrasts, contrast_labels, temperature, k1, k2, self_offset);
    check_gradient(embeddings, grad, lse, positives);
    const Tensor z = computed(embeddings), y = made_contiguous(labels);
    const MaybeTensor c = computed(contrasts),
                      cy = contrasts ? MaybeTensor(made_contiguous(*contrast_labels)) : std::nullopt;
    const Tensor g = made_contiguous(grad, z.scalar_type());
    const Tensor l = made_contiguous(lse);
    const auto like = [](const Tensor& x, bool wanted) {
        return torch::stable::new_empty(x, {wanted ? x.size(0) : 0, x.size(1)});
    };
    Tensor grad_z = like(z, need_embeddings), grad_c = like(c.value_or(z), c && need_contrasts);
    Tensor* to_z = need_embeddings ? &grad_z : nullptr;
    Tensor* to_c = c && need_contrasts ? &grad_c : nullptr;
    if (z.scalar_type() == ScalarType::Double) {
        backward_as(Call<double>(*dispatch<&Kernels::f64>(), z, y, c, cy, temperature, k1, k2, self_offset),
                    g, l, temperature, to_z, to_c);
    } else {
        backward_as(Call<float>(float_entry(embeddings), z, y, c, cy, temperature, k1, k2, self_offset), g, l,
                    temperature, to_z, to_c);
    }
    if (z.scalar_type() == embeddings.scalar_type()) return {grad_z, grad_c};
    return {torch::stable::to(grad_z, embeddings.scalar_type()),
            torch::stable::to(grad_c, embeddings.scalar_type())};
}

// The loss of the batch as one number, and its gradient, which costs less here than in a call of its own.
std::tuple<Tensor, Tensor, Tensor> contrastive_reduced(Tensor embeddings, Tensor labels,
                                                       MaybeTensor contrasts, MaybeTensor contrast_labels,
                                                       double temperature, double k1, double k2,
                                                       std::optional<int64_t> self_offset, bool mean,
                                                       bool need_embeddings, bool need_contrasts) {
    check(embeddings, labels, contrasts, contrast_labels, temperature, k1, k2, self_offset);
    const Tensor z = computed(embeddings), y = made_contiguous(labels);
    const MaybeTensor c = computed(contrasts),
                      cy = contrasts ? MaybeTensor(made_contiguous(*contrast_labels)) : std::nullopt;
    const auto like = [](const Tensor& x, bool wanted) {
        return torch::stable::new_empty(x, {wanted ? x.size(0) : 0, x.size(1)});
    };
    Tensor grad_z = like(z, need_embeddings), grad_c = like(c.value_or(z), c && need_contrasts);
    Tensor* to_z = need_embeddings ? &grad_z : nullptr;
    Tensor* to_c = c && need_contrasts ? &grad_c : nullptr;
    Tensor loss = torch::stable::new_empty(z, {});
    if (z.scalar_type() == ScalarType::Double) {
        *loss.mutable_data_ptr<double>() = reduced_as(
            Call<double>(*dispatch<&Kernels::f64>(), z, y, c, cy, temperature, k1, k2, self_offset),
            temperature, mean, to_z, to_c);
    } else {
        *loss.mutable_data_ptr<float>() = static_cast<float>(
            reduced_as(Call<float>(float_entry(embeddings), z, y, c, cy, temperature, k1, k2, self_offset),
                       temperature, mean, to_z, to_c));
    }
    return {loss, grad_z, grad_c};
}

// The gradients of contrastive_reduced, times the gradient of its loss, in the dtype of the rows.
std::tuple<Tensor, Tensor> contrastive_reduced_backward(Tensor grad, Tensor grad_embeddings,
                                                        Tensor grad_contrasts, Tensor embeddings,
                                                        MaybeTensor) {
    STD_TORCH_CHECK(grad.numel() == 1, "grad must be one number");
    const auto scaled = [&](const Tensor& x, const char* name) {
        const ScalarType dtype = x.scalar_type();
        STD_TORCH_CHECK((dtype == ScalarType::Float || dtype == ScalarType::Double) && x.is_contiguous(),
                        name, " must be contiguous float32 or float64");
        const Tensor factor = made_contiguous(grad, dtype);
        Tensor out = torch::stable::empty_like(x);
        const auto multiply = [&]<class T>(T) {
            const T g = *factor.const_data_ptr<T>();
            const T* const from = x.const_data_ptr<T>();
            T* const to = out.mutable_data_ptr<T>();
            const int64_t count = x.numel();
            for (int64_t i = 0; i < count; ++i) to[i] = g * from[i];
        };
        dtype == ScalarType::Double ? multiply(0.0) : multiply(0.0f);
        return embeddings.scalar_type() == dtype ? out : torch::stable::to(out, embeddings.scalar_type());
    };
    return {scaled(grad_embeddings, "grad_embeddings"), scaled(grad_contrasts, "grad_contrasts")};
}

STABLE_TORCH_LIBRARY_FRAGMENT(skelbench, m) {
    const std::string batch =
        "Tensor embeddings, Tensor labels, Tensor? contrasts, Tensor? contrast_labels, float temperature, "
        "float k1, float k2, int? self_offset, ";
    const std::string call = batch + "bool tf32, bool deterministic";
    m.def(("contrastive(" + call + ") -> (Tensor loss, Tensor lse, Tensor positives)").c_str());
    m.def(("contrastive_backward(Tensor grad, Tensor lse, Tensor positives, " + call +
           ", bool need_embeddings, bool need_contrasts) -> (Tensor grad_embeddings, Tensor grad_contrasts)")
              .c_str());
    m.def(("contrastive_reduced(" + batch +
           "bool mean, bool need_embeddings, bool need_contrasts) -> (Tensor loss, Tensor grad_embeddings, "
           "Tensor "
           "grad_contrasts)")
              .c_str());
    m.def(
        "contrastive_reduced_backward(Tensor grad, Tensor grad_embeddings, Tensor grad_contrasts, Tensor "
        "embeddings, Tensor? contrasts) -> (Tensor grad_embeddings, Tensor grad_contrasts)");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CPU, m) {
    m.impl("contrastive_reduced", TORCH_BOX(&contrastive_reduced));
    m.impl("contrastive_reduced_backward", TORCH_BOX(&contrastive_reduced_backward));
    m.impl("contrastive", TORCH_BOX(&contrastive));
    m.impl("contrastive_backward", TORCH_BOX(&contrastive_backward));
}

}  // namespace
}  // namespace skelbench::contrastive
