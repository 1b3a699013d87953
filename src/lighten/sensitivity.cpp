#include "lighten/sensitivity.h"

#include "base/threads.h"
#include "model/layer_pages.h"
#include "model/stored_weight.h"
#include "quant/file_format.h"

namespace sori {
namespace {

// Numbers of a weight as formats are made of them.
Numbers numbers_of(const Parameter& p) {
  const ConstMat m = dense(p.weight);
  require(!m.empty(), "what is measured is not quantised yet");
  const BaseWeight flat = as_weight(ConstMat(m.data, m.type, 1, m.size()));
  return {m.rows, m.cols, config_name_of(m.type), [flat](std::int64_t first, std::span<float> out) {
            std::visit([&](const auto& w) { decode(w, 0, first, out); }, flat);
          }};
}

// Sum of g^2 d^2, d being what rounding changes of the weight; in the order of rows, so that it does not depend on
// threads.
double weighted_change(const Parameter& p, const BaseWeight& rounded) {
  std::vector<double> rows(static_cast<std::size_t>(p.rows()));
  parallel_for(p.rows(), [&](std::int64_t r) {
    const auto cols = static_cast<std::size_t>(p.cols());
    std::vector<float> was(cols), is(cols);
    decode_rows(p.weight, r, Mat(was.data(), 1, p.cols()));
    decode_rows(rounded, r, Mat(is.data(), 1, p.cols()));
    const float* gradient = p.gradient.row<float>(r);
    double sum = 0;
    for (std::size_t i = 0; i < cols; ++i) {
      const double change = double{gradient[i]} * (double{is[i]} - double{was[i]});
      sum += change * change;
    }
    rows[static_cast<std::size_t>(r)] = sum;
  });
  double sum = 0;
  for (const double row : rows) sum += row;
  return sum;
}

// Takes each layer's gradient when it is done, and leaves zeros for the next layer.
class ChangeMeter : public GradientSink {
 public:
  ChangeMeter(Whisper& model, Sensitivity& s) : s_(s) {
    for_each_linear(model, [&](const std::string& name, Linear& l) {
      layers_[&l.weight] = s.layers.size();
      s.layers.push_back({{name + ".weight", l.weight.shape}, std::vector<double>(s.formats.size())});
    });
  }

  void finished(Parameter& p) override {
    std::vector<double>& rises = s_.layers[layers_.at(&p)].rises;
    for (std::size_t f = 0; f < rises.size(); ++f) {
      const QuantisedNumbers rounded = quantise(*find_file_format(s_.formats[f]), numbers_of(p), "calibration");
      rises[f] += weighted_change(p, rounded.weight);
    }
    set_zero(p.gradient);
  }

 private:
  Sensitivity& s_;
  std::map<const Parameter*, std::size_t> layers_;
};

// Of all linear layers, in one memory: they take turns. They are marked when they are loaded already, so that they stay
// where they lie in the file.
void learn_in_turns(Whisper& model, Carver& c) {
  std::int64_t largest = 0;
  for_each_linear(model, [&](const std::string&, Linear& l) { largest = std::max(largest, l.weight.size()); });
  const Carver::In gradients(c, Purpose::kGradients);
  float* shared = c.array<float>(static_cast<std::size_t>(largest)).data();
  for_each_linear(model, [&](const std::string&, Linear& l) {
    l.weight.trainable = true;
    l.weight.gradient = Mat(shared, l.weight.rows(), l.weight.cols());
  });
}

}  // namespace

Sensitivity measure_sensitivity(const WhisperConfig& config, const TensorFile& file, const Calibration& calibration,
                                const std::vector<std::string>& formats, const CalibrationProgress& progress) {
  Calibrated run(config, file, calibration, Keep::kInputs, learn_in_turns);
  Sensitivity s{.formats = formats, .layers = {}};
  ChangeMeter meter(run.model(), s);
  const LayerPages pages(run.model(), file);
  const Pass pass{.backend = run.backend(), .drop = &pages, .sink = &meter};
  s.loss = run.for_each_sample([&](const Batch& b) { return forward_backward(pass, run.model(), b, {}, run.memory()); },
                               progress);
  s.tokens = run.tokens();
  s.loss /= static_cast<double>(s.tokens);
  for (LayerSensitivity& layer : s.layers)
    for (double& rise : layer.rises) {
      rise /= 2 * static_cast<double>(s.tokens);
      if (!std::isfinite(rise))
        throw Error{ErrorKind::kNumeric, "the gradient is not a number", layer.weight.name,
                    "use another copy of the model or data"};
    }
  return s;
}

std::uint64_t sensitivity_bytes(const WhisperConfig& config, const TensorFile& file, const Calibration& calibration,
                                const std::vector<std::string>& formats) {
  std::uint64_t codes = 0;  // of the weight that is quantised
  for (const NamedShape& t : tensor_list(config))
    if (is_linear(t))
      for (const std::string& format : formats)
        codes = std::max(codes, stored_bytes(t, weight_nowhere(format, t.shape[0], t.shape[1])));
  return codes + Calibrated::bytes(config, file, calibration, Keep::kInputs, learn_in_turns);
}

}  // namespace sori
