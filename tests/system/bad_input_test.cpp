// Every kind of bad input, as the built program meets it: the documented exit code, one line that says where, what and
// what to do, and nothing half-written under a final name.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>

#include "cli/tiny_world.h"
#include "system/program.h"

namespace sori::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class BadInput : public ::testing::Test {
 protected:
  BadInput() {
    write_model(folder / "model");
    write_recordings(folder / "corpus");
    where.folder = folder.path();
    EXPECT_EQ(run({"prepare", "corpus", "data"}).code, 0);
  }

  Ended run(const std::vector<std::string>& words) const { return run_program(where, words); }

  Ended run(const std::vector<std::string>& words, const std::vector<std::string>& more) const {
    std::vector<std::string> all = words;
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }

  void expect_refused(const Ended& e, int code, const std::vector<std::string>& parts) const {
    EXPECT_EQ(e.code, code) << e.err;
    ASSERT_EQ(e.errors().size(), 1u) << e.err;
    EXPECT_TRUE(e.err.ends_with(e.errors()[0] + "\n")) << "the last line is the error: " << e.err;
    for (const std::string& part : parts) EXPECT_THAT(e.errors()[0], HasSubstr(part));
  }

  void expect_only(const std::set<std::string>& names, const Path& in = ".") const {
    std::set<std::string> found;
    for (const auto& e : std::filesystem::directory_iterator(folder / in)) found.insert(e.path().filename());
    EXPECT_EQ(found, names);
  }

  std::vector<std::string> rejected(const Path& data) const {
    std::vector<std::string> reasons;
    const std::string lines = read_file(folder / data / "rejected.jsonl");
    for (const std::string_view line : split_lines(lines))
      reasons.push_back(parse_json(line, "").at("reason").get<std::string>());
    return reasons;
  }

  // Names in the folder before a refused command, and after it.
  const std::set<std::string> kWorld{"corpus", "data", "err.txt", "model", "out.txt"};
  const std::vector<std::string> kTrain{
      "train", "--model",          "model", "--data",      "data", "--output-dir",
      "run",   "--compute",        "f32",   "--max-steps", "2",    "--train-batch-size",
      "2",     "--max-new-tokens", "3",     "--lora-r",    "2"};
  const std::vector<std::string> kEvaluate{"evaluate", "--model",          "model", "--data", "data",      "--compute",
                                           "f32",      "--max-new-tokens", "3",     "--json", "score.json"};
  TemporaryFolder folder;
  Surroundings where;
};

TEST_F(BadInput, AnUnknownOptionIsNamedWithTheNearestThatExists) {
  expect_refused(run({"train", "--modle", "model"}), 2, {"--modle", "did you mean --model?"});
  expect_refused(run({"trian"}), 2, {"trian", "did you mean sori train?"});
  expect_only(kWorld);
}

TEST_F(BadInput, AFileThatIsMissingIsNamed) {
  std::filesystem::remove(folder / "corpus/dev/12.wav");
  expect_refused(run(kEvaluate), 3, {"dev/12", "corpus/dev/12.wav", "No such file", "check the name"});
  expect_refused(run(kTrain), 3, {"dev/12", "No such file", "check the name"});
  expect_refused(run({"transcribe", "no.wav", "--model", "model", "--compute", "f32"}), 3, {"no.wav", "No such file"});
  expect_refused(run({"evaluate", "--model", "nowhere", "--data", "data"}), 4, {"nowhere", "is not a folder"});
  expect_refused(run({"evaluate", "--model", "model", "--data", "nowhere"}), 3, {"nowhere", "sori prepare"});
  expect_only(kWorld);
}

TEST_F(BadInput, AFileThatIsNoSoundIsNamed) {
  write_file(folder / "corpus/dev/12.wav", "fLaC, and then no sound at all");
  expect_refused(run(kEvaluate), 3, {"dev/12", "12.wav: cannot be read", "check that it is a sound file"});
  expect_refused(run({"transcribe", "corpus/dev/12.wav", "--model", "model", "--compute", "f32"}), 3,
                 {"12.wav: cannot be read"});
  const Ended e = run({"prepare", "corpus", "again"});
  EXPECT_EQ(e.code, 0);
  EXPECT_THAT(e.out, AllOf(HasSubstr("1 audio_unreadable"), HasSubstr("rejected.jsonl")));
  EXPECT_EQ(rejected("again"), std::vector<std::string>{"audio_unreadable"});
}

