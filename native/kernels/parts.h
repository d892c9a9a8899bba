// The part of its instruction set's table that each kernel source fills.
#pragma once

#include "kernels.h"
#include "vec.h"

namespace latent {
namespace LATENT_ISA {

void addUnary(KernelTable& table);
void addBinary(KernelTable& table);
void addActivation(KernelTable& table);
void addConvert(KernelTable& table);
void addReduce(KernelTable& table);
void addStream(KernelTable& table);
void addTurn(KernelTable& table);
void addSoftmax(KernelTable& table);
void addGemm(KernelTable& table);
void addGemmPack(KernelTable& table);
void addGemmDot(KernelTable& table);
void addConv(KernelTable& table);
void addBlocked(KernelTable& table);
void addDepthwise(KernelTable& table);
void addNorm(KernelTable& table);
void addPool(KernelTable& table);
void addRecurrent(KernelTable& table);
void addOptim(KernelTable& table);
void addWinograd(KernelTable& table);

}  // namespace LATENT_ISA
}  // namespace latent
