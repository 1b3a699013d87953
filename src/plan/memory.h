// Bytes of a training run, by purpose and by phase, before it starts. The trainer takes its arena from the same
// functions, so what is planned is what is handed out.
#pragma once

#include <array>

#include "base/json.h"
#include "plan/run_memory.h"

namespace sori {

using BytesByPurpose = std::array<std::uint64_t, static_cast<std::size_t>(Purpose::kCount)>;

// One phase of a run: what it uses of the arena, and what of the frozen base lies resident meanwhile.
struct PhaseMemory {
  std::string name;  // load, start (of adapters, where they compute it), train step, evaluate, save
  BytesByPurpose arena{};
  std::uint64_t base = 0;
};

struct MemoryPlan {
  std::uint64_t arena = 0;    // one block, touched at the start: the same in every phase
  std::uint64_t base = 0;     // of the mapped model file, read-only and shared: the system may drop and read it again
  std::uint64_t program = 0;  // heap, stacks and what the loader makes ahead: an estimate from measured runs
  std::uint64_t code = 0;     // resident pages of the program and its libraries: an estimate too
  std::vector<PhaseMemory> phases;

  std::uint64_t private_bytes() const { return arena + program; }
  std::uint64_t resident_bytes() const { return private_bytes() + base + code; }
};

// The model has its shapes, adapters and trainable marks; its memory is counted anew. Utterances: of the data set,
// whose lines the program keeps; 0 where it is not known.
MemoryPlan plan_memory(Whisper& model, Compute compute, const RunLimits& limits, std::size_t utterances);

// Bytes of the frozen matrices as they lie in the file.
struct BaseBytes {
  std::uint64_t encoder = 0, decoder = 0;  // of all layers
  std::uint64_t layer = 0;                 // of the largest one
  std::uint64_t others = 0;                // embedding, positions, convolutions
  std::uint64_t all() const { return encoder + decoder + others; }
};
BaseBytes base_bytes(Whisper& model);

Json to_json(const MemoryPlan& plan);
std::string to_text(const MemoryPlan& plan);      // a table: phases down, purposes across, and the totals
std::string totals_text(const MemoryPlan& plan);  // one line

}  // namespace sori
