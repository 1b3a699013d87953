#include "text/byte_pairs.h"

#include <queue>
#include <tuple>

namespace sori {
namespace {

std::uint64_t pair_key(int left, int right) {
  return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
}

// A token of the word, in a list linked by index; previous and next are -1 at the ends.
struct Symbol {
  int id;  // -1 once joined into the symbol before it
  int previous, next;
};

struct Candidate {
  int rank, at, joined;
  bool operator<(const Candidate& o) const { return std::tie(rank, at) > std::tie(o.rank, o.at); }  // smallest on top
};

}  // namespace

void BytePairs::add_merge(int left, int right, int joined) {
  merges_.insert_or_assign(pair_key(left, right), Merge{rank_++, joined});
}

const BytePairs::Merge* BytePairs::find(int left, int right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void BytePairs::encode(std::string_view word, std::vector<int>& out) const {
  const int n = static_cast<int>(word.size());
  std::vector<Symbol> symbols(word.size());
  for (int i = 0; i < n; ++i)
    symbols[i] = {byte_ids_[static_cast<unsigned char>(word[i])], i - 1, i + 1 < n ? i + 1 : -1};

  std::priority_queue<Candidate> queue;
  const auto consider = [&](int at) {
    if (at < 0 || symbols[at].next < 0) return;
    if (const Merge* merge = find(symbols[at].id, symbols[symbols[at].next].id))
      queue.push({merge->rank, at, merge->joined});
  };
  for (int i = 0; i < n; ++i) consider(i);

  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.at];
    if (left.id < 0 || left.next < 0) continue;
    Symbol& right = symbols[left.next];
    const Merge* merge = find(left.id, right.id);
    if (merge == nullptr || merge->rank != best.rank) continue;  // a neighbour has changed since
    left.id = best.joined;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) symbols[left.next].previous = best.at;
    consider(left.previous);
    consider(best.at);
  }
  for (const Symbol& symbol : symbols)
    if (symbol.id >= 0) out.push_back(symbol.id);
}

}  // namespace sori
