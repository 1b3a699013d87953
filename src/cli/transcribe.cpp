#include "decode/transcribe.h"

#include <unistd.h>

#include "base/unicode.h"
#include "cli/cli.h"
#include "cli/judge.h"

namespace sori {
namespace {

struct Options {
  JudgeOptions judge;
  std::vector<std::string> files;
  std::string output_format = "txt";

  void describe(OptionTable& t) {
    t.arguments("FILE...", files, "recordings of any length: wav, flac, mp3, ogg, pcm");
    judge.describe(t);
    t.text("language", judge.language, "language spoken, if neither adapter nor model states it (then ko)");
    t.choice("output-format", output_format, "one line of text a file, or JSON with times", {"txt", "json"});
    t.choice("task", judge.task, "write the language spoken, or English", {"transcribe", "translate"});
  }
};

Json to_json(const std::string& file, const Transcript& t) {
  Json segments = Json::array();
  for (const TranscriptPart& p : t.parts)
    segments.push_back(
        {{"id", segments.size()}, {"start", p.start}, {"end", p.end}, {"text", p.text}, {"ended", p.ended}});
  return {{"file", printable(file)}, {"text", t.text()}, {"duration", t.seconds}, {"segments", segments}};
}

}  // namespace

int run_transcribe(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  Options o;
  std::string json_path;
  if (!parse_verb(verb, words, o, json_path)) return 0;
  Judge judge(o.judge, {}, log);
  Json results = Json::array();
  int code = 0;
  const bool text = o.output_format == "txt";
  const bool live = text && ::isatty(STDOUT_FILENO) == 1;  // somebody watches: the text appears as it is written
  bool open_line = false;
  TranscribeCallbacks callbacks;
  if (live)
    callbacks.text = [&](const std::string& piece) {
      print_result(piece);
      open_line = true;
    };
  if (!live || !log.terminal())  // on one terminal a bar would stand in the middle of the text, which shows as much
    callbacks.progress = [&](double done, double total) {
      log.progress("transcribe: s", static_cast<std::int64_t>(done), static_cast<std::int64_t>(std::ceil(total)));
    };
  for (const std::string& file : o.files) {
    std::string rest;  // of the text, that is not shown yet
    try {
      if (audio_info(file).header_missing)
        log.line(fmt::format("{}: has no header; read as 16 kHz, 16 bit, one channel", file));
      const Transcript t = transcribe(judge.recognizer(), file, callbacks);
      results.push_back(to_json(file, t));
      rest = (live ? "" : t.text()) + "\n";
      open_line = false;
    } catch (const Error& e) {  // the others are still worth reading
      if (std::exchange(open_line, false)) rest = '\n';
      log.line(fmt::format("sori: {}", e.what()));
      results.push_back({{"file", printable(file)}, {"error", e.what()}});
      code = exit_code(ErrorKind::kInput);
    }
    if (text) print_result(rest);
  }
  write_json(json_path, results);
  if (!text) print_result(to_text(results));
  return code;
}

}  // namespace sori
