// The surface of the kernels: plain functions over raw pointers, one table of them per instruction set.
//
// Contracts that hold for every entry: counts are >= 0; pointers may be unaligned to anything but their element;
// nothing is read or written outside [p, p + count); `out` may be the same address as an input, and overlaps no input
// in any other way. No kernel allocates, throws or knows about threads.
#pragma once

#include <cstdint>

namespace latent {

// A function of one element: unary.h has the list.
enum class Unary : int;
constexpr Unary kNoUnary = static_cast<Unary>(-1);

#define LATENT_BINARY(X) X(Add, add) X(Sub, sub) X(Mul, mul) X(Div, div) X(Pow, pow) X(Maximum, maximum) X(Minimum, minimum)
// clang-format off
#define LATENT_COMPARE(X) X(Equal, equal) X(NotEqual, notEqual) X(Less, less) X(LessEqual, lessEqual) X(Greater, greater) X(GreaterEqual, greaterEqual)
#define LATENT_RULES(X) X(Sgd, sgd) X(Adam, adam) X(Adamax, adamax) X(RmsProp, rmsprop) X(Adagrad, adagrad) X(Adadelta, adadelta) X(Lamb, lamb)
// clang-format on

#define LATENT_ENTRY(Name, name) k##Name,
enum class Binary : int { LATENT_BINARY(LATENT_ENTRY) kCount };

enum class Compare : int { LATENT_COMPARE(LATENT_ENTRY) kCount };

// How an optimizer changes a tensor; formulas in optim.cc.
enum class Rule : int { LATENT_RULES(LATENT_ENTRY) kCount };
#undef LATENT_ENTRY

enum class Reduce : int { kSum, kProd, kMax, kMin, kCount };

// Which operand of a binary kernel is one value for all elements.
enum class Broadcast : int { kNone, kLeft, kRight, kCount };

// The operations of a matrix product on finished elements, while they are in registers or in the first cache.
enum class Activation : int { kNone, kRelu, kTanh, kSigmoid, kGelu, kSilu };

// A float's rounding errors grow with the length of a sum, so sums are taken in chains of at most so many terms, each begun
// at zero and then added to those before it. Where a chain ends depends on the sizes alone.
constexpr int64_t kChain = 384;

// How the left operand of a product lies in memory.
enum class Reading : int {
  kRows,     // in place, the depth of a row contiguous: element (i, p) at a[i·aStep + p]
  kColumns,  // in place, the rows of a depth contiguous: a[p·aStep + i]
  kTiles     // as packA left it
};

// The sizes that a set's tiles have: `mr` rows × `across` vectors of `lanes` columns, the width of a packed panel of B.
// Dot products take `lanes` of the depth at a time.
struct GemmShape {
  int mr, across, lanes;
};

// C = start + A·B over one block of the depth, which is whole chains but for the last. Columns come in panels of `lanes`, and
// element (p, j) of panel q lies at b[q·bPanel + p·bStep + j]: for packed panels bStep = lanes and bPanel = lanes·depth at
// least; for rows of B in place bStep is their distance and bPanel = lanes, with `columns` a multiple of lanes, for panels are
// read whole.
template <class T>
struct GemmBlock {
  int64_t rows, columns, depth;
  Reading reading;
  const T* a;
  int64_t aStep;
  const T* b;
  bool packed;
  int64_t bStep, bPanel;
  T* c;
  int64_t cRow;
  const T* start;  // what the first chain starts from, rows `startRow` apart (C itself goes), else `bias`, else zero
  int64_t startRow;
  const T* bias;          // one value per column
  bool resumes;           // C holds the sum of the chains before this block: nothing else is started from
  Activation activation;  // what is done at the end
  bool rowsOutside;       // walks the panels for each tile of rows, else the tiles for each panel
};

// C = start + A·Bᵀ by dot products: rows of A and rows of Bᵀ ("columns") contiguous along the depth, nothing packed.
template <class T>
struct DotBlock {
  int64_t rows, columns, depth;
  const T* a;
  int64_t aRow;
  const T* b;
  int64_t bColumn;
  T* c;
  int64_t cRow;
  const T* start;
  int64_t startRow;
  const T* bias;
  Activation activation;
};

// Y = bias + W·X over steps [begin, end) of the depth, where step begin + p takes the pixels from x[offsets[p]] on: from 0 on
// it starts from the bias, else from Y. The steps are summed in chains of `chain`, begun anew at each multiple of `period`, of
// which `begin` is one. Pixels are read in whole vectors: what comes after the last one must be there, and may hold anything.
template <class T>
struct ConvBlock {
  int64_t rows, columns, depth;
  int64_t begin, end;
  int64_t period, chain;
  const T* weights;  // of all of the depth, as packA leaves them
  const T* x;
  const int32_t* offsets;
  T* y;
  int64_t yRow;
  const T* bias;  // one value per row, or null
  Activation activation;
  T* panel;  // room for convPanel(shape, chain) elements, aligned; null where pixels are best read in place
};

// The operands of one tile of pixels.
inline int64_t convPanel(const GemmShape& shape, int64_t depth) { return depth * shape.across * shape.lanes; }

// out = (out +) X·G, where row i of X are the `depth` pixels, at least one, from x[offsets[i]] on, and G is as packB leaves it
// in so many panels; out has room for whole panels. Pixels are summed in chains of `chain`, begun anew at each multiple of
// `period`.
template <class T>
struct ConvSlopeBlock {
  int64_t rows, panels, depth;
  int64_t period, chain;
  const T* x;
  const int32_t* offsets;
  const T* gradient;
  T* out;
  int64_t outRow;
  bool accumulate;
};

// y[i][j] = bias + Σ weights[t]·x[i·xRow + offsets[t] + j] in chains of kChain, y's rows one after another; x is read in whole
// vectors.
template <class T>
struct ConvChannel {
  int64_t rows, columns, taps;
  const T* x;
  int64_t xRow;
  const int32_t* offsets;
  const T* weights;
  T bias;
  T* y;
  Activation activation;
};

// Rows [begin, end) of a plane of outputs, `yRow` apart, of a channel with a filter of its own:
// y[i][j] = f(bias + Σ weights[r][s]·x[i·step + firstDown + r][j·step + firstAcross + s]) with x[height][width] and zeros
// outside, summed in the order of the taps. The filters are of 3 × 3 or 5 × 5 taps and the steps 1 or 2, or of 7 × 7 with a
// step of 1 where depthwiseTaps says so. With two phases, a step of 1, and 1 × 2, 2 × 2, 2 × 3 or 3 × 3 taps there are two
// filters: column j of the outputs is computed as column j/2 by the first where j is even and by the second where it is odd,
// from the columns of taps whose bits are set in `present`.
template <class T>
struct DepthwisePlane {
  int64_t begin, end, columns, height, width;
  int step, tapsDown, tapsAcross, phases;
  int64_t firstDown, firstAcross;
  const T *x, *weights;
  uint32_t present[2];
  T bias;
  T* y;
  int64_t yRow;
  Activation activation;
};

// Adds to the vector of each tap (r, s), for each lane, Σ g[i][j]·x[i·step + firstDown + r][j·step + firstAcross + s] over the rows
// [begin, end) of g and the columns that fall into the lane, for `taps` × `taps` of them, 3 or 5, and steps of 1 or 2.
template <class T>
struct DepthwiseSlopes {
  int64_t begin, end, columns, height, width;
  int step, taps;
  int64_t firstDown, firstAcross;
  const T *x, *g;
  T* sums;
};

// Windows of one plane that lie inside it: the one in row i and column j begins at x[i·down·xRow + j·across].
struct PoolBlock {
  int64_t rows, columns, height, width, down, across;
  int64_t xRow, outRow;
};

// A row of windows as what lies under it sees it: g and the places of their largest elements, both to be read in whole vectors
// from `width` windows in front of the first to as many as are asked for after the last, with places that are none there.
template <class T>
struct PoolLine {
  const T *places, *g;
  T tap;  // the place of the window's element that lies in this row and furthest to the left
};

// Tensors that a rule may keep of each weight.
constexpr int kMaxKept = 3;

// One optimizer's update of one tensor. Which fields count depends on the rule.
struct UpdateArgs {
  double rate, weightDecay, gradScale, clip;  // gradients are scaled, then clipped to [-clip, clip]
  double momentum, beta1, beta2, epsilon, correction1, correction2;
  double leastRatio, mostRatio;  // bounds of a weight's length where LAMB takes it for its steps'
  bool nesterov, decoupled, firstStep;
};

// The rows that packA's tiles have room for.
inline int64_t packedRows(int64_t rows, int64_t mr) { return (rows + mr - 1) / mr * mr; }

// The float type that T is not.
template <class T>
struct OtherFloat;
template <>
struct OtherFloat<float> {
  using Type = double;
};
template <>
struct OtherFloat<double> {
  using Type = float;
};

template <class T>
struct FloatKernels {
  void (*const* unary)(int64_t count, const T* x, T* out);  // by Unary
  // With kLeft or kRight the operand of that side is one element.
  void (*binary[static_cast<int>(Binary::kCount)][static_cast<int>(Broadcast::kCount)])(int64_t count, const T* a,
                                                                                        const T* b, T* out);
  void (*compare[static_cast<int>(Compare::kCount)][static_cast<int>(Broadcast::kCount)])(int64_t count, const T* a,
                                                                                          const T* b, uint8_t* out);
  // min(max(x, low), high), NaN kept.
  void (*clip)(int64_t count, const T* x, T low, T high, T* out);
  // g where low <= x <= high or x is NaN, else 0.
  void (*clipGradient)(int64_t count, const T* g, const T* x, T low, T high, T* out);
  // a where the condition holds, else b, each of step 1, or 0: one element for all.
  void (*where)(int64_t count, const uint8_t* condition, const T* a, int64_t aStep, const T* b, int64_t bStep, T* out);

