// PV-DBOW on the CPU: schema, checks, dispatch.
#include <torch/csrc/stable/library.h>

#include "isa/dispatch.h"
#include "pv_dbow/call.h"

namespace skelbench::pv_dbow {
namespace {

// Documents follow each other, and every word is one of the table's.
void check_documents(const Problem& p, int64_t count) {
    STD_TORCH_CHECK(p.indptr[0] == 0 && p.indptr[p.documents] == count, "indptr must run from 0 to ", count,
                    ", the number of words, not from ", p.indptr[0], " to ", p.indptr[p.documents]);
    for (int64_t d = 0; d < p.documents; ++d)
        STD_TORCH_CHECK(p.indptr[d] <= p.indptr[d + 1], "indptr falls after document ", d);
    for (int64_t i = 0; i < count; ++i)
        STD_TORCH_CHECK(p.words[i] >= -1 && p.words[i] < p.vocabulary, "words: number ", i, " is ",
                        p.words[i], ", but the table has the words 0..", p.vocabulary - 1,
                        ", and -1 stands for none");
}

void pv_dbow_train_(Tensor vectors, Tensor table, Tensor words, Tensor indptr, Tensor cumulative, Tensor keep,
                    double rate, double next_rate, int64_t negative, int64_t epoch, int64_t seed,
                    int64_t block) {
    Call call(vectors, table, words, indptr, cumulative, keep, negative, epoch, seed);
    check_documents(call.problem, words.size(0));
    STD_TORCH_CHECK(block >= 1, "block must be at least 1, not ", block);
    Problem& p = call.problem;
    p.vectors = vectors.mutable_data_ptr<float>();
    p.table = table.mutable_data_ptr<float>();
    p.rate = rate;
    p.next_rate = next_rate;
    p.block = block < p.documents ? block : p.documents;
    if (p.documents > 0) dispatch<&Kernels::train>()(p);
}

void pv_dbow_infer_(Tensor vectors, Tensor table, Tensor words, Tensor indptr, Tensor cumulative, Tensor keep,
                    double rate, int64_t negative, int64_t epoch, int64_t seed) {
    Call call(vectors, table, words, indptr, cumulative, keep, negative, epoch, seed);
    check_documents(call.problem, words.size(0));
    Problem& p = call.problem;
    p.vectors = vectors.mutable_data_ptr<float>();
    // `infer` only reads it.
    p.table = const_cast<float*>(table.const_data_ptr<float>());
    p.rate = rate;
    if (p.documents > 0) dispatch<&Kernels::infer>()(p);
}

STABLE_TORCH_LIBRARY_FRAGMENT(skelbench, m) {
    m.def(
        "pv_dbow_train_(Tensor(a!) vectors, Tensor(b!) table, Tensor words, Tensor indptr, Tensor "
        "cumulative, "
        "Tensor keep, float rate, float next_rate, int negative, int epoch, int seed, int block) -> ()");
    m.def(
        "pv_dbow_infer_(Tensor(a!) vectors, Tensor table, Tensor words, Tensor indptr, Tensor cumulative, "
        "Tensor keep, float rate, int negative, int epoch, int seed) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(skelbench, CPU, m) {
    m.impl("pv_dbow_train_", TORCH_BOX(&pv_dbow_train_));
    m.impl("pv_dbow_infer_", TORCH_BOX(&pv_dbow_infer_));
}

}  // namespace
}  // namespace skelbench::pv_dbow
