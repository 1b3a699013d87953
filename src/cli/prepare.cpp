#include "data/prepare.h"

#include "base/unicode.h"
#include "cli/cli.h"

namespace sori {
namespace {

std::string table(const PrepareReport& report, const Path& out) {
  std::string text;
  for (const auto& [name, split] : report.info.at("splits").items())
    text += fmt::format("{:<12} {:>8} utterances {:>9.2f} h\n", name, split.at("utterances").get<std::int64_t>(),
                        split.at("hours").get<double>());
  for (const std::string& remark : report.remarks()) text += remark + "\n";
  for (const auto& [reason, count] : report.rejected) text += fmt::format("rejected     {:>8} {}\n", count, reason);
  if (report.rejected_total() > 0)
    text += fmt::format("each with its reason in {}\n", printable((out / "rejected.jsonl").native()));
  return text;
}

}  // namespace

int run_prepare(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  PrepareOptions options;
  std::string json_path;
  if (!parse_verb(verb, words, options, json_path)) return 0;
  options.check();
  const PrepareReport report = prepare(options, [&](const std::string& what, std::int64_t done, std::int64_t total) {
    log.progress(what, done, total);
  });
  print_result(table(report, options.out()));
  Json result = report.info;
  result["rejected"] = report.rejected;
  write_json(json_path, result);
  refuse_rejected(options, report);
  return 0;
}

}  // namespace sori