TEST_F(BadInput, EmptyAudioIsRejectedAndCounted) {
  write_file(folder / "corpus/train/3.wav", "");
  const Ended e = run({"prepare", "corpus", "again"});
  EXPECT_EQ(e.code, 0) << e.err;
  EXPECT_EQ(rejected("again"), std::vector<std::string>{"audio_unreadable"});
  expect_refused(run({"prepare", "corpus", "strict", "--strict"}), 3,
                 {"strict/rejected.jsonl", "1 of 14 utterances were rejected", "leave out --strict"});
  expect_refused(run({"transcribe", "corpus/train/3.wav", "--model", "model", "--compute", "f32"}), 3, {"3.wav"});
}

TEST_F(BadInput, ACorpusOfWhichNothingIsLeftMakesNoDataSet) {
  for (const auto& e : std::filesystem::recursive_directory_iterator(folder / "corpus"))
    if (e.path().extension() == ".wav") write_file(e.path(), "");
  expect_refused(run({"prepare", "corpus", "again"}), 3, {"corpus", "no utterance is left", "14 audio_unreadable"});
  expect_only(kWorld);
}

TEST_F(BadInput, TrainingAudioOverThirtySecondsIsRejectedAndOfEvaluationIsCut) {
  const std::vector<float> long_noise(static_cast<std::size_t>(30.5 * kSampleRate), 0.01f);
  for (const char* name : {"train/3.wav", "dev/12.wav"})
    write_sound(folder / "corpus" / name, SF_FORMAT_WAV | SF_FORMAT_PCM_16, kSampleRate, 1, long_noise);
  EXPECT_EQ(run({"prepare", "corpus", "again"}).code, 0);
  EXPECT_EQ(rejected("again"), std::vector<std::string>{"audio_too_long"});
  const Ended e = run({"evaluate", "--model", "model", "--data", "again", "--compute", "f32", "--max-new-tokens", "3"});
  EXPECT_EQ(e.code, 0) << e.err;
  EXPECT_THAT(e.out, HasSubstr("3 utterances"));
}

TEST_F(BadInput, LabelsThatDoNotFitAreLeftOutAndNamed) {
  write_file(folder / "corpus/train/3.txt", std::string(450, 'a'));
  EXPECT_EQ(run({"prepare", "corpus", "again", "--tokenizer", "model"}).code, 0);
  EXPECT_EQ(rejected("again"), std::vector<std::string>{"too_many_tokens"});
  EXPECT_EQ(run({"prepare", "corpus", "data", "--overwrite"}).code, 0);
  const Ended e = run(kTrain, {"--json", "train.json"});
  EXPECT_EQ(e.code, 0) << e.err;
  EXPECT_THAT(e.err, HasSubstr("left out 1 utterances whose labels are over 40 tokens: train/3"));
  EXPECT_EQ(read_json(folder / "train.json").at("dropped_utterances"), Json({"train/3"}));
}

TEST_F(BadInput, ATranscriptInNoKnownEncodingIsRejectedAndCounted) {
  write_file(folder / "corpus/train/3.txt", "\xFF\xFF\xFF");
  const Ended e = run({"prepare", "corpus", "again"});
  EXPECT_EQ(e.code, 0) << e.err;
  EXPECT_THAT(e.out, HasSubstr("1 transcript_encoding"));
  EXPECT_EQ(rejected("again"), std::vector<std::string>{"transcript_encoding"});
}

TEST_F(BadInput, AnOddByteOfPcmIsDroppedAndCounted) {
  make_folder(folder / "pcm/train");
  for (const int extra : {0, 1}) {
    write_file(folder / fmt::format("pcm/train/{}.pcm", extra),
               std::string(static_cast<std::size_t>(2 * kSampleRate / 2 + extra), '\x01'));
    write_file(folder / fmt::format("pcm/train/{}.txt", extra), fmt::format("소리 {}\n", extra ? "나" : "가"));
  }
  const Ended e = run({"prepare", "pcm", "again"});
  EXPECT_EQ(e.code, 0) << e.err;
  EXPECT_THAT(e.out, HasSubstr("train: 1 with odd_bytes"));
}

