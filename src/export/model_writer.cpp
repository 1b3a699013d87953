#include "export/model_writer.h"

#include "base/error.h"
#include "base/threads.h"
#include "formats/values.h"

namespace sori {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;            // bytes of a stored tensor
constexpr std::int64_t kPieceElements = std::int64_t{1} << 20;  // numbers of a computed one

void require_finite(const TensorInfo& info, std::span<const std::byte> bytes, const std::string& where,
                    const char* remedy) {
  if (!all_finite(info.type, bytes))
    throw Error{ErrorKind::kNumeric, fmt::format("tensor holds NaN or a number too large for {}", name_of(info.type)),
                where + ": " + info.name, remedy};
}

}  // namespace

std::int64_t row_count(const Shape& shape) { return shape.size() < 2 ? 1 : shape[0]; }
std::int64_t row_length(const Shape& shape) { return element_count(shape) / row_count(shape); }

OutTensor unchanged(TensorInfo info, std::span<const std::byte> bytes, const std::string& where) {
  require(byte_count(info.type, info.shape) == bytes.size(), "a tensor's bytes are those of its shape");
  auto produce = [info, bytes, where](const ByteSink& sink) {
    for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
      const auto piece = bytes.subspan(at, std::min(kPiece, bytes.size() - at));
      require_finite(info, piece, where, "use another copy of the model; this one is damaged");
      sink(piece);
    }
  };
  auto rows = [view = TensorView{info, bytes}, cols = row_length(info.shape)](
                  std::int64_t row, std::span<float> values) { read_floats(view, row * cols, values); };
  return {std::move(info), std::move(produce), std::move(rows)};
}

OutTensor computed(TensorInfo info, FillRow fill, const std::string& where) {
  auto produce = [info, fill, where](const ByteSink& sink) {
    const std::int64_t rows = row_count(info.shape), cols = row_length(info.shape);
    const std::int64_t most = std::clamp<std::int64_t>(kPieceElements / cols, 1, rows);
    const std::size_t row_bytes = static_cast<std::size_t>(cols) * size_of(info.type);
    std::vector<float> values(static_cast<std::size_t>(most * cols));
    std::vector<std::byte> bytes(static_cast<std::size_t>(most) * row_bytes);
    for (std::int64_t first = 0; first < rows; first += most) {
      const std::int64_t count = std::min(most, rows - first);
      parallel_for(count, [&](std::int64_t i) {
        const std::span<float> row(values.data() + i * cols, static_cast<std::size_t>(cols));
        fill(first + i, row);
        write_floats(row, info.type, bytes.data() + static_cast<std::size_t>(i) * row_bytes);
      });
      const std::span<const std::byte> piece(bytes.data(), static_cast<std::size_t>(count) * row_bytes);
      require_finite(info, piece, where, "use another copy of the model, or write it as bf16 or f32");
      sink(piece);
    }
  };
  return {std::move(info), std::move(produce), std::move(fill)};
}

DType embedding_type(const std::vector<OutTensor>& tensors) {
  const auto at = std::find_if(tensors.begin(), tensors.end(),
                               [](const OutTensor& t) { return t.info.name.ends_with("embed_tokens.weight"); });
  require(at != tensors.end(), "a model has an embedding");
  return at->info.type;
}

AtomicFolder::Existing existing_model(const Path& target, bool overwrite, const std::vector<Path>& needed) {
  if (!overwrite) return AtomicFolder::Existing::kRefuse;
  const auto is_model = [](const Path& folder) {
    const std::vector<Path> files = list_files(folder, /*recursive=*/false);
    return std::filesystem::exists(folder / "config.json") &&
           std::any_of(files.begin(), files.end(), [](const Path& f) { return f.extension() == ".safetensors"; });
  };
  check_replaceable(target, "a model folder", is_model, needed);
  return AtomicFolder::Existing::kReplace;
}

std::uint64_t write_tensors(const Path& folder, const std::vector<OutTensor>& tensors, const ByteProgress& progress,
                            std::uint64_t max_shard, Metadata metadata) {
  std::vector<TensorInfo> infos;
  std::unordered_map<std::string, const OutTensor*> by_name;
  for (const OutTensor& t : tensors) {
    infos.push_back(t.info);
    by_name[t.info.name] = &t;
  }
  metadata["format"] = "pt";
  SafetensorsFolderWriter writer(folder, std::move(infos), std::move(metadata), max_shard);
  std::int64_t done = 0;
  for (const TensorInfo& info : writer.order()) {
    by_name.at(info.name)->produce([&](std::span<const std::byte> piece) {
      writer.write(info.name, piece);
      done += static_cast<std::int64_t>(piece.size());
    });
    if (by_name.at(info.name)->release) by_name.at(info.name)->release();
    if (progress) progress(done, static_cast<std::int64_t>(writer.total_bytes()));
  }
  writer.commit();
  return writer.total_bytes();
}

}  // namespace sori
