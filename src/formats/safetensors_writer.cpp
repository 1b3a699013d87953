#include <numeric>

#include "base/error.h"
#include "base/json.h"
#include "formats/safetensors.h"

namespace sori {
namespace {

constexpr std::uint64_t kAlignment = 64;

std::uint64_t bytes_of(const TensorInfo& t) {
  const auto bytes = byte_count(t.type, t.shape);
  require(bytes.has_value(), "a tensor that is written has a possible shape");
  return *bytes;
}

const char* format_name(DType type) {
  constexpr const char* kNames[] = {"F32", "F16", "BF16", "I8", "U8", "I32", "I16", "I64", "F8_E4M3"};
  return kNames[static_cast<int>(type)];
}

std::string header_text(const std::vector<TensorInfo>& order, const Metadata& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t begin = 0;
  for (const TensorInfo& t : order) {
    const std::uint64_t end = begin + bytes_of(t);
    require(!header.contains(t.name), "a tensor is written once");
    header[t.name] = {{"dtype", format_name(t.type)}, {"shape", t.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  const std::size_t total = (8 + text.size() + kAlignment - 1) / kAlignment * kAlignment;
  text.resize(total - 8, ' ');
  return text;
}

using Shards = std::vector<std::vector<TensorInfo>>;

// Each in the order in which it is written.
Shards sharded(std::vector<TensorInfo> tensors, std::uint64_t max_shard) {
  Shards shards;
  std::uint64_t used = 0;
  for (TensorInfo& t : tensors) {
    const std::uint64_t bytes = bytes_of(t);
    if (shards.empty() || used + bytes > max_shard) {
      shards.emplace_back();
      used = 0;
    }
    used += bytes;
    shards.back().push_back(std::move(t));
  }
  require(!shards.empty(), "a model has tensors");
  for (auto& shard : shards) shard = aligned_order(std::move(shard));
  return shards;
}

std::string shard_name(std::size_t shard, std::size_t shards) {
  if (shards == 1) return "model.safetensors";
  return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards);
}

std::string index_text(const Shards& shards) {
  std::uint64_t total = 0;
  std::map<std::string, std::string> weight_map;
  for (std::size_t i = 0; i < shards.size(); ++i)
    for (const TensorInfo& t : shards[i]) {
      total += bytes_of(t);
      weight_map[t.name] = shard_name(i, shards.size());
    }
  return to_text(Json{{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}});
}

}  // namespace

std::vector<TensorInfo> aligned_order(std::vector<TensorInfo> tensors) {
  const auto alignment = [](const TensorInfo& t) { return std::gcd(bytes_of(t), kAlignment); };
  std::stable_sort(tensors.begin(), tensors.end(),
                   [&](const TensorInfo& a, const TensorInfo& b) { return alignment(a) > alignment(b); });
  return tensors;
}

SafetensorsWriter::SafetensorsWriter(const Path& path, std::vector<TensorInfo> tensors, const Metadata& metadata)
    : file_(path), order_(aligned_order(std::move(tensors))) {
  const std::string header = header_text(order_, metadata);
  const std::uint64_t length = header.size();
  file_.write(&length, sizeof length);
  file_.write(header);
}

void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  require(current_ < order_.size() && order_[current_].name == name, "tensors are written in the writer's order");
  require(bytes.size() <= bytes_of(order_[current_]) - written_, "a tensor gets no more bytes than its shape has");
  file_.write(bytes.data(), bytes.size());
  written_ += bytes.size();
  if (written_ < bytes_of(order_[current_])) return;
  ++current_;
  written_ = 0;
}

void SafetensorsWriter::commit() {
  require(current_ == order_.size(), "every tensor is written before commit");
  file_.commit();
}

SafetensorsFolderWriter::SafetensorsFolderWriter(Path folder, std::vector<TensorInfo> tensors, Metadata metadata,
                                                 std::uint64_t max_shard)
    : folder_(std::move(folder)), metadata_(std::move(metadata)), shards_(sharded(std::move(tensors), max_shard)) {
  for (std::size_t i = 0; i < shards_.size(); ++i)
    for (const TensorInfo& t : shards_[i]) {
      total_bytes_ += bytes_of(t);
      shard_of_[t.name] = i;
      order_.push_back(t);
    }
  open_next();
}

void SafetensorsFolderWriter::open_next() {
  writer_ =
      std::make_unique<SafetensorsWriter>(folder_ / shard_name(opened_, shards_.size()), shards_[opened_], metadata_);
  ++opened_;
}

void SafetensorsFolderWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto shard = shard_of_.find(std::string(name));
  require(shard != shard_of_.end(), "only tensors of the list are written");
  if (shard->second == opened_) {
    writer_->commit();
    open_next();
  }
  require(shard->second + 1 == opened_, "tensors are written in the writer's order");
  writer_->write(name, bytes);
}

void SafetensorsFolderWriter::commit() {
  require(opened_ == shards_.size(), "every shard is written before commit");
  writer_->commit();
  if (shards_.size() > 1) write_file(folder_ / "model.safetensors.index.json", index_text(shards_));
}

std::uint64_t safetensors_folder_bytes(std::vector<TensorInfo> tensors, const Metadata& metadata,
                                       std::uint64_t max_shard) {
  const Shards shards = sharded(std::move(tensors), max_shard);
  std::uint64_t bytes = shards.size() > 1 ? index_text(shards).size() : 0;
  for (const auto& shard : shards) {
    bytes += sizeof(std::uint64_t) + header_text(shard, metadata).size();
    for (const TensorInfo& t : shard) bytes += bytes_of(t);
  }
  return bytes;
}

}  // namespace sori
