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
    : folder_(std::move(folder)), metadata_(std::move(metadata)) {
  std::uint64_t used = 0;
  for (TensorInfo& t : tensors) {
    const std::uint64_t bytes = bytes_of(t);
    if (shards_.empty() || used + bytes > max_shard) {
      shards_.emplace_back();
      used = 0;
    }
    used += bytes;
    total_bytes_ += bytes;
    shard_of_[t.name] = shards_.size() - 1;
    shards_.back().push_back(std::move(t));
  }
  require(!shards_.empty(), "a model has tensors");
  for (auto& shard : shards_) {
    shard = aligned_order(std::move(shard));
    order_.insert(order_.end(), shard.begin(), shard.end());
  }
  open_next();
}

void SafetensorsFolderWriter::open_next() {
  writer_ = std::make_unique<SafetensorsWriter>(folder_ / shard_name(opened_), shards_[opened_], metadata_);
  ++opened_;
}

std::string SafetensorsFolderWriter::shard_name(std::size_t shard) const {
  if (shards_.size() == 1) return "model.safetensors";
  return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards_.size());
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
  if (shards_.size() == 1) return;
  std::map<std::string, std::string> weight_map;
  for (const auto& [name, shard] : shard_of_) weight_map[name] = shard_name(shard);
  const Json index = {{"metadata", {{"total_size", total_bytes_}}}, {"weight_map", weight_map}};
  write_file(folder_ / "model.safetensors.index.json", to_text(index));
}

}  // namespace sori
