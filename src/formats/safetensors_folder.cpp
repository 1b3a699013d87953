// A folder's tensors: one file, or shards and their index.
#include <deque>

#include "base/error.h"
#include "base/json.h"
#include "formats/pickle.h"
#include "formats/safetensors.h"

namespace sori {
namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::size_t kMaxShards = 1000;

class ShardedFile : public TensorFile {
 public:
  ShardedFile(const Path& folder, std::size_t header_cap) : TensorFile(folder.string()) {
    const std::string index = (folder / kIndex).string();
    const JsonMap json = parse_json_map(read_file(folder / kIndex, kMaxHeaderCap), index);
    const JsonMap map = json_get<JsonMap>(json, "weight_map", index);
    if (!map.is_object() || map.empty()) detail::wrong_type("weight_map", index);

    std::map<std::string, std::vector<std::string>>
        names;  // by shard, sorted: errors do not depend on the index's order
    for (const auto& [name, shard] : map.items()) {
      if (!shard.is_string()) detail::wrong_type("weight_map", index);
      names[shard.get<std::string>()].push_back(name);
    }
    if (names.size() > kMaxShards)
      throw Error{ErrorKind::kInput, fmt::format("names more than {} shards", kMaxShards), index, "export it again"};
    for (const auto& [shard, expected] : names) add_shard(inside(folder, shard), header_cap, expected, index);
    metadata_ = shards_.front().metadata();
  }
  void drop_pages(const TensorView& t) const override {
    for (const SafetensorsFile& shard : shards_)
      if (shard.find(t.name)) shard.drop_pages(t);
  }

 private:
  void add_shard(const Path& path, std::size_t header_cap, const std::vector<std::string>& expected,
                 const std::string& index) {
    const SafetensorsFile& shard = shards_.emplace_back(path, header_cap);
    for (const std::string& name : expected) shard.get(name);
    if (shard.tensors().size() != expected.size())
      throw Error{ErrorKind::kInput, "holds tensors that the index does not place there", shard.where(),
                  "export the folder again; the index is " + index};
    for (const TensorView& t : shard.tensors()) require(add(t), "an index names each tensor once");
  }

  std::deque<SafetensorsFile> shards_;
};

}  // namespace

std::unique_ptr<TensorFile> open_safetensors_folder(const Path& folder, std::size_t header_cap) {
  std::error_code code;
  if (std::filesystem::exists(folder / kSingle, code))
    return std::make_unique<SafetensorsFile>(folder / kSingle, header_cap);
  if (std::filesystem::exists(folder / kIndex, code)) return std::make_unique<ShardedFile>(folder, header_cap);
  refuse_pickles_in(folder);
  throw Error{ErrorKind::kInput, fmt::format("has neither {} nor {}", kSingle, kIndex), folder.string(),
              "name a model folder in the Hugging Face layout (sori import makes one)"};
}

}  // namespace sori
