// sori experiment memory: the peaks of the study's four rows, each in a process of its own.
#include "base/child_process.h"
#include "base/rng.h"
#include "cli/experiment.h"
#include "cli/model_folder.h"
#include "data/example.h"
#include "export/import.h"

namespace sori {
namespace {

constexpr int kLabelTokens = 32;  // of an utterance, its prompt included
constexpr double kSeconds = 30;

// The study's rows: what is trained how, and the memory that it printed for its GPU.
struct Row {
  const char* name;
  const char* label;
  const char* study;
  std::vector<std::string> options;
};

const std::vector<Row>& study_rows() {
  static const std::vector<Row> rows{
      {"full",
       "full fine-tuning (bf16, 8-bit AdamW, fused)",
       "32 GB",
       {"--method", "full", "--optim", "adamw_8bit", "--param-dtype", "bf16", "--fused-step", "--max-grad-norm", "0"}},
      {"lora", "LoRA, bf16 base", "11 GB", {}},
      {"int8", "LoRA, int8 base", "6.9 GB", {"--base", "int8"}},
      {"nf4", "LoRA, nf4 base", "5.7 GB", {"--base", "nf4"}}};
  return rows;
}

const Row& row_of(const std::string& name) {
  for (const Row& r : study_rows())
    if (name == r.name) return r;
  throw Error{ErrorKind::kUsage, fmt::format("\"{}\" is no row", name), "--rows", "choose of full, lora, int8, nf4"};
}

// Its words go to standard error.
void run_alone(const std::vector<std::string>& words) {
  const int code = run_child(words);
  if (code != 0)
    throw Error{code > 128 ? ErrorKind::kMemory : static_cast<ErrorKind>(code), how_it_ended(code),
                fmt::format("sori {}", fmt::join(words, " ")), "its last lines say why"};
}

void append(std::string& out, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

// 16 kHz, mono, 16 bits.
std::string noise_wav(std::uint64_t seed) {
  const auto samples = static_cast<std::uint32_t>(kSeconds * 16000);
  std::string wav = "RIFF";
  append(wav, 36 + 2 * samples, 4);
  wav += "WAVEfmt ";
  append(wav, 16, 4), append(wav, 1, 2), append(wav, 1, 2), append(wav, 16000, 4), append(wav, 32000, 4);
  append(wav, 2, 2), append(wav, 16, 2);
  wav += "data";
  append(wav, 2 * samples, 4);
  const Rng rng(seed, Draw::kNoise);
  for (std::uint32_t i = 0; i < samples; ++i)
    append(wav, static_cast<std::uint32_t>(static_cast<std::int16_t>(1000 * rng.normal(i))), 2);
  return wav;
}

// Words whose labels are exactly kLabelTokens long.
std::string text_of_labels(const Path& model) {
  const Tokenizer tokenizer = Tokenizer::load(model);
  const ExampleMaker maker(tokenizer, {});
  Utterance u;
  for (u.text = "a"; std::ssize(maker.labels(u).input) < kLabelTokens;) u.text += " a";
  require(std::ssize(maker.labels(u).input) == kLabelTokens, "a word more is a token more");
  return u.text;
}

void make_noise(const Path& recordings, const Path& model, std::int64_t utterances) {
  const std::string text = text_of_labels(model);
  for (std::int64_t i = 0; i < utterances; ++i) {
    const Path name = recordings / "train" / std::to_string(i);
    write_file(Path(name) += ".wav", noise_wav(static_cast<std::uint64_t>(i)));
    write_file(Path(name) += ".txt", text + "\n");
  }
}

std::string mib(const Json& bytes) { return fmt::format("{:.0f}", bytes.get<double>() / 0x1p20); }

class Memory {
 public:
  Memory(const MemoryExperiment& o, Log& log) : o_(o), log_(log), folder_(o.output_dir) {}

  Json go() {
    for (const std::string& row : o_.rows) row_of(row);
    prepare();
    Json rows = Json::array();
    for (const std::string& batch : o_.batches)
      for (const std::string& row : o_.rows) rows.push_back(measure(row_of(row), batch));
    add_savings(rows);
    Json result{{"size", o_.size},
                {"seconds", kSeconds},
                {"label_tokens", kLabelTokens},
                {"compute", o_.compute},
                {"keep_everything", o_.keep_everything},
                {"rows", rows}};
    write_file(folder_ / "memory.json", to_text(result));  // where sori report looks for it
    return result;
  }

 private:
  void prepare() {
    make_folder(folder_);
    std::error_code code;
    if (!std::filesystem::exists(model(), code)) {
      log_.line("making random weights of " + o_.size);
      random_model(o_.size, o_.tokenizer, model(), 0, {});
    }
    if (std::filesystem::exists(folder_ / "data", code)) return;
    make_folder(folder_ / "noise/train");
    make_noise(folder_ / "noise", model(), 8);
    run_alone({"prepare", (folder_ / "noise").string(), (folder_ / "data").string()});
  }

  Json measure(const Row& row, const std::string& batch) {
    const std::string name = fmt::format("{}-{}", row.name, batch), json = (folder_ / (name + ".json")).string();
    log_.line(fmt::format("{}, batch {}", row.label, batch));
    std::vector<std::string> words{"train",
                                   "--model",
                                   model().string(),
                                   "--data",
                                   (folder_ / "data").string(),
                                   "--output-dir",
                                   (folder_ / name).string(),
                                   "--overwrite-output-dir",
                                   "--target-modules",
                                   "q_proj,v_proj",
                                   "--lora-r",
                                   "32",
                                   "--compute",
                                   o_.compute,
                                   "--per-device-train-batch-size",
                                   batch,
                                   "--max-steps",
                                   std::to_string(o_.steps + 1),
                                   "--logging-steps",
                                   "1",
                                   "--json",
                                   json};
    if (!o_.keep_everything) words.push_back("--gradient-checkpointing");
    words.insert(words.end(), row.options.begin(), row.options.end());
    run_alone(words);
    const Json result = read_json(json);
    std::vector<double> seconds = json_get<std::vector<double>>(result, "step_seconds", json);
    seconds.erase(seconds.begin());
    std::sort(seconds.begin(), seconds.end());
    return {{"name", row.name},
            {"label", row.label},
            {"batch", std::stoll(batch)},
            {"planned_bytes", result.at("planned_private_bytes")},
            {"planned_resident_bytes", result.at("planned_resident_bytes")},
            {"peak_resident_bytes", result.at("peak_resident_bytes")},
            {"peak_private_bytes", result.at("peak_private_bytes")},
            {"seconds_per_step", seconds[seconds.size() / 2]},
            {"study_gpu", row.study}};
  }

  // Of resident memory, against full fine-tuning of the same batch.
  static void add_savings(Json& rows) {
    for (Json& row : rows)
      for (const Json& full : rows)
        if (full.at("name") == "full" && full.at("batch") == row.at("batch"))
          row["saving"] =
              1 - row.at("peak_resident_bytes").get<double>() / full.at("peak_resident_bytes").get<double>();
  }

  Path model() const { return folder_ / ("model-" + o_.size); }

  const MemoryExperiment& o_;
  Log& log_;
  Path folder_;
};

}  // namespace

void MemoryExperiment::describe(OptionTable& t) {
  const char* kGroup = "memory";
  t.choice("size", size, "random weights of this size's exact shape", size_names()).group(kGroup);
  t.path("tokenizer", tokenizer, "model folder whose tokenizer the random model gets").group(kGroup);
  t.list("rows", rows, "which of full, lora, int8, nf4").group(kGroup);
  t.list("batch", batches, "utterances of a step; a row is measured for each").group(kGroup);
  t.choice("compute", compute, "type of what enters products", {"bf16", "f32"}).group(kGroup);
  t.integer("steps", steps, "measured steps, after one that warms up", 1, 1000).group(kGroup);
  t.flag("keep-everything", keep_everything, "compute no layer again, where memory allows: faster").group(kGroup);
}

Json MemoryExperiment::run(Log& log) const {
  if (tokenizer.empty())
    throw Error{ErrorKind::kUsage, "--tokenizer is missing", "",
                "name a model folder whose tokenizer the random model gets"};
  return Memory(*this, log).go();
}

std::string table_of_memory(const Json& result) {
  std::string text = fmt::format("{:<46}{:>6}{:>10}{:>10}{:>10}{:>8}{:>8}{:>10}\n", "MiB", "batch", "planned",
                                 "private", "resident", "saving", "s/step", "study GPU");
  for (const Json& r : result.at("rows"))
    text += fmt::format("{:<46}{:>6}{:>10}{:>10}{:>10}{:>8}{:>8.2f}{:>10}\n", r.at("label").get<std::string>(),
                        r.at("batch").get<int>(), mib(r.at("planned_bytes")), mib(r.at("peak_private_bytes")),
                        mib(r.at("peak_resident_bytes")),
                        r.contains("saving") ? fmt::format("{:.0f} %", 100 * r.at("saving").get<double>()) : "-",
                        r.at("seconds_per_step").get<double>(), r.at("study_gpu").get<std::string>());
  return text +
         "planned and private: bytes that cannot be dropped; resident: with the mapped base. The study's column is "
         "what its GPU\nallocated, of a batch that it does not state: another quantity, for orientation only.\n";
}

}  // namespace sori