// The model's file with one part of its bytes changed.
std::string changed(const Path& file, const std::string& from, const std::string& to) {
  std::string bytes = read_file(file);
  const std::size_t at = bytes.find(from);
  require(at != std::string::npos && from.size() == to.size(), "a file holds what is changed in it");
  return bytes.replace(at, from.size(), to);
}

TEST_F(BadInput, ATensorOfAWrongShapeIsNamed) {
  const Path file = folder / "model/model.safetensors";
  write_file(file, changed(file, "\"shape\":[64,32]", "\"shape\":[32,64]"));
  for (const auto& words : {kTrain, kEvaluate})
    expect_refused(run(words), 3, {"model.safetensors", "fc1.weight", "[32, 64]", "[64, 32]", "; "});
  expect_only(kWorld);
}

TEST_F(BadInput, ATruncatedModelIsNamed) {
  const Path file = folder / "model/model.safetensors";
  const std::string bytes = read_file(file);
  for (const std::size_t size : {std::size_t{0}, std::size_t{4}, std::size_t{100}, bytes.size() - 1}) {
    write_file(file, bytes.substr(0, size));
    for (const auto& words : {kTrain, kEvaluate, {"import", "model", "out"}})
      expect_refused(run(words), 3, {"model/model.safetensors", "; fetch or export the file again"});
  }
  expect_only(kWorld);
}

TEST_F(BadInput, AWeightThatIsNoNumberIsNamed) {
  const Path file = folder / "model/model.safetensors";
  std::string bytes = read_file(file);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  bytes.replace(bytes.size() - 4, 4, reinterpret_cast<const char*>(&nan), 4);
  write_file(file, bytes);
  for (const auto& words : {kTrain, kEvaluate, {"import", "model", "out"}})
    expect_refused(run(words), 6, {"model/model.safetensors", "NaN", "; "});
  expect_only(kWorld);
}

TEST_F(BadInput, ALossThatIsNoNumberNamesStepAndUtterancesAndLeavesTheCheckpoint) {
  EXPECT_EQ(run(kTrain).code, 0);
  const std::string before = read_file(folder / "run/checkpoint-2/adapter_model.safetensors");
  write_model(folder / "model", /*last_gain=*/3e38f);  // finite in the file, infinite in the logits
  expect_refused(run(kTrain, {"--resume"}), 8, {"checkpoint-2", "model_hash"});
  std::filesystem::rename(folder / "run", folder / "kept");
  const Ended e = run(kTrain);
  expect_refused(e, 6, {"the loss is not a number at step 1 (utterances train/", "lower --learning-rate"});
  expect_only({}, "run");
  EXPECT_TRUE(read_file(folder / "kept/checkpoint-2/adapter_model.safetensors") == before);
}

// RLIMIT_FSIZE: writes beyond it fail as on a full disk. The first bytes of a run still fit, its weights do not.
TEST_F(BadInput, AFullDiskLeavesNothingUnderAFinalName) {
  where.largest_file = 4096;
  const std::vector<std::string> parts{"cannot write", "; "};
  expect_refused(run({"import", "model", "out"}), 4, parts);
  expect_refused(run({"quantize", "model", "out", "--base", "int8"}), 4, parts);
  expect_refused(run({"merge", "model", "model", "out"}), 4, {"adapter_config.json"});
  where.largest_file = 1024;
  expect_refused(run({"prepare", "corpus", "out"}), 4, parts);
  expect_only(kWorld);
  where.largest_file = 4096;
  expect_refused(run(kTrain), 4, parts);
  expect_only({}, "run");
}

TEST_F(BadInput, AFullStandardOutputIsAFailedWriteAndKeepsTheResult) {
  where.out = "/dev/full";
  expect_refused(run(kEvaluate), 4, {"standard output: cannot write: No space left on device", "; "});
  EXPECT_TRUE(std::filesystem::exists(folder / "score.json"));
  expect_refused(run({"--help"}), 4, {"standard output"});
  expect_refused(run({"transcribe", "corpus/dev/12.wav", "--model", "model", "--compute", "f32"}), 4,
                 {"standard output"});
}

TEST_F(BadInput, ALogThatCannotBeWrittenStopsNothing) {
  where.err = "/dev/full";
  EXPECT_EQ(run(kTrain).code, 0);
  EXPECT_TRUE(std::filesystem::exists(folder / "run/adapter_model.safetensors"));
  EXPECT_EQ(run({"trian"}).code, 2) << "though nobody hears it";
}

