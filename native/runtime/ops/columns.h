// Combining the rows of a matrix column by column, in parallel.
#pragma once

#include <cstdint>

#include "../../kernels/kernels.h"
#include "../status.h"

namespace latent {

// The rows of a part, where a matrix is combined part by part: by the shape alone, and in whole blocks of the kernels.
int64_t partRowsOf(int64_t columns);

// The columns of a task, in whole cache lines, where they are shared out: that shows in no result.
int64_t columnsPerTask(int64_t rows, int64_t columns);

// out[j] over rows `stride` apart; extremes take at least one row. The shape alone decides in which order.
template <class T>
Status combineColumns(Reduce op, int64_t rows, int64_t columns, const T* x, int64_t stride, T* out);

}  // namespace latent
