// CTranslate2's model.bin, version 6: a list of named tensors and a list of aliases. It tells nothing about the model
// but the name of its kind.
#pragma once

#include "base/file.h"
#include "formats/tensor_file.h"

namespace sori {

// An alias appears as a tensor of its own that shares the other's bytes. Error kInput for another version, anything
// that runs past the end of the file or leaves bytes after it, names twice, empty or overflowing shapes, aliases to
// nothing.
class Ct2File : public TensorFile {
 public:
  explicit Ct2File(const Path& path);

  const std::string& spec() const { return spec_; }  // "WhisperSpec"
  std::uint32_t revision() const { return revision_; }

 private:
  class Cursor;
  void read_tensor(Cursor& cursor);
  void read_alias(Cursor& cursor, std::size_t stored);

  MappedFile file_;
  std::string spec_;
  std::uint32_t revision_ = 0;
};

}  // namespace sori
