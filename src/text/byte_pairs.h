// Byte-pair encoding of one word: starts from its bytes and joins, again and again, the neighbours whose merge was
// learned first (the leftmost of equals), as Hugging Face tokenizers does. O(n log n) for n bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sori {

class BytePairs {
 public:
  explicit BytePairs(const std::array<int, 256>& byte_ids) : byte_ids_(byte_ids) {}

  // Calls come in the order of the learned list. A pair named twice counts where it was named last, as in the
  // reference.
  void add_merge(int left, int right, int joined);
  void encode(std::string_view word, std::vector<int>& out) const;  // appends ids

 private:
  struct Merge {
    int rank, joined;
  };
  const Merge* find(int left, int right) const;

  std::array<int, 256> byte_ids_;
  int rank_ = 0;
  std::unordered_map<std::uint64_t, Merge> merges_;
};

}  // namespace sori
