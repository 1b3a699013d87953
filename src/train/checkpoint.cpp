#include "train/checkpoint.h"

#include <charconv>

#include "formats/safetensors.h"
#include "formats/values.h"
#include "model/adapter_config.h"
#include "model/load.h"

namespace sori {
namespace {

std::span<const std::byte> bytes_of_mat(const Mat& m) {
  return {static_cast<const std::byte*>(m.data), static_cast<std::size_t>(m.size()) * size_of(m.type)};
}

// What is written is dense: what learns, or an unquantised model.
std::span<const std::byte> bytes_of_weight(const BaseWeight& w) {
  return {static_cast<const std::byte*>(dense(w).data), bytes_of(w)};
}

DType type_of(const BaseWeight& w) { return dense(w).type; }

struct Named {
  TensorInfo info;
  std::span<const std::byte> bytes;
};

void write_tensors(const Path& path, const std::vector<Named>& tensors, const Metadata& metadata) {
  std::vector<TensorInfo> infos;
  std::map<std::string, std::span<const std::byte>> bytes;
  for (const Named& t : tensors) infos.push_back(t.info), bytes[t.info.name] = t.bytes;
  SafetensorsWriter writer(path, std::move(infos), metadata);
  for (const TensorInfo& t : writer.order()) writer.write(t.name, bytes.at(t.name));
  writer.commit();
}

Error unusable(const std::string& what, const Path& where) {
  return Error{ErrorKind::kCheckpoint, what, where.string(),
               "repeat the options of the first start, or begin anew with --overwrite-output-dir"};
}

// The first key in which two identities differ; empty when they agree.
std::string difference(const Json& a, const Json& b, const std::string& prefix = "") {
  for (const auto& [key, value] : a.items()) {
    if (!b.contains(key)) return prefix + key;
    if (value.is_object() && b.at(key).is_object()) {
      const std::string inner = difference(value, b.at(key), prefix + key + ".");
      if (!inner.empty()) return inner;
    } else if (value != b.at(key)) {
      return fmt::format("{}{} (was {}, is {})", prefix, key, b.at(key).dump(), value.dump());
    }
  }
  return "";
}

// f(name, shape, matrix) for every tensor of the optimizer file.
template <class F>
void for_each_state(Whisper& model, const OptimizerState& optimizer, F&& f) {
  const auto moment = [&](const std::string& name, const Shape& shape, const Moment& m) {
    f(name, shape, m.values);
    const std::int64_t blocks = dynamic_blocks(m.values.size());
    if (m.absmax) f(name + ".absmax", Shape{blocks}, Mat(m.absmax, 1, blocks));
  };
  std::size_t i = 0;
  for_each_parameter(model, [&](const std::string& name, Parameter& p) {
    if (!p.trainable) return;
    const Moments& s = optimizer.moments[i++];
    moment(name + ".exp_avg", p.shape, s.m);
    moment(name + ".exp_avg_sq", p.shape, s.v);
  });
}

void read_into(const TensorFile& file, const std::string& name, const Mat& m) {
  const TensorView& t = file.get(name);
  if (t.type != m.type || element_count(t.shape) != m.size())
    throw unusable("tensor " + name + " has another shape or type", file.where());
  std::memcpy(m.data, t.bytes.data(), t.bytes.size());
}

void write_optimizer(const Path& path, Whisper& model, const OptimizerState& optimizer) {
  std::vector<Named> tensors;
  for_each_state(model, optimizer, [&](const std::string& name, const Shape& shape, const Mat& m) {
    tensors.push_back({{name, m.type, shape}, bytes_of_mat(m)});
  });
  write_tensors(path, tensors, {{"format", "pt"}});
}

}  // namespace

Json to_json(const RunIdentity& i) {
  Json j;
  j["options"] = i.options;
  j["data_hash"] = i.data;
  j["model_hash"] = i.model;
  j["compute"] = i.compute;
  return j;
}

void write_learnt(const Path& folder, Whisper& model, const LearntInfo& info) {
  std::vector<Named> tensors;
  Metadata metadata = info.metadata;
  metadata["format"] = "pt";
  for_each_parameter(model, [&](const std::string& name, Parameter& p) {
    if (info.lora && !p.trainable) return;
    tensors.push_back({{info.lora ? peft_name(name) : name, type_of(p.weight), p.shape}, bytes_of_weight(p.weight)});
  });
  if (info.lora) {
    write_tensors(folder / "adapter_model.safetensors", tensors, metadata);
    write_file(folder / "adapter_config.json", to_text(to_json(*info.lora, model, info.base_model)));
  } else {
    write_tensors(folder / "model.safetensors", tensors, metadata);
    info.write_side_files(folder);
  }
}

void save_checkpoint(const Path& run, Whisper& model, const OptimizerState& optimizer, const RunState& state,
                     const RunIdentity& identity, std::int64_t max_steps, double epochs, const LearntInfo& info) {
  AtomicFolder folder(run / fmt::format("checkpoint-{}", state.step), AtomicFolder::Existing::kReplace);
  write_learnt(folder.path(), model, info);
  write_optimizer(folder.path() / "optimizer.safetensors", model, optimizer);
  write_file(folder.path() / "trainer_state.json", to_text(to_json(state, max_steps, epochs)));
  write_file(folder.path() / "training_args.json", to_text(to_json(identity)));
  folder.commit();
}

Path newest_checkpoint(const Path& run) {
  Path best;
  std::int64_t best_step = -1;
  std::error_code code;
  for (const auto& e : std::filesystem::directory_iterator(run, code)) {
    const std::string name = e.path().filename().string(), prefix = "checkpoint-";
    std::int64_t step = 0;
    if (!name.starts_with(prefix)) continue;
    const char* first = name.data() + prefix.size();
    const auto [end, error] = std::from_chars(first, name.data() + name.size(), step);
    if (error == std::errc{} && end == name.data() + name.size() && step > best_step) best = e.path(), best_step = step;
  }
  return best;
}

RunState load_checkpoint(const Path& checkpoint, Whisper& model, OptimizerState& optimizer,
                         const RunIdentity& identity) {
  const Path args = checkpoint / "training_args.json";
  const std::string changed = difference(to_json(identity), read_json(args));
  if (!changed.empty()) throw unusable("belongs to another run: " + changed, args);
  const bool lora = std::filesystem::exists(checkpoint / "adapter_model.safetensors");
  const SafetensorsFile learnt(checkpoint / (lora ? "adapter_model.safetensors" : "model.safetensors"));
  const SafetensorsFile moments(checkpoint / "optimizer.safetensors");
  for_each_parameter(model, [&](const std::string& name, Parameter& p) {
    if (p.trainable) read_into(learnt, lora ? peft_name(name) : name, p.value);
  });
  for_each_state(model, optimizer,
                 [&](const std::string& name, const Shape&, const Mat& m) { read_into(moments, name, m); });
  const Path state = checkpoint / "trainer_state.json";
  return parse_run_state(read_json(state), state.string());
}

}  // namespace sori