  // out[i] = x[i], rounded where T cannot hold it.
  void (*fromOther)(int64_t count, const typename OtherFloat<T>::Type* x, T* out);
  void (*fromInt32)(int64_t count, const int32_t* x, T* out);
  void (*fromUint8)(int64_t count, const uint8_t* x, T* out);

  // out[i] = x[i], past the caches: for what is too large to be there still when it is read. Other threads see it
  // after the next endStreams of this one.
  void (*stream)(int64_t count, const T* x, T* out);

  // out[j·outRow + i] = x[i·xRow + j], bit by bit.
  void (*turn)(int64_t rows, int64_t columns, const T* x, int64_t xRow, T* out, int64_t outRow);

  // One value over `count` elements; extremes of at least one. A sum is taken in blocks of 4096 elements, added in order.
  T (*reduceRow[static_cast<int>(Reduce::kCount)])(int64_t count, const T* x);
  // out[j] over `rows` rows (extremes: at least one) of `columns` elements, rows `stride` apart; the columns are independent of each other.
  void (*reduceColumns[static_cast<int>(Reduce::kCount)])(int64_t rows, int64_t columns, const T* x, int64_t stride,
                                                          T* out);

  // The mean of a row in pieces of `count`, `stride` apart, and the sum of the squares of what differs from it, which
  // overflow no sooner than a double does.
  void (*moments)(int64_t pieces, int64_t count, int64_t stride, const T* x, double* mean, double* squares);
  // (x - mean)·scale·gamma + beta; without gamma 1, without beta `shift`.
  void (*normalizeRow)(int64_t count, const T* x, T mean, T scale, T shift, const T* gamma, const T* beta, T* out);
  // With n = (x - mean)·scale: Σ g·gamma and Σ g·gamma·n, without gamma 1; and gammas += g·n and betas += g, where they are.
  void (*normSums)(int64_t count, const T* g, const T* gamma, const T* x, T mean, T scale, T* gammas, T* betas,
                   double* plain, double* along);
  // Σ g and Σ g·n over a row in pieces of `count`, `stride` apart.
  void (*channelSums)(int64_t pieces, int64_t count, int64_t stride, const T* g, const T* x, T mean, T scale, double* plain,
                      double* along);
  // factor·(g·weight·gamma - plain - n·along)
  void (*normSlope)(int64_t count, const T* g, T weight, const T* gamma, const T* x, T mean, T scale, T plain, T along,
                    T factor, T* out);
  // The same where each element has a mean, a scale and so on of its own: a row of columns.
  void (*normalizeColumns)(int64_t count, const T* x, const T* mean, const T* scale, const T* shift, T* out);
  // Adds x - center to sums, and its square to squares.
  void (*deviationsOfColumns)(int64_t count, const T* x, const T* center, T* sums, T* squares);
  void (*normColumns)(int64_t count, const T* g, const T* x, const T* mean, const T* scale, T* plain, T* along);
  void (*normSlopeColumns)(int64_t count, const T* g, const T* x, const T* mean, const T* scale, const T* plain,
                           const T* along, const T* factor, T* out);

