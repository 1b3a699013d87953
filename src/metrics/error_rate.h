// Character and word error rates: the fewest substitutions, deletions and insertions that turn the reference into the
// hypothesis, over the length of the reference.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sori {

struct ErrorCounts {
  std::int64_t substitutions = 0, deletions = 0, insertions = 0;
  std::int64_t reference_length = 0;  // characters or words

  std::int64_t errors() const { return substitutions + deletions + insertions; }
  // Above 1 when much was inserted. An empty reference counts as one of length 1 (jiwer does the same): 0 when nothing
  // was heard either, otherwise the number of insertions.
  double rate() const;

  ErrorCounts& operator+=(const ErrorCounts& other);
  bool operator==(const ErrorCounts&) const = default;
};

// Among alignments with equally few errors the one that jiwer (rapidfuzz) reports, so its counts are equal too. Time is
// the product of the lengths, memory one row.
ErrorCounts count_errors(std::span<const char32_t> reference, std::span<const char32_t> hypothesis);
ErrorCounts count_errors(std::span<const std::string_view> reference, std::span<const std::string_view> hypothesis);

enum class EditKind : std::uint8_t { kEqual, kSubstitution, kDeletion, kInsertion };

// A step of an alignment. 0 stands for nothing: a deletion has no heard character, an insertion no said one.
struct Edit {
  EditKind kind = EditKind::kEqual;
  char32_t said = 0, heard = 0;

  bool operator==(const Edit&) const = default;
};

// The alignment that count_errors() counts. Time and memory (a byte each) are the product of the lengths.
std::vector<Edit> align(std::span<const char32_t> reference, std::span<const char32_t> hypothesis);

// Of one utterance, or of a corpus when added up: the corpus' rate is its errors over its length, not a mean of rates.
struct Score {
  ErrorCounts cer;              // letters and digits
  ErrorCounts cer_with_blanks;  // and the blanks between words
  ErrorCounts wer;              // words

  Score& operator+=(const Score& other);
};

// Both texts go through the normaliser first.
Score score_pair(std::string_view reference, std::string_view hypothesis);

}  // namespace sori
