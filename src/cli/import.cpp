#include "export/import.h"
#include "cli/cli.h"

namespace sori {
namespace {

struct Options {
  std::string source, target, random, tokenizer;
  std::int64_t seed = 0;
  bool overwrite = false;
  std::vector<std::string> paths;

  void describe(OptionTable& t) {
    t.arguments("SRC OUT", paths,
                "model folder to read (Hugging Face or CTranslate2), and the folder to make; with --random only OUT");
    t.choice("random", random, "make random weights of this size's exact shape instead, for memory and time",
             size_names());
    t.path("tokenizer", tokenizer, "model folder whose tokenizer the random model gets");
    t.integer("seed", seed, "of the random weights", 0, 1LL << 62);
    t.flag("overwrite", overwrite, "replace OUT if it is there");
  }

  void check() {
    const std::size_t wanted = random.empty() ? 2 : 1;
    if (paths.size() != wanted)
      throw Error{ErrorKind::kUsage, fmt::format("{} folders are named", paths.size()), "",
                  random.empty() ? "name the folder to read and the folder to make"
                                 : "with --random, name only the folder to make"};
    if (!random.empty() && tokenizer.empty())
      throw Error{ErrorKind::kUsage, "--tokenizer is missing", "", "name a model folder with a tokenizer.json"};
  }
};

}  // namespace

int run_import(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  Options o;
  std::string json_path;
  if (!parse_verb(verb, words, o, json_path)) return 0;
  o.check();
  ImportOptions how;
  how.overwrite = o.overwrite;
  how.progress = [&](std::int64_t done, std::int64_t total) { log.progress("import: MiB", done >> 20, total >> 20); };
  const ImportReport r = o.random.empty()
                             ? import_model(o.paths[0], o.paths[1], how)
                             : random_model(o.random, o.tokenizer, o.paths[0], static_cast<std::uint64_t>(o.seed), how);
  std::string text =
      fmt::format("{} model, {:.1f} M parameters in {} ({}), {} mel bins\n", r.format,
                  static_cast<double>(r.parameters) / 1e6, name_of(r.type), format_bytes(r.bytes), r.config.mel_bins);
  for (const std::string& note : r.notes) text += note + "\n";
  print_result(text);
  write_json(json_path, {{"format", r.format},
                         {"parameters", r.parameters},
                         {"type", name_of(r.type)},
                         {"bytes", r.bytes},
                         {"notes", r.notes}});
  return 0;
}

}  // namespace sori