  void (*softmaxRow)(int64_t count, const T* x, T* out);
  void (*logSoftmaxRow)(int64_t count, const T* x, T* out);
  T (*logSumExpRow)(int64_t count, const T* x);
  // For rows of `count`, one after the other, with labels in [0, count): ln Σ e^x - x[label], both taken from the row's
  // maximum, so that large logits keep their differences.
  void (*crossEntropyRows)(int64_t rows, int64_t count, const T* x, const int64_t* labels, T* out);
  // From the gradient of y = softmax(x) or y = logSoftmax(x) to that of x; the sum over the row is taken in double.
  // y·(g - Σ g·y)
  void (*softmaxGradientRow)(int64_t count, const T* g, const T* y, T* out);
  // g - exp(y)·Σ g
  void (*logSoftmaxGradientRow)(int64_t count, const T* g, const T* y, T* out);
  // For the same rows: g·(softmax(x) - e) with the unit vector e of the label.
  void (*crossEntropyGradientRows)(int64_t rows, int64_t count, const T* x, const int64_t* labels, const T* g, T* out);

  GemmShape gemmShape;
  // Packs depth × columns of B into panels [depth][lanes], one after the other, zeros beyond the columns.
  void (*packB)(int64_t depth, int64_t columns, const T* b, int64_t bDepth, int64_t bColumn, T* panels);
  // Packs rows × depth of A into tiles [depth][mr], cut as gemmBlock cuts its rows. What lies beyond a tile's rows is
  // left as it was. Takes packedRows(rows, mr)·depth elements.
  void (*packA)(int64_t rows, int64_t depth, const T* a, int64_t aRow, int64_t aDepth, T* tiles);
  // Each element is chains of kChain fused multiply-adds over the depth, added up in order, whatever tile it falls into.
  void (*gemmBlock)(const GemmBlock<T>& block);
  // Each element is one sum per lane over the depth, in chains of kChain, and a tree over the lanes.
  void (*dotBlock)(const DotBlock<T>& block);

