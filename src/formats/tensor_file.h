// Named tensors in files, without any knowledge of a model. Every reader checks the whole layout of its file when it is
// opened, so a view that was handed out always lies inside the file and has exactly the bytes of its shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tensor/dtype.h"

namespace sori {

using Shape = std::vector<std::int64_t>;  // empty for a scalar
using Metadata = std::map<std::string, std::string>;

inline constexpr std::size_t kMaxRank = 8;

struct TensorInfo {
  std::string name;
  DType type = DType::kF32;
  Shape shape;
};

// The bytes are little-endian, row-major and aligned to 1 only: read numbers through formats/values.h or copy them.
struct TensorView : TensorInfo {
  std::span<const std::byte> bytes;
};

// Product of the dimensions, times the element size; nothing when a dimension is below 1 or the product overflows.
std::optional<std::uint64_t> byte_count(DType type, const Shape& shape);
std::int64_t element_count(const Shape& shape);  // of a shape that was checked
std::string to_text(const Shape& shape);         // "[512, 80, 3]"

class TensorFile {
 public:
  virtual ~TensorFile() = default;

  const std::vector<TensorView>& tensors() const { return tensors_; }  // in the file's order
  const TensorView* find(std::string_view name) const;                 // nullptr when absent
  const TensorView& get(std::string_view name) const;                  // Error kInput naming file and tensor
  const Metadata& metadata() const { return metadata_; }
  const std::string& where() const { return where_; }  // file or folder, for messages
  // Takes a tensor of this file out of resident memory until somebody looks at it again; where files are mapped.
  virtual void drop_pages(const TensorView&) const {}

 protected:
  explicit TensorFile(std::string where) : where_(std::move(where)) {}
  TensorFile(TensorFile&&) = default;
  bool add(TensorView tensor);  // false when the name is taken

  Metadata metadata_;

 private:
  std::string where_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace sori
