#include "lighten/drop_layers.h"

#include <numeric>

namespace sori {
namespace {

// A model's layers without one of them while it lives.
template <class Layer>
class Without {
 public:
  Without(std::vector<Layer>& layers, std::size_t i) : layers_(layers), at_(static_cast<std::ptrdiff_t>(i)) {
    layer_ = std::move(layers_[i]);
    layers_.erase(layers_.begin() + at_);
  }
  ~Without() { layers_.insert(layers_.begin() + at_, std::move(layer_)); }
  Without(const Without&) = delete;
  Without& operator=(const Without&) = delete;

 private:
  std::vector<Layer>& layers_;
  std::ptrdiff_t at_;
  Layer layer_;
};

struct Candidate {
  Side side = Side::kEncoder;
  std::size_t at = 0;  // among the layers that are left
  double loss = 0;     // sum over tokens
};

class Dropper {
 public:
  Dropper(Calibrated& run, const WhisperConfig& config) : run_(run) {
    for (const auto& [numbers, count] :
         {std::pair{&encoder_, config.encoder_layers}, {&decoder_, config.decoder_layers}}) {
      numbers->resize(static_cast<std::size_t>(count));
      std::iota(numbers->begin(), numbers->end(), 0);
    }
  }

  double whole(const CalibrationProgress& progress) {
    const double sum = run_.for_each_sample(
        [&](const Batch& b) { return forward_loss(pass_, model_, b, {}, run_.memory()); }, progress);
    return sum / static_cast<double>(run_.tokens());
  }

  DroppedLayer drop(const std::vector<Side>& sides, const CalibrationProgress& progress) {
    std::vector<Candidate> all;
    for (const Side side : sides)
      if (numbers(side).size() > 1)
        for (std::size_t i = 0; i < numbers(side).size(); ++i) all.push_back({side, i});
    run_.for_each_sample([&](const Batch& b) { return add_losses(b, all); }, progress);
    const Candidate& least = *std::ranges::min_element(all, {}, &Candidate::loss);
    std::vector<int>& left = numbers(least.side);
    const DroppedLayer dropped{least.side, left[least.at], least.loss / static_cast<double>(run_.tokens())};
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(least.at));
    if (least.side == Side::kEncoder)
      erase(model_.encoder.layers, least.at);
    else
      erase(model_.decoder.layers, least.at);
    return dropped;
  }

 private:
  // The decoder's candidates all read the same audio states. Returns the sum, which tells whether all are finite.
  double add_losses(const Batch& b, std::vector<Candidate>& all) {
    LearnMemory& m = run_.memory();
    double sum = 0;
    const auto add = [&](Candidate& c, double loss) { c.loss += loss, sum += loss; };
    for (Candidate& c : all) {
      if (c.side == Side::kDecoder) continue;
      const Without without(model_.encoder.layers, c.at);
      add(c, forward_loss(pass_, model_, b, {}, m));
    }
    if (std::ranges::none_of(all, [](const Candidate& c) { return c.side == Side::kDecoder; })) return sum;
    encoder_forward(pass_, model_.encoder, b, m.mel.top(b.frames.total), m.encoder, m.scratch);
    for (Candidate& c : all) {
      if (c.side == Side::kEncoder) continue;
      const Without without(model_.decoder.layers, c.at);
      add(c, forward_loss_from_states(pass_, model_, b, {}, m));
    }
    return sum;
  }

  std::vector<int>& numbers(Side side) { return side == Side::kEncoder ? encoder_ : decoder_; }
  template <class Layer>
  static void erase(std::vector<Layer>& layers, std::size_t i) {
    layers.erase(layers.begin() + static_cast<std::ptrdiff_t>(i));
  }

  Calibrated& run_;
  Whisper& model_ = run_.model();
  const Pass pass_{run_.backend()};
  std::vector<int> encoder_, decoder_;  // numbers of the layers that are left
};

}  // namespace

const char* name_of(Side side) { return side == Side::kEncoder ? "encoder" : "decoder"; }

std::vector<int> LayerDrop::kept(Side side, int layers) const {
  std::vector<int> all;
  for (int i = 0; i < layers; ++i)
    if (std::ranges::none_of(dropped, [&](const DroppedLayer& d) { return d.side == side && d.layer == i; }))
      all.push_back(i);
  return all;
}

LayerDrop choose_layers_to_drop(const WhisperConfig& config, const TensorFile& file, const Calibration& calibration,
                                const std::vector<Side>& sides, int count, const CalibrationProgress& progress) {
  int most = 0;
  for (const Side side : sides) most += (side == Side::kEncoder ? config.encoder_layers : config.decoder_layers) - 1;
  if (count > most)
    throw Error{ErrorKind::kUsage, fmt::format("has no more than {} layers that can go: one of each side stays", most),
                file.where(), fmt::format("drop at most {}", most)};
  Calibrated run(config, file, calibration, Keep::kNothing);
  Dropper dropper(run, config);
  LayerDrop result;
  result.loss = dropper.whole(progress);
  result.tokens = run.tokens();
  for (int i = 0; i < count; ++i) result.dropped.push_back(dropper.drop(sides, progress));
  return result;
}

}  // namespace sori