  // Each element is chains of fused multiply-adds over the depth, added up in order, whatever tile it falls into.
  void (*convBlock)(const ConvBlock<T>& block);
  void (*convSlopeBlock)(const ConvSlopeBlock<T>& block);
  void (*convChannel)(const ConvChannel<T>& channel);
  void (*depthwise)(const DepthwisePlane<T>& plane);
  int depthwiseTaps;  // down and across of its largest filters
  void (*depthwiseSlopes)(const DepthwiseSlopes<T>& plane);
  // `rows` rows of `columns` elements each, one after another: `before` zeros, then `inside` elements of x, step apart, then
  // zeros; the rows of x are xRow apart.
  void (*copyPadded)(int64_t rows, int64_t columns, int64_t before, int64_t inside, const T* x, int64_t xRow, int64_t step,
                     T* out);

  // The largest element of each window, NaN where there is one; the sum of each, by the row's count times the column's.
  void (*poolMax)(const PoolBlock& block, const T* x, T* out);
  void (*poolMean)(const PoolBlock& block, const T* x, const T* rowCounts, const T* columnCounts, T* out);
  // As poolMax, and which of the window's elements the first of the largest is, row by row from 0; of NaNs the first.
  void (*poolMaxPlaced)(const PoolBlock& block, const T* x, T* out, T* places);
  // One row of slopes, from where the first window begins on, for windows one or two columns apart: sums of g over the
  // windows of all lines whose largest element lies there.
  void (*poolMaxLine)(int64_t columns, int64_t across, int64_t width, int64_t lines, const PoolLine<T>* line, T* slopes);
  // Adds each window's g to the slope of the element that `places` tells; a share of it to all of them.
  void (*poolMaxSlope)(const PoolBlock& block, const T* places, const T* g, T* slopes);
  void (*poolMeanSlope)(const PoolBlock& block, const T* rowCounts, const T* columnCounts, const T* g, T* slopes);

