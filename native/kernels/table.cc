// Gathers one instruction set's kernels.
#include "parts.h"

namespace latent {
namespace LATENT_ISA {

#define LATENT_TEXT_OF(x) #x
#define LATENT_TEXT(x) LATENT_TEXT_OF(x)

static KernelTable makeTable() {
  KernelTable table{};
  table.name = LATENT_TEXT(LATENT_ISA);
  addUnary(table);
  addBinary(table);
  addActivation(table);
  addConvert(table);
  addReduce(table);
  addStream(table);
  addTurn(table);
  addSoftmax(table);
  addGemm(table);
  addGemmPack(table);
  addGemmDot(table);
  addConv(table);
  addBlocked(table);
  addDepthwise(table);
  addNorm(table);
  addPool(table);
  addRecurrent(table);
  addOptim(table);
  addWinograd(table);
  return table;
}

}  // namespace LATENT_ISA

#if defined(LATENT_ISA_AVX512)
const KernelTable* avx512Kernels() {
#elif defined(LATENT_ISA_AVX2)
const KernelTable* avx2Kernels() {
#elif defined(LATENT_ISA_NEON)
const KernelTable* neonKernels() {
#else
const KernelTable* scalarKernels() {
#endif
  static const KernelTable table = LATENT_ISA::makeTable();
  return &table;
}

}  // namespace latent
