#include "metrics/error_rate.h"

#include "base/unicode.h"
#include "metrics/normaliser.h"

namespace sori {
namespace {

// The best alignment of a prefix of the reference with a prefix of the hypothesis. Insertions follow from the two
// lengths.
struct Cell {
  std::int64_t errors = 0, deletions = 0;
};

// Drops what both start with and end with: it aligns with itself.
template <class T>
void trim(std::span<const T>& a, std::span<const T>& b) {
  const auto front = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
  a = a.subspan(static_cast<std::size_t>(front));
  b = b.subspan(static_cast<std::size_t>(front));
  const auto back = std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend()).first - a.rbegin();
  a = a.first(a.size() - static_cast<std::size_t>(back));
  b = b.first(b.size() - static_cast<std::size_t>(back));
}

// Of equally good steps to a cell a deletion comes first, then an insertion that reaches it at the cost of the
// diagonal.
EditKind best_step(const Cell& up, const Cell& left, const Cell& diagonal, bool equal) {
  const std::int64_t straight = diagonal.errors + (equal ? 0 : 1);
  const std::int64_t errors = std::min({up.errors + 1, left.errors + 1, straight});
  if (errors == up.errors + 1) return EditKind::kDeletion;
  if (left.errors == diagonal.errors - 1) return EditKind::kInsertion;
  return equal ? EditKind::kEqual : EditKind::kSubstitution;
}

Cell cell_behind(EditKind step, const Cell& up, const Cell& left, const Cell& diagonal) {
  switch (step) {
    case EditKind::kDeletion:
      return {up.errors + 1, up.deletions + 1};
    case EditKind::kInsertion:
      return {left.errors + 1, left.deletions};
    case EditKind::kSubstitution:
      return {diagonal.errors + 1, diagonal.deletions};
    case EditKind::kEqual:
      break;
  }
  return diagonal;
}

// Fills the table of cells row by row; seen() is told of the step to each but those of the first row and column.
template <class T, class Seen>
Cell walk(std::span<const T> reference, std::span<const T> hypothesis, Seen&& seen) {
  std::vector<Cell> row(hypothesis.size() + 1);  // row[j]: reference[0, i) against hypothesis[0, j)
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = {static_cast<std::int64_t>(j), 0};
  for (const T& r : reference) {
    Cell diagonal = row[0];
    row[0] = {diagonal.errors + 1, diagonal.deletions + 1};
    for (std::size_t j = 1; j < row.size(); ++j) {
      const Cell up = row[j];
      const EditKind best = best_step(up, row[j - 1], diagonal, r == hypothesis[j - 1]);
      seen(best);
      row[j] = cell_behind(best, up, row[j - 1], diagonal);
      diagonal = up;
    }
  }
  return row.back();
}

template <class T>
ErrorCounts count(std::span<const T> reference, std::span<const T> hypothesis) {
  const auto length = std::ssize(reference);
  trim(reference, hypothesis);
  const Cell best = walk(reference, hypothesis, [](EditKind) {});
  const std::int64_t insertions = best.deletions + std::ssize(hypothesis) - std::ssize(reference);
  return {best.errors - best.deletions - insertions, best.deletions, insertions, length};
}

std::vector<std::string_view> words(std::string_view normalised) {
  std::vector<std::string_view> out;
  while (!normalised.empty()) {
    const std::size_t end = std::min(normalised.find(' '), normalised.size());
    out.push_back(normalised.substr(0, end));
    normalised.remove_prefix(std::min(end + 1, normalised.size()));
  }
  return out;
}

}  // namespace

double ErrorCounts::rate() const {
  return static_cast<double>(errors()) / static_cast<double>(std::max<std::int64_t>(reference_length, 1));
}

ErrorCounts& ErrorCounts::operator+=(const ErrorCounts& other) {
  substitutions += other.substitutions;
  deletions += other.deletions;
  insertions += other.insertions;
  reference_length += other.reference_length;
  return *this;
}

ErrorCounts count_errors(std::span<const char32_t> reference, std::span<const char32_t> hypothesis) {
  return count(reference, hypothesis);
}

ErrorCounts count_errors(std::span<const std::string_view> reference, std::span<const std::string_view> hypothesis) {
  return count(reference, hypothesis);
}

std::vector<Edit> align(std::span<const char32_t> reference, std::span<const char32_t> hypothesis) {
  std::span<const char32_t> said = reference, heard = hypothesis;
  trim(said, heard);
  const auto front = static_cast<std::size_t>(said.data() - reference.data());
  std::vector<EditKind> steps;
  steps.reserve(said.size() * heard.size());
  walk(said, heard, [&](EditKind step) { steps.push_back(step); });

  std::vector<Edit> edits;  // from the end to the start
  for (std::size_t i = reference.size(); i > front + said.size(); --i)
    edits.push_back({EditKind::kEqual, reference[i - 1], reference[i - 1]});
  for (std::size_t i = said.size(), j = heard.size(); i + j > 0;) {
    const EditKind step = i == 0   ? EditKind::kInsertion
                          : j == 0 ? EditKind::kDeletion
                                   : steps[(i - 1) * heard.size() + j - 1];
    Edit e{step};
    if (step != EditKind::kInsertion) e.said = said[--i];
    if (step != EditKind::kDeletion) e.heard = heard[--j];
    edits.push_back(e);
  }
  for (std::size_t i = front; i > 0; --i) edits.push_back({EditKind::kEqual, reference[i - 1], reference[i - 1]});
  std::ranges::reverse(edits);
  return edits;
}

Score& Score::operator+=(const Score& other) {
  cer += other.cer;
  cer_with_blanks += other.cer_with_blanks;
  wer += other.wer;
  return *this;
}

Score score_pair(std::string_view reference, std::string_view hypothesis) {
  const std::string r = normalise_for_wer(reference), h = normalise_for_wer(hypothesis);
  return {count_errors(code_points(normalise_for_cer(reference)), code_points(normalise_for_cer(hypothesis))),
          count_errors(code_points(r), code_points(h)), count_errors(words(r), words(h))};
}

}  // namespace sori
