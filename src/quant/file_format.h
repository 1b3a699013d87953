// How a quantised weight lies in a file: under the keys of another program, which then reads it too. One object a
// format; reading, writing, choosing and pricing go through file_formats() and never look at which format it is.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "quant/base_weight.h"

namespace sori {

// One tensor of a quantised weight [rows, cols].
struct FilePart {
  std::string key;  // behind the layer's name: ".weight.absmax"
  DType type = DType::kU8;
  std::vector<std::int64_t> shape;  // as written; empty for a scalar
  bool optional = false;            // may be absent when read
  bool any_length = false;          // may have another length when read
};

// What is quantised.
struct Numbers {
  std::int64_t rows = 0, cols = 0;
  std::string dtype;  // of the model, as config.json spells it: what peers decode to
  // Elements [first, first + out.size()) of the flattened matrix; called by several threads at a time.
  std::function<void(std::int64_t first, std::span<float> out)> read;
};

class FileFormat {
 public:
  using Parts = std::vector<std::span<const std::byte>>;
  using WritableParts = std::vector<std::span<std::byte>>;

  virtual ~FileFormat() = default;
  virtual std::string_view name() const = 0;  // as --base spells it
  virtual std::string_view mark() const = 0;  // the key that only this format has
  virtual std::string_view peer() const = 0;  // the program whose keys these are
  virtual int bits() const = 0;               // of a code
  // The codes first, under ".weight".
  virtual std::vector<FilePart> parts(std::int64_t rows, std::int64_t cols) const = 0;
  // The weight that these bytes are, without a copy; those of an absent optional part are empty. Lengths were checked.
  // Error kInput where a part says something else than this format and shape, kNumeric for scales that are not finite.
  // Reads no byte through a typed pointer, so that what lies unaligned can be looked at before it is copied.
  virtual BaseWeight view(std::int64_t rows, std::int64_t cols, const Parts& parts, const std::string& where) const = 0;
  // Error kNumeric where a code stands for no number. Reads every code, which view() does not.
  virtual void refuse_not_numbers(const Parts&, const std::string& /*where*/) const {}
  // Fills the parts, on all threads; the same bytes for any number of them. The numbers are finite.
  virtual void quantise(const Numbers& numbers, const WritableParts& parts) const = 0;
  // config.json's "quantization_config".
  virtual Json config(const std::string& dtype) const = 0;
};

// Numbers that were quantised, in memory of their own.
struct QuantisedNumbers {
  std::vector<std::vector<std::byte>> parts;  // as the format lists them
  BaseWeight weight;                          // what they are, where they lie in `parts`
};
QuantisedNumbers quantise(const FileFormat& format, const Numbers& numbers, const std::string& where);

const std::vector<const FileFormat*>& file_formats();
const FileFormat* find_file_format(std::string_view name);  // nullptr for "f32", "bf16", ...
std::vector<std::string> file_format_names();
// What a base is called whose layers are not all stored alike: this, and what tells it from others (mixed_base()).
inline constexpr std::string_view kMixedBase = "mixed";
bool is_mixed(std::string_view base);
// Of a base's name: a format, or a mixed one.
bool is_quantised(std::string_view base);
inline constexpr const char* kAutoBase = "auto";  // --base: as the verb chooses
// What --base of a run can be told: "model", which is what the folder holds, a format, or a word that leaves it to the
// program.
std::vector<std::string> base_choices(const char* automatic = nullptr);

}  // namespace sori