  // An LSTM's step. `gates` holds what came of the products for i, f, g and o, one after the other, and then σ(i), σ(f),
  // tanh(g) and σ(o); c = f·before + i·g and h = o·tanh(c).
  void (*lstmRow)(int64_t count, T* gates, const T* before, T* c, T* h);
  // From the gradients of h and c to those of the gates' products, and in dc to that of the cell before.
  void (*lstmSlopeRow)(int64_t count, const T* gates, const T* before, const T* c, const T* dh, T* dc, T* slopes);
  // A GRU's step, for r, z and n one after the other: r = σ(input + hidden), z likewise, n = tanh(input + r·hidden) and
  // h = (1 - z)·n + z·before. r, z, n and what r multiplied are kept.
  void (*gruRow)(int64_t count, const T* input, const T* hidden, const T* before, T* kept, T* h);
  // From the gradient of h to those of the products with the input and the state, and to that of the state before but for
  // its product.
  void (*gruSlopeRow)(int64_t count, const T* kept, const T* before, const T* dh, T* input, T* hidden, T* dBefore);

  // The gradient after an activation from that of y = f(x): g·f'(x). In terms of y for kRelu (at y > 0 alone, so that a
  // NaN or infinity elsewhere is cut off), kTanh and kSigmoid; in terms of x for kGelu, kGeluTanh and kSilu.
  void (*activationGradient)(Unary function, int64_t count, const T* g, const T* saved, T* out);

