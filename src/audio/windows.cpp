#include "audio/windows.h"

#include "audio/rate.h"
#include "base/error.h"

namespace sori {
namespace {

constexpr std::size_t kStep = kSampleRate / 100;       // places for a cut are 10 ms apart
constexpr std::size_t kPauseWithin = 8 * kSampleRate;  // people pause at least so often
constexpr double kPause = 0.01;                        // of the window's energy
constexpr std::size_t kQuiet = 30;                     // steps of sound that are judged around a place: 0.3 s

double energy(std::span<const float> samples) {
  double sum = 0;
  for (const float x : samples) sum += static_cast<double>(x) * x;
  return sum;
}

// Where to end a window that starts at the first sample, leaving a second to the next window where that is possible
// (the model makes words up in a scrap of silence).
std::size_t end_of_window(std::span<const float> samples, std::size_t longest, bool first_pause) {
  const std::size_t looked_at = std::max(longest / 3, std::min(kPauseWithin, longest - longest / 3));
  const std::size_t first = (longest - looked_at) / kStep;
  const std::size_t last = std::max(first, std::min(longest, samples.size() - kSampleRate) / kStep);
  const std::size_t half = kQuiet / 2;
  std::vector<double> steps;  // energy of each step from (first - half) on
  for (std::size_t s = first - half; s < last + half && s * kStep < samples.size(); ++s)
    steps.push_back(energy(samples.subspan(s * kStep, std::min(kStep, samples.size() - s * kStep))));
  std::vector<double> around;  // energy around each place
  for (std::size_t place = first; place <= last; ++place) {
    // Summed anew at each place: a running sum would round, and equal silences would differ.
    double sum = 0;
    for (std::size_t i = place - first; i < std::min(place - first + kQuiet, steps.size()); ++i) sum += steps[i];
    around.push_back(sum);
  }
  if (first_pause) {
    const double level = energy(samples.first(longest)) / static_cast<double>(longest) * (kQuiet * kStep);
    const auto is_pause = [&](double e) { return e <= kPause * level; };
    const auto begin = std::ranges::find_if(around, is_pause);
    const auto end = std::find_if_not(begin, around.end(), is_pause);
    if (begin != end) return (first + static_cast<std::size_t>(begin - around.begin() + (end - begin) / 2)) * kStep;
  }
  const auto latest = std::min_element(around.rbegin(), around.rend());  // the first of equals
  return (last - static_cast<std::size_t>(latest - around.rbegin())) * kStep;
}

}  // namespace

std::vector<Window> cut_windows(std::span<const float> samples, const Cutting& how) {
  require(how.longest >= 1, "a window lasts at least a second");
  const auto longest = static_cast<std::size_t>(how.longest * kSampleRate);
  std::vector<Window> windows;
  std::size_t begin = 0;
  while (samples.size() - begin > longest) {
    const std::size_t length = end_of_window(samples.subspan(begin), longest, how.first_pause);
    windows.push_back({begin, begin + length});
    begin += length;
  }
  if (begin < samples.size()) windows.push_back({begin, samples.size()});
  return windows;
}

}  // namespace sori
