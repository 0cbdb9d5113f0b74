// A call of the ops on either device: their checks of everything but the values, and their problem.
#pragma once
#include "host/tensors.h"
#include "pv_dbow/kernels.h"

namespace skelbench::pv_dbow {

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
    }
};

}  // namespace skelbench::pv_dbow