TEST_F(BadInput, AnOutputThatCannotBeWrittenIsSaidBeforeTheWork) {
  const Ended e = run({"evaluate", "--model", "model", "--data", "data", "--json", "missing/score.json"});
  expect_refused(e, 4, {"missing/score.json", "No such file", "check the name"});
  EXPECT_EQ(e.errors()[0] + "\n", e.err) << "nothing was begun";
  expect_refused(run({"evaluate", "--model", "model", "--data", "data", "--predictions", "corpus"}), 4,
                 {"corpus", "Is a directory"});
}

// On names of the test's own: a program that fails here would replace the machine's /dev/stdout and /dev/null.
TEST_F(BadInput, AStreamThatIsNamedAsAResultStaysAStream) {
  std::filesystem::create_symlink("/proc/self/fd/1", folder / "stdout");  // as /dev/stdout is
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  const int reader = ::open((folder / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
  const Ended e = run({"evaluate", "--model", "model", "--data", "data", "--compute", "f32", "--max-new-tokens", "3",
                       "--predictions", "stdout", "--json", "pipe"});
  std::string json(1 << 16, '\0');  // what a pipe holds
  json.resize(static_cast<std::size_t>(std::max<ssize_t>(::read(reader, json.data(), json.size()), 0)));
  ::close(reader);
  EXPECT_EQ(e.code, 0) << e.err;
  const std::vector<std::string_view> lines = split_lines(e.out);
  EXPECT_EQ(std::ranges::count_if(lines, [](auto line) { return line.starts_with("{\"id\"") && line.ends_with("}"); }),
            3)
      << e.out;
  EXPECT_THAT(e.out, HasSubstr("\nCER  ")) << "behind them";
  EXPECT_EQ(parse_json(json, "pipe").at("utterances"), 3);
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "stdout"));
  EXPECT_TRUE(std::filesystem::is_fifo(folder / "pipe"));
}

class Stopped : public BadInput {
 protected:
  // Far more steps than are done before the signal comes.
  std::vector<std::string> train(const std::string& out, const char* steps) const {
    return {"train", "--model",     "model", "--data",          "data", "--output-dir",
            out,     "--compute",   "f32",   "--lora-r",        "2",    "--train-batch-size",
            "2",     "--max-steps", steps,   "--logging-steps", "1",    "--max-new-tokens",
            "3"};
  }
};

TEST_F(Stopped, ByASignalARunSavesItsStepAndGoesOnToTheSameBytes) {
  for (const int signal : {SIGTERM, SIGINT}) {
    std::filesystem::remove_all(folder / "run");
    Program program(where, train("run", "30"));
    ASSERT_TRUE(program.said("step 1/30"));
    program.signal(signal);
    expect_refused(program.end(), 75, {"run: stopped after step", "go on with the same command and --resume"});
    EXPECT_FALSE(std::filesystem::exists(folder / "run/run.json"));
  }
  EXPECT_EQ(run(train("run", "30"), {"--resume"}).code, 0);
  EXPECT_EQ(run(train("straight", "30")).code, 0);
  for (const char* file : {"adapter_model.safetensors", "trainer_state.json", "README.md"})
    EXPECT_TRUE(read_file(folder / "run" / file) == read_file(folder / "straight" / file)) << file;
}

TEST_F(Stopped, ByASecondSignalARunEndsAtOnce) {
  Program program(where, train("run", "100000"));
  ASSERT_TRUE(program.said("step 1/100000"));
  program.signal(SIGSTOP);  // so that both are there when it goes on
  program.signal(SIGINT);
  program.signal(SIGTERM);
  program.signal(SIGCONT);
  EXPECT_NE(program.end().signal, 0);
}

TEST_F(Stopped, ARunThatIsKilledLeavesItsFolderFree) {
  Program program(where, train("run", "100000"));
  ASSERT_TRUE(program.said("step 1/100000"));
  expect_refused(run(train("run", "100000"), {"--resume"}), 7,
                 {"run: is in use by process " + std::to_string(program.process()), "; "});
  expect_refused(run(train("run", "100000"), {"--overwrite-output-dir"}), 7, {"is in use"});
  program.signal(SIGKILL);
  EXPECT_EQ(program.end().signal, SIGKILL);
  EXPECT_EQ(run(train("run", "3"), {"--overwrite-output-dir"}).code, 0);
}

}  // namespace
}  // namespace sori::test
