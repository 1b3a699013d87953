#include "model/batch.h"

namespace sori {
namespace {

void reserve(Rows& rows, std::int64_t total, std::int64_t utterances) {
  rows.spans.reserve(static_cast<std::size_t>(utterances));
  rows.places.reserve(static_cast<std::size_t>(total));
  rows.keys.reserve(static_cast<std::size_t>(total));
}

template <class Count>
void assign(Rows& rows, std::span<const BatchItem> items, Count count) {
  rows.spans.clear(), rows.places.clear(), rows.keys.clear();
  std::int64_t first = 0;
  for (const BatchItem& u : items) {
    rows.spans.push_back({first, count(u)});
    for (std::int64_t i = 0; i < count(u); ++i) {
      rows.places.push_back(static_cast<int>(i));
      rows.keys.push_back(u.sample << 12 | static_cast<std::uint64_t>(i));  // at most 3,000 rows an utterance
    }
    first += count(u);
  }
  rows.total = round_rows(first);
  rows.places.resize(static_cast<std::size_t>(rows.total), -1);
  rows.keys.resize(static_cast<std::size_t>(rows.total), 0);
}

void pair_up(const Rows& queries, const Rows& keys, std::vector<AttentionSpan>& out) {
  out.clear();
  for (std::size_t i = 0; i < queries.spans.size(); ++i) out.push_back({queries.spans[i], keys.spans[i]});
}

}  // namespace

void Batch::reserve(const BatchLimits& l, std::int64_t most_utterances) {
  sori::reserve(frames, l.frame_rows(), most_utterances);
  sori::reserve(audio, l.audio_rows(), most_utterances);
  sori::reserve(text, l.text_rows(), most_utterances);
  for (auto* spans : {&audio_self, &text_self, &cross}) spans->reserve(static_cast<std::size_t>(most_utterances));
  tokens.reserve(static_cast<std::size_t>(l.text_rows()));
  targets.reserve(static_cast<std::size_t>(l.text_rows()));
}

void Batch::assign(std::span<const BatchItem> items) {
  sori::assign(frames, items, [](const BatchItem& u) { return u.frames; });
  sori::assign(audio, items, [](const BatchItem& u) { return (u.frames + 1) / 2; });
  sori::assign(text, items, [](const BatchItem& u) { return static_cast<std::int64_t>(u.input.size()); });
  pair_up(audio, audio, audio_self);
  pair_up(text, text, text_self);
  pair_up(text, audio, cross);
  tokens.clear(), targets.clear();
  for (const BatchItem& u : items) {
    tokens.insert(tokens.end(), u.input.begin(), u.input.end());
    targets.insert(targets.end(), u.target.begin(), u.target.end());
    targets.resize(tokens.size(), -1);  // decoding has no targets
  }
  tokens.resize(static_cast<std::size_t>(text.total), -1);
  targets.resize(static_cast<std::size_t>(text.total), -1);
}

}  // namespace sori
