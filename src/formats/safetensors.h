// Safetensors: u64 header length, JSON header, tensor bytes. The file is mapped and its whole layout is checked at
// once.
#pragma once

#include <memory>

#include "base/file.h"
#include "formats/tensor_file.h"

namespace sori {

// Whisper has at most 1,300 tensors (160 KiB of header); a quantised folder a few times that.
inline constexpr std::size_t kHeaderCap = std::size_t{1} << 20;
inline constexpr std::size_t kMaxHeaderCap = std::size_t{100} << 20;  // the format's own limit

// Refused with Error kInput: a header that is too long or not strict JSON; names twice or not printable ASCII; other
// types than f32, f16, bf16, f8_e4m3, i8, u8, i16, i32, i64; empty or overflowing shapes; bytes that do not fit the
// shape; gaps, overlaps and anything after the last tensor; pickles.
class SafetensorsFile : public TensorFile {
 public:
  explicit SafetensorsFile(const Path& path, std::size_t header_cap = kHeaderCap);
  void drop_pages(const TensorView& t) const override { file_.drop_pages(t.bytes); }

 private:
  MappedFile file_;
};

// The tensors of a folder: model.safetensors, or the shards that model.safetensors.index.json names. The index and the
// shards must agree exactly, and no shard may lie outside the folder.
std::unique_ptr<TensorFile> open_safetensors_folder(const Path& folder, std::size_t header_cap = kHeaderCap);

// Where a writer puts the bytes: tensors whose size is a multiple of 64 first, then multiples of 32, 16, ... 1, so that
// each begins at a multiple of the power of two in its own size (the header is padded to 64 bytes) although the format
// forbids gaps. Otherwise the order given.
std::vector<TensorInfo> aligned_order(std::vector<TensorInfo> tensors);

// Writes tensor by tensor; the file appears under its name at commit(). Equal input gives equal bytes.
class SafetensorsWriter {
 public:
  SafetensorsWriter(const Path& path, std::vector<TensorInfo> tensors, const Metadata& metadata);

  const std::vector<TensorInfo>& order() const { return order_; }  // aligned_order() of what was given
  // The next bytes of a tensor, in one or more pieces; tensors come in order().
  void write(std::string_view name, std::span<const std::byte> bytes);
  void commit();

 private:
  AtomicFile file_;
  std::vector<TensorInfo> order_;
  std::size_t current_ = 0;
  std::uint64_t written_ = 0;  // bytes of the current tensor
};

// The same for a folder: model.safetensors, or shards of at most max_shard bytes with their index.
class SafetensorsFolderWriter {
 public:
  static constexpr std::uint64_t kMaxShard = 5'000'000'000;  // as Hugging Face counts 5 GB

  SafetensorsFolderWriter(Path folder, std::vector<TensorInfo> tensors, Metadata metadata,
                          std::uint64_t max_shard = kMaxShard);

  const std::vector<TensorInfo>& order() const { return order_; }
  void write(std::string_view name, std::span<const std::byte> bytes);
  void commit();
  std::uint64_t total_bytes() const { return total_bytes_; }  // of all tensors

 private:
  void open_next();
  Path folder_;
  Metadata metadata_;
  std::vector<std::vector<TensorInfo>> shards_;
  std::vector<TensorInfo> order_;
  std::unordered_map<std::string, std::size_t> shard_of_;
  std::uint64_t total_bytes_ = 0;
  std::size_t opened_ = 0;
  std::unique_ptr<SafetensorsWriter> writer_;
};

// Bytes of the files that this would write, headers and index included.
std::uint64_t safetensors_folder_bytes(std::vector<TensorInfo> tensors, const Metadata& metadata,
                                       std::uint64_t max_shard = SafetensorsFolderWriter::kMaxShard);

}  // namespace sori
