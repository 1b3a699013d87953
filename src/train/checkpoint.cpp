#include "train/checkpoint.h"

#include <charconv>

#include "formats/safetensors.h"
#include "formats/values.h"
#include "model/adapter_config.h"
#include "model/load.h"

namespace sori {
namespace {

constexpr const char *kArgs = "training_args.json", *kState = "trainer_state.json";

Path folder_of(const Path& run, const RunState& state) { return run / fmt::format("checkpoint-{}", state.step); }

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

// By step.
std::map<std::int64_t, Path> checkpoints(const Path& run) {
  std::map<std::int64_t, Path> found;
  std::error_code code;
  for (const auto& e : std::filesystem::directory_iterator(run, code)) {
    const std::string name = e.path().filename().string(), prefix = "checkpoint-";
    if (!name.starts_with(prefix)) continue;
    std::int64_t step = -1;
    const char* last = name.data() + name.size();
    const auto [end, error] = std::from_chars(name.data() + prefix.size(), last, step);
    if (error == std::errc{} && end == last && step >= 0) found[step] = e.path();
  }
  return found;
}

Error of_another_run(const std::string& what, const Path& where) {
  return Error{ErrorKind::kCheckpoint, what, where.string(),
               "repeat the options of the first start, or begin anew with --overwrite-output-dir"};
}

// A file of a checkpoint that is missing, cut off or garbled is damage, whatever the reader calls it.
template <class Body>
auto read_undamaged(const Path& checkpoint, Body&& body) {
  try {
    return body();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kInput && e.kind() != ErrorKind::kIo) throw;
    throw Error{ErrorKind::kCheckpoint, "this checkpoint is damaged", e.problem(),
                fmt::format("remove {} to go on from the one before it, or begin anew with --overwrite-output-dir",
                            checkpoint.string())};
  }
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
  for (const auto& [key, value] : b.items())
    if (!a.contains(key)) return prefix + key;
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
    moment(name + ".exp_avg", p.learning_shape(), s.m);
    moment(name + ".exp_avg_sq", p.learning_shape(), s.v);
  });
}

void read_into(const TensorFile& file, const std::string& name, const Mat& m) {
  const TensorView& t = file.get(name);
  if (t.type != m.type || element_count(t.shape) != m.size())
    throw of_another_run("tensor " + name + " has another shape or type", file.where());
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
  AtomicFolder folder(folder_of(run, state), AtomicFolder::Existing::kReplace);
  write_learnt(folder.path(), model, info);
  write_optimizer(folder.path() / "optimizer.safetensors", model, optimizer);
  write_file(folder.path() / kState, to_text(to_json(state, max_steps, epochs)));
  write_file(folder.path() / kArgs, to_text(to_json(identity)));
  folder.commit();
}

void save_state(const Path& run, const RunState& state, std::int64_t max_steps, double epochs) {
  write_file(folder_of(run, state) / kState, to_text(to_json(state, max_steps, epochs)));
}

void keep_newest(const Path& run, std::int64_t most) {
  const auto all = checkpoints(run);
  const std::int64_t excess = most > 0 ? std::ssize(all) - most : 0;
  for (auto old = all.begin(); std::distance(all.begin(), old) < excess; ++old) remove_tree(old->second);
}

Path newest_checkpoint(const Path& run) {
  const auto all = checkpoints(run);
  return all.empty() ? Path() : all.rbegin()->second;
}

CheckpointArgs read_checkpoint_args(const Path& checkpoint) {
  return read_undamaged(checkpoint, [&] {
    const Path file = checkpoint / kArgs;
    const std::string where = file.string();
    const Json args = read_json(file);
    const Json options = json_get<Json>(args, "options", where);
    CheckpointArgs a{json_get<std::string>(args, "compute", where),
                     json_get<std::int64_t>(options, "micro-batch", where)};
    if (a.micro_batch < 1) throw Error{ErrorKind::kInput, "\"micro-batch\" is not positive", where, ""};
    return a;
  });
}

RunState load_checkpoint(const Path& checkpoint, Whisper& model, OptimizerState& optimizer,
                         const RunIdentity& identity) {
  return read_undamaged(checkpoint, [&] {
    const Path args = checkpoint / kArgs;
    const std::string changed = difference(to_json(identity), read_json(args));
    if (!changed.empty()) throw of_another_run("belongs to another run: " + changed, args);
    const bool lora = adapter_limits(model).rank > 0;
    const SafetensorsFile learnt(checkpoint / (lora ? "adapter_model.safetensors" : "model.safetensors"));
    const SafetensorsFile moments(checkpoint / "optimizer.safetensors");
    for_each_parameter(model, [&](const std::string& name, Parameter& p) {
      if (p.trainable) read_into(learnt, lora ? peft_name(name) : name, p.value);
    });
    for_each_state(model, optimizer,
                   [&](const std::string& name, const Shape&, const Mat& m) { read_into(moments, name, m); });
    const Path state = checkpoint / kState;
    return parse_run_state(read_json(state), state.string());
  });
}

}  // namespace sori
