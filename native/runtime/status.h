// The answer of a native call. The numbers are part of the binding's protocol; JavaScript words the errors.
#pragma once

// A contract that was broken. A debug build notes where.
#ifdef LATENT_DEBUG
#define LATENT_BROKEN ::latent::brokenContract(__FILE__, __LINE__)
#else
#define LATENT_BROKEN ::latent::Status::kContract
#endif

// clang-format off
#define LATENT_STATUSES(X)                                                                                \
  X(Ok, ok)                                                                                               \
  X(OutOfMemory, outOfMemory) /* nothing was touched */                                                   \
  X(BadHandle, badHandle)     /* a slot that holds no tensor */                                           \
  X(Contract, contract)       /* arguments that the layer above should never have sent */                 \
  X(Overflow, overflow)       /* an integer result does not fit its type */                               \
  X(Index, index)             /* an index lies outside its axis */                                        \
  X(Domain, domain)           /* an integer raised to a negative power, or a number outside of a range */ \
  X(Failed, failed)           /* an exception was caught at the boundary */                               \
  X(Stopped, stopped)         /* a run was ended because it is wanted no more */
// clang-format on

namespace latent {

enum class Status : int {
#define LATENT_ENTRY(Name, name) k##Name,
  LATENT_STATUSES(LATENT_ENTRY)
#undef LATENT_ENTRY
};

#ifdef LATENT_DEBUG
Status brokenContract(const char* file, int line) noexcept;
// Where this thread broke a contract last: "file:line", or null.
const char* lastBrokenContract() noexcept;
#endif

}  // namespace latent
