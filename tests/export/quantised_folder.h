// A model folder that was quantised, as tests look at it and damage it.
#pragma once

#include "export/quantise.h"
#include "export/tiny_model.h"
#include "model/load.h"
#include "support/temporary.h"

namespace sori::testing {

// Everything a safetensors file holds, to be changed and written again.
struct Content {
  struct Stored {
    DType type;
    Shape shape;
    std::string bytes;
  };
  std::map<std::string, Stored> tensors;
  Metadata metadata;

  explicit Content(const Path& path) {
    const SafetensorsFile file(path);
    for (const TensorView& t : file.tensors())
      tensors[t.name] = {t.type, t.shape, {reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size()}};
    metadata = file.metadata();
  }

  void write(const Path& path) const {
    std::vector<TensorInfo> infos;
    for (const auto& [name, t] : tensors) infos.push_back({name, t.type, t.shape});
    SafetensorsWriter writer(path, std::move(infos), metadata);
    for (const TensorInfo& info : writer.order()) {
      const std::string& bytes = tensors.at(info.name).bytes;
      writer.write(info.name, std::as_bytes(std::span(bytes.data(), bytes.size())));
    }
    writer.commit();
  }
};

// A model with its weights where they lie in a file.
struct Loaded {
  Whisper model;
  std::unique_ptr<TensorFile> file;
  std::unique_ptr<Arena> arena;
  std::size_t planned = 0;

  explicit Loaded(const Path& folder, const std::function<void(Whisper&)>& prepare = {})
      : model(make_whisper(parse_config(read_json(folder / "config.json"), "config.json"))),
        file(open_safetensors_folder(folder)) {
    if (prepare) prepare(model);
    Carver count = Carver::counting();
    load_weights(count, model, *file);
    planned = count.bytes();
    arena = std::make_unique<Arena>(planned);
    Carver carver(*arena);
    load_weights(carver, model, *file);
  }

  std::map<std::string, std::vector<float>> numbers() {
    std::map<std::string, std::vector<float>> all;
    for_each_parameter(model, [&](const std::string& name, Parameter& p) {
      std::vector<float>& x = all[name];
      x.resize(static_cast<std::size_t>(p.size()));
      decode_rows(p.weight, 0, Mat(x.data(), p.rows(), p.cols()));
    });
    return all;
  }
};

inline Quantisation quantisation(const std::string& format, const std::string& embedding = "auto") {
  return quantisation_of(*find_file_format(format), embedding);
}

}  // namespace sori::testing
