#include "model/lora.h"

#include <cmath>
#include <set>

#include "base/options.h"
#include "base/rng.h"

namespace sori {
namespace {

bool matches(const std::string& name, const std::string& target) {
  return target == "all-linear" || name == target || name.ends_with("." + target);
}

Error unknown_target(const LoraConfig& config, const std::string& target, const std::vector<std::string>& known) {
  const std::string near = nearest_name(target, known);
  return Error{ErrorKind::kUsage,
               fmt::format("no linear layer of {} is called \"{}\"",
                           config.target_scope == "both" ? "Whisper" : "the " + config.target_scope, target),
               "--target-modules",
               near.empty() ? "use q_proj, k_proj, v_proj, out_proj, fc1, fc2, a full name, or all-linear"
                            : fmt::format("did you mean {}?", near)};
}

// A start from singular vectors wants as many as it has directions.
void require_singular_vectors(const std::string& name, const Parameter& weight, const LoraConfig& config) {
  const std::int64_t wanted = config.init == "pissa" ? config.rank / 2 : config.rank,
                     most = std::min(weight.rows(), weight.cols());
  if (wanted <= most) return;
  throw Error{
      ErrorKind::kUsage,
      fmt::format("{} has {} singular vectors, --init-lora-weights {} asks for {}", name, most, config.init, wanted),
      "--lora-r", fmt::format("give at most {}", most)};
}

}  // namespace

void add_lora(Whisper& model, const LoraConfig& config) {
  std::vector<bool> used(config.target_modules.size());  // in the scope that is asked for
  std::set<std::string> known;
  std::uint64_t module = 0;
  for_each_linear(model, [&](const std::string& name, Linear& l) {
    ++module;
    if (!in_scope(name, config.target_scope)) return;
    known.insert({name, name.substr(name.rfind('.') + 1)});
    bool chosen = false;
    for (std::size_t i = 0; i < used.size(); ++i)
      if (matches(name, config.target_modules[i])) used[i] = chosen = true;
    if (!chosen) return;
    if (config.init != "true") require_singular_vectors(name, l.weight, config);
    Lora lora;
    lora.a.shape = {config.rank, l.weight.cols()};
    lora.b.shape = {l.weight.rows(), config.rank};
    lora.a.trainable = lora.b.trainable = true;
    if (config.dora) lora.magnitude.shape = {l.weight.rows()}, lora.magnitude.trainable = true;
    if (config.carries_start()) lora.a.frozen_rows = lora.b.frozen_cols = config.rank / 2;
    lora.scale = static_cast<float>(config.scale());
    lora.dropout = config.dropout;
    lora.module = module;
    l.lora = std::move(lora);
  });
  for (std::size_t i = 0; i < used.size(); ++i)
    if (!used[i]) throw unknown_target(config, config.target_modules[i], {known.begin(), known.end()});
  if (used.empty()) throw unknown_target(config, "", {});
}

void refuse_dropped_dora(const LoraConfig& config) {
  if (config.dora && config.dropout > 0)
    throw Error{ErrorKind::kUsage, "DoRA adapters learn without dropout",
                fmt::format("--lora-dropout {}", config.dropout),
                "leave it away, or learn plain adapters without --use-dora"};
}

void init_lora(Whisper& model, std::uint64_t seed) {
  for_each_linear(model, [&](const std::string&, Linear& l) {
    if (!l.lora) return;
    const Parameter& a = l.lora->a;
    const Rng rng(seed, Draw::kInit, 0, l.lora->module);
    const double bound = 1 / std::sqrt(static_cast<double>(a.cols()));
    for (std::int64_t i = 0; i < a.size(); ++i)
      a.value.row<float>(0)[i] = static_cast<float>((2 * rng.uniform(static_cast<std::uint64_t>(i)) - 1) * bound);
    std::fill_n(l.lora->b.value.row<float>(0), l.lora->b.size(), 0.0f);
  });
}

std::string peft_name(const std::string& name) { return "base_model.model." + name; }

AdapterLimits adapter_limits(Whisper& model) {
  AdapterLimits limits;
  for_each_linear(model, [&](const std::string&, Linear& l) {
    if (!l.lora) return;
    limits.rank = std::max(limits.rank, l.lora->a.rows());
    if (l.lora->dropout > 0) limits.dropout_width = std::max(limits.dropout_width, l.lora->a.cols());
  });
  return limits;
}

}  // namespace sori
