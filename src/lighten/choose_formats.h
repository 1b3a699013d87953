// Which layers get more bits where not all of them can.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sori {

struct FormatOption {
  std::string format;
  std::uint64_t bytes = 0;
  double rise = 0;  // of the loss
};

struct LayerOptions {
  std::string weight;
  std::vector<FormatOption> options;  // each of more bytes than the one before
};

struct FormatChoice {
  std::vector<std::size_t> chosen{};  // of each layer's options
  std::uint64_t bytes = 0;            // of all layers
  double rise = 0;                    // the sum
};

// Begins with the first option of every layer and takes, again and again, the step that saves most of the rise a byte
// and still fits into `budget`, the bytes of all layers: the greedy solution of a multiple-choice knapsack (Sinha and
// Zoltners, "The multiple-choice knapsack problem", 1979), along the lower convex hull of each layer's options, so that
// a larger budget never gives a larger rise. Of equal steps the first layer's is taken. Where even the first options do
// not fit, these are what is returned.
FormatChoice choose_formats(const std::vector<LayerOptions>& layers, std::uint64_t budget);

// Bytes that linear layers may take: all together; or, where layers of encoder and decoder pass through memory in
// turns, those of each such layer.
struct FormatBudget {
  std::uint64_t bytes = 0;
  bool in_turns = false;
};
FormatChoice choose_formats(const std::vector<LayerOptions>& layers, const FormatBudget& budget);

}  // namespace sori
