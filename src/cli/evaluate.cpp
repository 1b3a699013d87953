#include "eval/evaluate.h"

#include "base/clock.h"
#include "base/unicode.h"
#include "cli/cli.h"
#include "cli/judge.h"
#include "metrics/normaliser.h"

namespace sori {
namespace {

struct Options {
  JudgeOptions judge;
  std::string data, predictions;
  SplitOptions split;
  bool show_text = false;

  void describe(OptionTable& t) {
    judge.describe(t);
    t.path("data", data, "data set made by sori prepare").required();
    split.describe(t);
    t.output("predictions", predictions, "write each utterance's text and CER to this JSONL file");
    t.flag("show-text", show_text, "show the ten worst utterances with their texts");
  }
};

std::string row(const char* name, const ErrorCounts& c) {
  return fmt::format("{:<16} {:>8.2f} %   {} of {}: {} substituted, {} deleted, {} inserted\n", name, 100 * c.rate(),
                     c.errors(), c.reference_length, c.substitutions, c.deletions, c.insertions);
}

// [errors, length] of each utterance, in the split's order: what intervals are computed from.
Json cer_counts(const EvalResult& r) {
  Json counts = Json::array();
  for (const Prediction& p : r.predictions) counts.push_back({p.score.cer.errors(), p.score.cer.reference_length});
  return counts;
}

std::string worst_ten(const EvalResult& r, const std::vector<Utterance>& utterances) {
  std::string text;
  for (const std::size_t i : worst(r, 10))
    text += fmt::format("\n{}  CER {:.1f} %\n  said   {}\n  heard  {}\n", utterances[i].id,
                        100 * r.predictions[i].score.cer.rate(), utterances[i].text, printable(r.predictions[i].text));
  return text;
}

}  // namespace

int run_evaluate(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  Options o;
  std::string json_path;
  if (!parse_verb(verb, words, o, json_path)) return 0;
  const auto [set, utterances] = load_scored(o.data, o.split);
  const auto start = Clock::now();
  Judge judge(o.judge, {set.language, set.task}, log);
  const double ready = seconds_since(start);
  const EvalResult r = evaluate(judge.recognizer(), utterances, [&](std::size_t done, std::size_t all) {
    log.progress("evaluate", static_cast<std::int64_t>(done), static_cast<std::int64_t>(all));
  });
  std::string text =
      row("CER", r.score.cer) + row("CER with blanks", r.score.cer_with_blanks) + row("WER", r.score.wer);
  text +=
      fmt::format("{} utterances, {:.2f} h, {:.2f} s each; normaliser {}; at most {} new tokens ({} cut off)\n",
                  utterances.size(), r.audio_seconds / 3600, r.wall_seconds / static_cast<double>(utterances.size()),
                  kNormaliserName, r.max_new_tokens, r.cut_off());
  if (o.show_text) text += worst_ten(r, utterances);
  if (!o.predictions.empty()) write_predictions(o.predictions, utterances, r);
  Json result = to_json(r);
  result["split"] = o.split.split;
  result["data_hash"] = set.hash;
  result["judge"] = judge.record();
  result["cer_counts"] = cer_counts(r);
  result["ready_seconds"] = ready;  // of mapping the model and handing out its memory
  write_json(json_path, result);
  print_result(text);
  return 0;
}

}  // namespace sori
