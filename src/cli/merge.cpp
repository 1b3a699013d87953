#include "export/merge.h"

#include "cli/cli.h"
#include "cli/judge.h"
#include "eval/evaluate.h"
#include "export/model_writer.h"
#include "quant/file_format.h"

namespace sori {
namespace {

struct Options {
  std::string model, adapter, out, dtype = "model", onto = "auto", data;
  SplitOptions split;
  JudgeOptions judge;
  bool overwrite = false;

  void describe(OptionTable& t) {
    t.argument("MODEL", model, "model folder the adapter was trained on");
    t.argument("ADAPTER", adapter, "adapter folder made by sori train or PEFT");
    t.argument("OUT", out, "model folder to make");
    t.choice("dtype", dtype, "type of the merged weights; model: as in MODEL", {"model", "f16", "bf16", "f32"});
    t.choice(
        "onto", onto,
        "of an adapter trained on a quantised base: add it to MODEL's original weights, or to what that base decodes "
        "to; auto: what scores better on --data, else original where MODEL has them",
        {"auto", "original", "decoded"});
    t.flag("overwrite", overwrite, "replace OUT if it is there");
    t.path("data", data, "data set to score the merged model on before it is kept");
    split.describe(t);
    judge.describe_decoding(t);
  }

  std::optional<DType> type() const {
    if (dtype == "model") return std::nullopt;
    return dtype == "f16" ? DType::kF16 : dtype == "bf16" ? DType::kBF16 : DType::kF32;
  }
};

Error cannot(const std::string& what, const std::string& where, const std::string& remedy) {
  return Error{ErrorKind::kUsage, what, where, remedy};
}

// What the adapter can be added to, by --onto's names; several where a score is to choose.
std::vector<std::string> targets(const Options& o, const ModelFolder& model, const std::string& learnt_on, Log& log) {
  const bool model_quantised = is_quantised(model.base), learnt_quantised = is_quantised(learnt_on);
  if (model_quantised) {
    if (o.onto == "original")
      throw cannot(fmt::format("is quantised ({}) and has no original weights", model.base), o.model,
                   "name the unquantised model it was made from, or pass --onto decoded");
    if (!learnt_on.empty() && !learnt_quantised)
      throw cannot(fmt::format("is quantised ({}), the adapter was trained on {}", model.base, learnt_on), o.model,
                   "name the unquantised model");
    log.line(fmt::format("adding to the weights that {} decodes to: {} has no others", model.base, o.model));
    return {"decoded"};
  }
  if (!learnt_quantised) {
    if (o.onto == "decoded")
      throw cannot(learnt_on.empty() ? "does not say that it was trained on a quantised base"
                                     : fmt::format("was trained on {}, which is not quantised", learnt_on),
                   o.adapter, "leave --onto away");
    return {"original"};
  }
  const bool mixed = is_mixed(learnt_on);  // which layers had which format stands in the folder of that base alone
  if (mixed && o.onto == "decoded")
    throw cannot("was trained on a mixed base, which cannot be made again from its name", o.adapter,
                 "name the folder of that base as MODEL");
  if (o.onto != "auto") return {o.onto};
  if (!o.data.empty() && !mixed) return {"original", "decoded"};
  log.line(fmt::format(
      "the adapter was trained on {}; adding it to {}'s original weights ({})", learnt_on, o.model,
      mixed ? "with the folder of that base as MODEL it is added to what that decodes to"
            : fmt::format("--onto decoded adds it to what {} decodes to, --data measures both", learnt_on)));
  return {"original"};
}

// A merged model that has no name yet: gone unless it is kept.
struct Candidate {
  std::string onto;
  std::unique_ptr<AtomicFolder> folder;
  MergeReport report;
  std::optional<EvalResult> score;

  bool better_than(const Candidate& other) const { return score->score.cer.errors() < other.score->score.cer.errors(); }
};

class Merger {
 public:
  Merger(Options o, const Scored* scored, const ModelFolder& model, std::string learnt_on, Log& log)
      : o_(std::move(o)), scored_(scored), learnt_on_(std::move(learnt_on)), log_(log) {
    if (scored_) o_.judge.compute = name_of(choose_compute(o_.judge.compute, "merged", model.model.config, log_));
  }

  Candidate make(const std::string& onto) {
    const auto existing = existing_model(o_.out, o_.overwrite, {o_.model, o_.adapter});
    Candidate c{onto, std::make_unique<AtomicFolder>(o_.out, existing), {}, {}};
    write(c);
    if (scored_) c.score = score(c.folder->path());
    return c;
  }

 private:
  void write(Candidate& c) {
    std::optional<ModelFolder> quantised;
    if (c.onto == "decoded") quantised = open_model(o_.model, learnt_on_.empty() ? "model" : learnt_on_, log_);
    MergeOptions how;
    how.type = o_.type();
    if (quantised) how.decoded = quantised->file.get();
    how.progress = [&](std::int64_t done, std::int64_t total) { log_.progress("merge: MiB", done >> 20, total >> 20); };
    c.report = merge_into(c.folder->path(), o_.model, o_.adapter, how);
  }

  EvalResult score(const Path& merged) {
    JudgeOptions how = o_.judge;
    how.model = merged.string();
    Judge judge(how, {scored_->set.language, scored_->set.task}, log_);
    return evaluate(judge.recognizer(), scored_->utterances, [&](std::size_t done, std::size_t all) {
      log_.progress("evaluate", static_cast<std::int64_t>(done), static_cast<std::int64_t>(all));
    });
  }

  Options o_;
  const Scored* scored_;
  std::string learnt_on_;
  Log& log_;
};

std::string score_line(const std::string& onto, const EvalResult& r) {
  return fmt::format("onto {:<11} CER {:>8.2f} %   {} of {}\n", onto, 100 * r.score.cer.rate(), r.score.cer.errors(),
                     r.score.cer.reference_length);
}

}  // namespace

int run_merge(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  Options o;
  std::string json_path;
  if (!parse_verb(verb, words, o, json_path)) return 0;
  std::optional<Scored> scored;
  if (!o.data.empty()) scored = load_scored(o.data, o.split);
  const std::string learnt_on = open_adapter(o.adapter).base;
  const ModelFolder model = open_model(o.model);
  Merger merger(o, scored ? &*scored : nullptr, model, learnt_on, log);

  std::optional<Candidate> kept;
  Json scores = Json::object();
  std::string text;
  for (const std::string& onto : targets(o, model, learnt_on, log)) {
    Candidate c = merger.make(onto);
    if (c.score) {
      scores[onto] = to_json(*c.score);
      text += score_line(onto, *c.score);
    }
    if (!kept || c.better_than(*kept)) kept = std::move(c);
  }
  kept->folder->commit();
  text += fmt::format("merged {} layers onto {} weights; {} in {}\n", kept->report.merged, kept->onto,
                      format_bytes(kept->report.bytes), o.out);
  print_result(text);
  Json result = {{"merged_layers", kept->report.merged},
                 {"type", name_of(kept->report.type)},
                 {"bytes", kept->report.bytes},
                 {"base", learnt_on},
                 {"onto", kept->onto}};
  if (scored) {
    result["split"] = o.split.split;
    result["data_hash"] = scored->set.hash;
    result["scores"] = scores;
  }
  write_json(json_path, result);
  return 0;
}

}  // namespace sori
