#include "export/merge.h"

#include "cli/cli.h"

namespace sori {
namespace {

struct Options {
  std::string model, adapter, out, dtype = "model";
  bool overwrite = false;

  void describe(OptionTable& t) {
    t.argument("MODEL", model, "model folder the adapter was trained on");
    t.argument("ADAPTER", adapter, "adapter folder made by sori train or PEFT");
    t.argument("OUT", out, "model folder to make");
    t.choice("dtype", dtype, "type of the merged weights; model: as in MODEL", {"model", "f16", "bf16", "f32"});
    t.flag("overwrite", overwrite, "replace OUT if it is there");
  }

  std::optional<DType> type() const {
    if (dtype == "model") return std::nullopt;
    return dtype == "f16" ? DType::kF16 : dtype == "bf16" ? DType::kBF16 : DType::kF32;
  }
};

}  // namespace

int run_merge(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  Options o;
  std::string json_path;
  if (!parse_verb(verb, words, o, json_path)) return 0;
  MergeOptions how;
  how.type = o.type();
  how.overwrite = o.overwrite;
  how.progress = [&](std::int64_t done, std::int64_t total) { log.progress("merge: MiB", done >> 20, total >> 20); };
  const MergeReport r = merge_adapter(o.model, o.adapter, o.out, how);
  print_result(fmt::format("merged {} layers; {} in {}\n", r.merged, format_bytes(r.bytes), o.out));
  write_json(json_path, {{"merged_layers", r.merged}, {"type", name_of(r.type)}, {"bytes", r.bytes}});
  return 0;
}

}  // namespace sori
