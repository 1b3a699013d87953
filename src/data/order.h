// The order in which training sees its utterances: a function of the seed and the epoch, so that the number of samples
// consumed so far is all that a resumed run needs to know.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sori {

class DataOrder {
 public:
  DataOrder(std::size_t utterances, std::uint64_t seed);  // at least one utterance

  // Which utterance is sample number `position`; every epoch visits each once. Steps back are allowed, and as slow as
  // an epoch.
  std::size_t at(std::uint64_t position);

 private:
  void shuffle(std::uint64_t epoch);

  std::uint64_t seed_, epoch_ = 0;
  std::vector<std::uint32_t> order_;
};

}  // namespace sori