  // `kept` holds what the rule keeps between steps; what it may do without is null there. LAMB leaves its direction in
  // the last of them, and the weight as it is.
  void (*update[static_cast<int>(Rule::kCount)])(int64_t count, T* weight, const T* gradient, T* const (&kept)[kMaxKept],
                                                 const UpdateArgs& args);
  // Σ x², in blocks of 4096 elements, added in order.
  double (*sumOfSquares)(int64_t count, const T* x);
};

// A value whose channels lie in blocks: [image][block][row][column][kBlock]. Channels that fill up the last block may hold
// anything.
constexpr int64_t kBlock = 16;

// y = f(bias + Σ weights·x + residual), held to [low, high] before f, for `rows` × `columns` outputs of some blocks of filters.
// The sum goes over the channels, and in each over its taps, row by row, in chains of `chain` channels that are begun at zero
// (the first at the bias) and added up in order.
struct BlockedConv {
  int64_t rows, columns, blocks, channels, chain, taps;
  bool plain;              // x's channels lie in planes instead of blocks
  int step;                // from a column of outputs to the next: 1 or 2
  const float* x;          // the first tap of the first output
  int64_t xRow, xPlane;    // from a row of outputs to the next, from a block or plane to the next
  const int32_t* offsets;  // where each tap of each of `together` channels lies from the first
  int64_t together;        // kBlock; all channels of planes
  const float* weights;    // [block][channel][tap][kBlock]; what follows them is fetched ahead
  int64_t weightsBlock;
  const float* bias;      // [block][kBlock], or null
  const float* residual;  // or null
  int64_t residualRow, residualPlane;
  float* y;
  int64_t yRow, yPlane;
  float low, high;
  Activation activation;
};

// The same of a block of channels with a filter each, of 3 × 3 or 5 × 5 taps, for steps of 1 or 2, summed in one chain.
struct BlockedDepthwise {
  int64_t rows, columns;
  int taps, step;
  const float* x;
  int64_t xRow;          // from a row of x to the next
  const float* weights;  // [tap][kBlock]
  const float* bias;
  float* y;
  int64_t yRow;
  float low, high;
  Activation activation;
};

// The rows [begin, end) of windows of height × width over one block of x, of which each holds an element: their largest, or
// with counts their sums by the row's count times the column's.
struct BlockedPool {
  int64_t begin, end, columns, height, width, down, across, top, left;
  const float* x;
  int64_t xRows, xColumns, xRow;
  const float *rowCounts, *columnCounts;
  float* y;
  int64_t yRow;
};

struct BlockedKernels {
  int filterBlocks;  // how many blocks of filters `conv` takes at most
  void (*conv)(const BlockedConv& c);
  void (*depthwise)(const BlockedDepthwise& d);
  void (*pool)(const BlockedPool& p);
  // The mean of a block's pixels.
  void (*mean)(int64_t rows, int64_t columns, const float* x, int64_t xRow, float* out);
  // Each pixel of a row times factors[kBlock].
  void (*scale)(int64_t columns, const float* x, const float* factors, float* out);
};

// Winograd's F(m × m, 3 × 3) computes tiles of m × m outputs by (m + 2)² products in place of 9·m². Its transforms go through the
// points 0, ±1 and infinity for m = 2, and for m = 4 through 0, ±a, ±b and infinity: of points that are short binary fractions
// these leave about the least error.
constexpr double kWinogradA = 0.625, kWinogradB = 1.5;

// The first factors of the products of a row of tiles of one block: a position is one of the (m + 2)² of a tile.
struct WinogradInput {
  int size;               // m
  int64_t tiles;          // one after the other, m columns apart
  int64_t rows, columns;  // that are there from the first pixel on; zeros lie beyond
  const float* x;         // the first pixel that the first tile reads
  int64_t xRow;
  float* out;        // [position][tile][kBlock]
  int64_t position;  // from a position to the next
};

// y = f(bias + the outputs that come of the products' sums + residual), held to [low, high] before f.
struct WinogradOutput {
  int size;
  int64_t tiles;
  int64_t rows, columns;  // of y: m rows at most, and m columns for each tile
  const float* sums;      // [position][tile][kBlock]
  int64_t position;
  const float* bias;      // [kBlock], or null
  const float* residual;  // or null
  int64_t residualRow;
  float* y;
  int64_t yRow;
  float low, high;
  Activation activation;
};

struct WinogradKernels {
  void (*input)(const WinogradInput& w);
  void (*output)(const WinogradOutput& w);
  // The second factors, computed in float64: from taps[9][kBlock] of a channel to out[position][kBlock].
  void (*filters)(int size, const float* taps, float* out, int64_t position);
};

struct KernelTable {
  const char* name;
  void (*endStreams)();
  BlockedKernels blocked;
  WinogradKernels winograd;
  FloatKernels<float> f32;
  FloatKernels<double> f64;
  // Repeats independent fused multiply-adds; returns a value that depends on them. For measuring the machine's peak.
  double (*fmaPeak)(int64_t rounds, double* flops);
};

const KernelTable* scalarKernels();
const KernelTable* avx2Kernels();
const KernelTable* avx512Kernels();
const KernelTable* neonKernels();

template <class T>
inline const FloatKernels<T>& floatKernels(const KernelTable& table);
template <>
inline const FloatKernels<float>& floatKernels<float>(const KernelTable& table) {
  return table.f32;
}
template <>
inline const FloatKernels<double>& floatKernels<double>(const KernelTable& table) {
  return table.f64;
}

}  // namespace latent
