// The CUDA launchers as C functions for the tests.
#include "augment_cuda.cpp"
#include "bag_cuda.cpp"
#include "contrastive_cuda.cpp"
#include "pv_dbow_cuda.cpp"
#include "ragged_cuda.cpp"
#include "streams_cuda.cpp"
#include "wl_cuda.cpp"

using namespace skelbench;
using ragged::Clips;
using ragged::Weight;

// Memory of a launcher that its kernels may touch.
template <class T>
struct Lent {
    T value{};
    Lent() { fibres::lend(&value, sizeof value); }
};

extern "C" {

int64_t project_scratch(const Clips* clips, int64_t units) {
    return ragged::project_scratch_bytes(*clips, units);
}
int project(const Clips* clips, int64_t rows, const float* x, const Weight<const float>* w, const float* bias,
            void* scratch, float* out) {
    return ragged::project_cuda({*clips, rows, nullptr}, x, *w, bias, scratch, out);
}
int outer(const Clips* clips, int64_t rows, const float* x, const float* g, const Weight<float>* w) {
    return ragged::outer_cuda({*clips, rows, nullptr}, x, g, *w);
}
int expand(const Clips* clips, int64_t rows, const float* hidden, const Weight<const float>* w,
           const float* bias, float* y) {
    return ragged::expand_cuda({*clips, rows, nullptr}, hidden, *w, bias, y);
}
int sum(const Clips* clips, int64_t rows, const float* x, float* out) {
    return ragged::sum_cuda({*clips, rows, nullptr}, x, out);
}
int place(const Clips* clips, int64_t* offsets, int64_t* found) {
    Lent<Scanned> scratch;
    return ragged::place_cuda(*clips, offsets, &scratch.value, reinterpret_cast<Scanned*>(found), nullptr);
}
int describe(const augment::Batch* batch, int64_t clips, int64_t rows, int64_t length, int64_t max_bodies,
             const augment::ViewClips* views, int64_t* begin, int64_t* found) {
    Lent<Scanned> scratch;
    return augment::describe_cuda(*batch, clips, rows, length, max_bodies, *views, begin, &scratch.value,
                                  reinterpret_cast<Scanned*>(found), nullptr);
}
int views(const augment::Batch* batch, int64_t rows) {
    return augment::views_cuda(*batch, rows, nullptr);
}
int thin(const pv_dbow::Problem* problem, const pv_dbow::Kept* kept, int64_t* longest) {
    Lent<int64_t> scratch;
    return pv_dbow::thin_cuda(*problem, *kept, &scratch.value, longest, nullptr);
}
int train(const pv_dbow::Problem* problem, const pv_dbow::Kept* kept, int64_t longest,
          const pv_dbow::Scratch* scratch) {
    return pv_dbow::train_cuda(*problem, *kept, longest, *scratch, nullptr);
}
int infer(const pv_dbow::Problem* problem, const pv_dbow::Kept* kept) {
    return pv_dbow::infer_cuda(*problem, *kept, nullptr);
}
int bag_sums(const bag::Problem* problem, const float* table, float* bags, float* parts) {
    return bag::sums_cuda(*problem, table, bags, parts, nullptr);
}
int bag_gradients(const bag::Problem* problem, const float* parts, const float* grad,
                  const bag::Scratch* scratch, float* table_grad, float* weight_grad) {
    return bag::gradients_cuda(*problem, parts, grad, *scratch, table_grad, weight_grad, nullptr);
}
bool contrastive_fits(const contrastive::CudaProblem* problem) {
    return contrastive::cuda_fits(*problem);
}
int64_t contrastive_scratch(const contrastive::CudaProblem* problem) {
    return contrastive::cuda_scratch_bytes(*problem);
}
int contrastive_forward(const contrastive::CudaProblem* problem, void* scratch, void* loss, double* lse,
                        int64_t* positives) {
    return contrastive::cuda_forward(*problem, scratch, loss, lse, positives, nullptr);
}
int contrastive_backward(const contrastive::CudaProblem* problem, void* scratch, const void* grad,
                         const double* lse, const int64_t* positives, void* grad_anchors,
                         void* grad_contrasts) {
    return contrastive::cuda_backward(*problem, scratch, grad, lse, positives, grad_anchors, grad_contrasts,
                                      nullptr);
}
int resampled_streams(const streams::Batch* batch, float* scratch) {
    return streams::streams_cuda(*batch, scratch, nullptr);
}
int64_t streams_scratch(const streams::Batch* batch) {
    return streams::scratch_floats(*batch);
}
int wl_subtrees(const wl::Problem* problem) {
    return wl::subtrees_cuda(*problem, nullptr);
}
}
