// What a native call answers. The numbers are part of the binding's protocol; JavaScript words the errors.
#pragma once

namespace latent {

enum class Status : int {
  kOk = 0,
  kOutOfMemory = 1,   // nothing was touched
  kBadHandle = 2,     // a slot that holds no tensor
  kContract = 3,      // arguments that the layer above should never have sent
  kOverflow = 4,      // an integer result does not fit its type
  kIndex = 5,         // an index lies outside its axis
  kDomain = 6,        // an integer raised to a negative power
  kFailed = 7,        // an exception was caught at the boundary
  kStopped = 8        // a run was ended because it is wanted no more
};

}  // namespace latent
