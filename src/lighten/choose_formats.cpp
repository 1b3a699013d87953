#include "lighten/choose_formats.h"

#include <algorithm>

#include "base/error.h"

namespace sori {
namespace {

struct Step {
  std::size_t layer = 0, from = 0, to = 0;
  std::uint64_t bytes = 0;
  double saved = 0;

  double saved_a_byte() const { return saved / static_cast<double>(bytes); }
};

// From the first option along the lower convex hull: each step saves less a byte than the one before.
void add_steps(std::size_t layer, const std::vector<FormatOption>& options, std::vector<Step>& steps) {
  for (std::size_t from = 0;;) {
    Step best;
    for (std::size_t to = from + 1; to < options.size(); ++to) {
      require(options[to].bytes > options[to - 1].bytes, "options are sorted by their bytes");
      const Step step{layer, from, to, options[to].bytes - options[from].bytes, options[from].rise - options[to].rise};
      if (step.saved > 0 && (best.bytes == 0 || step.saved_a_byte() >= best.saved_a_byte())) best = step;
    }
    if (best.bytes == 0) return;
    steps.push_back(best);
    from = best.to;
  }
}

// "model.encoder.layers.0.fc1.weight" -> "model.encoder.layers.0"
std::string turn_of(const LayerOptions& layer) {
  constexpr std::string_view kLayers = ".layers.";
  return layer.weight.substr(0, layer.weight.find('.', layer.weight.find(kLayers) + kLayers.size()));
}

}  // namespace

FormatChoice choose_formats(const std::vector<LayerOptions>& layers, std::uint64_t budget) {
  FormatChoice choice{std::vector<std::size_t>(layers.size())};
  std::vector<Step> steps;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    choice.bytes += layers[i].options.front().bytes;
    add_steps(i, layers[i].options, steps);
  }
  std::ranges::stable_sort(steps, std::ranges::greater{}, &Step::saved_a_byte);
  for (const Step& step : steps) {
    if (choice.chosen[step.layer] != step.from) continue;  // the step before it did not fit
    if (choice.bytes + step.bytes > budget) continue;
    choice.chosen[step.layer] = step.to;
    choice.bytes += step.bytes;
  }
  for (std::size_t i = 0; i < layers.size(); ++i) choice.rise += layers[i].options[choice.chosen[i]].rise;
  return choice;
}

FormatChoice choose_formats(const std::vector<LayerOptions>& layers, const FormatBudget& budget) {
  if (!budget.in_turns) return choose_formats(layers, budget.bytes);
  FormatChoice all;
  for (auto first = layers.begin(); first != layers.end();) {
    const std::string turn = turn_of(*first);
    const auto last = std::find_if(first, layers.end(), [&](const LayerOptions& l) { return turn_of(l) != turn; });
    const FormatChoice one = choose_formats({first, last}, budget.bytes);
    all.chosen.insert(all.chosen.end(), one.chosen.begin(), one.chosen.end());
    all.bytes += one.bytes, all.rise += one.rise;
    first = last;
  }
  return all;
}

}  // namespace sori
