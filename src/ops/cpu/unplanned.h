// For tests: a run that was planned takes nothing else.
#pragma once

#include <cstddef>

#include "ops/backend.h"

namespace sori {

// Bytes that operations of a CPU backend took from the heap because the Limits they were planned for were too small.
std::size_t unplanned_bytes(const Backend& cpu);

}  // namespace sori
