// PV-DBOW on the CPU: schema, checks, dispatch.
#include <torch/csrc/stable/library.h>

#include "host/tensors.h"
#include "isa/dispatch.h"
#include "pv_dbow/kernels.h"

namespace skelbench::pv_dbow {
namespace {

// The arguments of both ops, contiguous and checked, so that a kernel reads and writes only what is theirs.
struct Call {
    Tensor words, indptr, cumulative, keep;
    Problem problem{};

    Call(const Tensor& vectors, const Tensor& table, const Tensor& w, const Tensor& i, const Tensor& c,
         const Tensor& k, int64_t negative, int64_t epoch, int64_t seed)
        : words(checked(w, ScalarType::Int, 1, "words")),
          indptr(checked(i, ScalarType::Long, 1, "indptr")),
          cumulative(checked(c, ScalarType::Double, 1, "cumulative")),
          keep(checked(k, ScalarType::Double, 1, "keep")) {
        for (const Tensor* t : {&vectors, &table}) {
            checked(*t, ScalarType::Float, 2, "vectors and table");
            STD_TORCH_CHECK(t->is_contiguous(), "vectors and table must be contiguous");
        }
        const int64_t documents = vectors.size(0), vocabulary = table.size(0), dimensions = table.size(1);
        STD_TORCH_CHECK(vectors.size(1) == dimensions, "vectors have ", vectors.size(1),
                        " dimensions, but the table has ", dimensions);
        STD_TORCH_CHECK(indptr.size(0) == documents + 1, "indptr has ", indptr.size(0), " numbers, but ",
                        documents, " documents need ", documents + 1);
        STD_TORCH_CHECK(cumulative.size(0) == vocabulary && keep.size(0) == vocabulary, "the table has ",
                        vocabulary, " words, but cumulative has ", cumulative.size(0), " and keep ",
                        keep.size(0));
        STD_TORCH_CHECK(vocabulary >= 1 && vocabulary <= INT32_MAX, "the table must have 1 to ", INT32_MAX,
                        " words, not ", vocabulary);
        STD_TORCH_CHECK(negative >= 1 && negative <= kMostNegative, "negative must be 1 to ", kMostNegative,
                        ", not ", negative);
        problem = {.words = words.const_data_ptr<int32_t>(),
                   .indptr = indptr.const_data_ptr<int64_t>(),
                   .documents = documents,
                   .vocabulary = vocabulary,
                   .dimensions = dimensions,
                   .cumulative = cumulative.const_data_ptr<double>(),
                   .keep = keep.const_data_ptr<double>(),
                   .vectors = nullptr,
                   .table = nullptr,
                   .rate = 0,
                   .next_rate = 0,
                   .negative = negative,
                   .epoch = epoch,
                   .seed = seed,
                   .block = 1};
        check_documents();
    }

private:
    void check_documents() const {
        const Problem& p = problem;
        const int64_t count = words.size(0);
        STD_TORCH_CHECK(p.indptr[0] == 0 && p.indptr[p.documents] == count, "indptr must run from 0 to ",
                        count, ", the number of words, not from ", p.indptr[0], " to ",
                        p.indptr[p.documents]);
        for (int64_t d = 0; d < p.documents; ++d)
            STD_TORCH_CHECK(p.indptr[d] <= p.indptr[d + 1], "indptr falls after document ", d);
        for (int64_t i = 0; i < count; ++i)
            STD_TORCH_CHECK(p.words[i] >= -1 && p.words[i] < p.vocabulary, "words: number ", i, " is ",
                            p.words[i], ", but the table has the words 0..", p.vocabulary - 1,
                            ", and -1 stands for none");
    }
};

void pv_dbow_train_(Tensor vectors, Tensor table, Tensor words, Tensor indptr, Tensor cumulative, Tensor keep,
                    double rate, double next_rate, int64_t negative, int64_t epoch, int64_t seed,
                    int64_t block) {
    Call call(vectors, table, words, indptr, cumulative, keep, negative, epoch, seed);
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
