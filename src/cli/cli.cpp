#include "cli/cli.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "base/error.h"
#include "cli/run_file.h"

namespace sori {
namespace {

constexpr const char* kConfig = "config";

int report(const std::string& message, int code) {
  std::fputs(("sori: " + message + "\n").c_str(), stderr);  // fmt::print would throw where it cannot be written
  return code;
}

int dispatch(const std::vector<std::string>& words) {
  if (words.empty() || words[0] == "help" || words[0] == "--help" || words[0] == "-h") {
    print_result(help_all());
    return words.empty() ? exit_code(ErrorKind::kUsage) : 0;
  }
  if (words[0] == "--version" || words[0] == "version") {
    print_result("sori " SORI_VERSION "\n");
    return 0;
  }
  std::vector<std::string> names;
  for (const Verb& v : verbs()) {
    if (words[0] == v.name) {
      Log log;
      return v.run(v, {words.begin() + 1, words.end()}, log);
    }
    names.emplace_back(v.name);
  }
  const std::string near = nearest_name(words[0], names);
  throw Error{ErrorKind::kUsage, fmt::format("\"{}\" is not a command", words[0]), "",
              near.empty() ? "see sori --help" : fmt::format("did you mean sori {}?", near)};
}

}  // namespace

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> kVerbs{
      {"prepare", "data", "turn recordings and transcripts into a data set", "sori prepare KsponSpeech/ data/",
       run_prepare},
      {"inspect", "data", "show what a data set, model or adapter holds, samples token by token",
       "sori inspect data/ --model whisper-base/", run_inspect},
      {"import", "model", "bring a model folder into the Hugging Face layout",
       "sori import whisper-base-ct2/ whisper-base/", run_import},
      {"quantize", "model", "store a model's frozen matrices in 8 or 4 bits",
       "sori quantize whisper-base/ whisper-base-nf4/ --base nf4", run_quantize},
      {"prune", "model", "leave out the layers that a model misses least",
       "sori prune whisper-base/ whisper-base-10/ --drop-layers 2 --data data/", run_prune},
      {"merge", "model", "fold an adapter into its model", "sori merge whisper-base/ run/ tuned/ --dtype f16",
       run_merge},
      {"plan", "train", "say what a run will take, before it starts",
       "sori plan --size large-v3 --method lora --ram 6G", run_plan},
      {"train", "train", "fine-tune a model on a data set",
       "sori train --model whisper-base/ --data data/ --output-dir run/ --method lora", run_train},
      {"evaluate", "judge", "measure CER and WER on a split",
       "sori evaluate --model whisper-base/ --adapter run/ --data data/ --split eval", run_evaluate},
      {"guard", "judge", "say whether a tuned model still behaves: silence, noise, English, long recordings",
       "sori guard --model whisper-base/ --adapter run/ --data data/ --english english/", run_guard},
      {"transcribe", "judge", "write down what recordings say",
       "sori transcribe --model whisper-base/ --adapter run/ talk.wav", run_transcribe},
      {"report", "judge", "turn an experiment's results into a page to look at", "sori report study/ study.html",
       run_report},
      {"bench", "machine", "measure what this machine can do, and what training reaches of it",
       "sori bench --size base --method lora", run_bench},
      {"experiment", "machine", "measure what the documentation states",
       "sori experiment memory --tokenizer whisper-base/ --output-dir memory/", run_experiment},
  };
  return kVerbs;
}

bool wants_help(const std::vector<std::string>& words) {
  return std::any_of(words.begin(), words.end(), [](const std::string& w) { return w == "--help" || w == "-h"; });
}

bool parse_table(const Verb& verb, OptionTable& table, const std::vector<std::string>& words) {
  if (wants_help(words)) {
    print_result(help_verb(verb, table));
    return false;
  }
  parse_words(table, words);
  if (const Option* file = table.find(kConfig); file && file->given)
    read_run_file(table, file->value().get<std::string>());
  require_given(table);
  return true;
}

void describe_config(OptionTable& table, std::string& path) {
  table.path(kConfig, path, "take what is not said here from this TOML file, as sori plan --write makes it");
}

void describe_json(OptionTable& table, std::string& json_path) {
  table.output("json", json_path, "write the result to this file as JSON too");
}

void write_json(const std::string& json_path, const Json& result) {
  if (!json_path.empty()) write_file(json_path, to_text(result));
}

void print_result(const std::string& text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
  throw Error{ErrorKind::kIo, fmt::format("cannot write: {}", std::strerror(errno)), "standard output",
              "free some disk space, or send the output elsewhere"};
}

int run(const std::vector<std::string>& words) {
  try {
    return dispatch(words);
  } catch (const Error& e) {
    return report(e.what(), exit_code(e.kind()));
  } catch (const std::bad_alloc&) {
    return report("out of memory; close other programs, or choose a smaller batch or --method lora",
                  exit_code(ErrorKind::kMemory));
  } catch (const std::exception& e) {
    return report(fmt::format("this is a bug in sori: {}; please report it with the command line", e.what()), kExitBug);
  }
}

}  // namespace sori
