// What sori evaluate and sori transcribe say about odd recordings and damaged models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <thread>

#include "cli/cli.h"
#include "cli/tiny_world.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Puts a terminal in the place of a file descriptor.
class Terminal {
 public:
  explicit Terminal(int descriptor) : descriptor_(descriptor), before_(::dup(descriptor)) {
    std::fflush(nullptr);
    termios raw{};
    ::cfmakeraw(&raw);
    int screen = -1;
    require(::openpty(&keyboard_, &screen, nullptr, &raw, nullptr) == 0, "a terminal can be had");
    ::dup2(screen, descriptor_);
    ::close(screen);
    reader_ = std::thread([this] {
      char buffer[4096];
      for (ssize_t n = 0; (n = ::read(keyboard_, buffer, sizeof buffer)) > 0; ++pieces_)
        text_.append(buffer, static_cast<std::size_t>(n));
    });
  }
  ~Terminal() { close(); }

  std::string text() { return close(), text_; }
  int pieces() { return close(), pieces_; }  // that arrived one by one

 private:
  void close() {
    if (!reader_.joinable()) return;
    std::fflush(nullptr);
    ::dup2(before_, descriptor_);
    ::close(before_);
    reader_.join();  // reading fails once nobody has the terminal open
    ::close(keyboard_);
  }

  int descriptor_, before_, keyboard_ = -1, pieces_ = 0;
  std::string text_;
  std::thread reader_;
};

class Judging : public ::testing::Test {
 protected:
  Judging() { write_model(folder / "model"); }

  std::string path(const std::string& name) const { return (folder / name).string(); }

  // The exit code; what it wrote lies in `out` and `err`.
  int say(const std::vector<std::string>& words) {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = run(words);
    out = ::testing::internal::GetCapturedStdout();
    err = ::testing::internal::GetCapturedStderr();
    return code;
  }
  std::vector<std::string> transcribe_words(const std::string& sound) const {
    return {"transcribe", path(sound), "--model", path("model"), "--compute", "f32", "--max-new-tokens", "12"};
  }
  int transcribe(const std::string& sound) { return say(transcribe_words(sound)); }

  void write_talk(double seconds) const {
    write_sound(folder / "talk.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, kSampleRate, 1,
                sine(440, 0.5, seconds, kSampleRate));
  }

  TemporaryFolder folder;
  std::string out, err;
};

TEST_F(Judging, TranscribeSaysWhenAWavHasNoHeader) {
  const std::string samples = pcm16(std::vector<int>(8000, 700));
  write_bytes(folder / "bare.wav", samples);
  write_bytes(folder / "bare.pcm", samples);
  write_bytes(folder / "good.wav", wav({}, samples));
  EXPECT_EQ(transcribe("bare.wav"), 0);
  EXPECT_THAT(err, HasSubstr(path("bare.wav") + ": has no header; read as 16 kHz"));
  const std::string text = out;
  for (const char* other : {"bare.pcm", "good.wav"}) {
    EXPECT_EQ(transcribe(other), 0);
    EXPECT_THAT(err, Not(HasSubstr("header"))) << other;
    EXPECT_EQ(out, text) << other;
  }
}

TEST_F(Judging, TranscribeShowsTheTextAsItIsWrittenOnATerminalOnly) {
  write_talk(60);
  ASSERT_EQ(transcribe("talk.wav"), 0);
  const std::string text = out;
  EXPECT_THAT(err, HasSubstr("transcribe: s 60/60"));
  int pieces = 0;
  for (int i = 0; i < 5 && pieces < 3; ++i) {  // a busy machine may let several pieces arrive as one
    ::testing::internal::CaptureStderr();
    Terminal screen(STDOUT_FILENO);
    EXPECT_EQ(run(transcribe_words("talk.wav")), 0);
    EXPECT_EQ(screen.text(), text);
    pieces = screen.pieces();
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("transcribe: s 60/60"));
  }
  EXPECT_GE(pieces, 3);  // one would be all of it, two could be the text and the end of its line
}

TEST_F(Judging, NoBarStandsInTextThatIsBeingWritten) {
  write_talk(3);
  std::vector<std::string> words = transcribe_words("talk.wav");
  for (const char* format : {"txt", "json"}) {
    Terminal screen(STDOUT_FILENO), other(STDERR_FILENO);
    EXPECT_EQ(run(words), 0);
    EXPECT_THAT(screen.text(), Not(::testing::IsEmpty()));
    if (format == std::string("txt"))
      EXPECT_EQ(other.text(), "");
    else
      EXPECT_THAT(other.text(), HasSubstr("transcribe: s 3/3"));
    words.insert(words.end(), {"--output-format", "json"});
  }
}

// Puts a NaN into a tensor of f32 numbers.
void poison(const Path& file, const std::string& tensor) {
  std::string bytes = read_file(file);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  const Json about = parse_json(std::string_view(bytes).substr(8, header), file.string());
  ASSERT_EQ(about.at(tensor).at("dtype"), "F32");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto begin = about.at(tensor).at("data_offsets").at(0).get<std::size_t>();
  std::memcpy(bytes.data() + 8 + header + begin + sizeof nan, &nan, sizeof nan);
  write_file(file, bytes);
}

TEST_F(Judging, ANanInModelOrAdapterEndsWithItsExitCodeAndNamesTheTensor) {
  write_recordings(folder / "corpus");
  ASSERT_EQ(say({"prepare", path("corpus"), path("data")}), 0) << err;
  ASSERT_EQ(say({"train", "--model", path("model"), "--data", path("data"), "--output-dir", path("run"), "--method",
                 "lora", "--lora-r", "2", "--max-steps", "1", "--compute", "f32", "--max-new-tokens", "2"}),
            0)
      << err;
  const auto evaluate = [&](const std::string& model) {
    return say({"evaluate", "--model", path(model), "--adapter", path("run"), "--data", path("data"), "--compute",
                "f32", "--max-new-tokens", "2"});
  };
  ASSERT_EQ(evaluate("model"), 0) << err;
  for (const std::string tensor : {"model.decoder.layers.0.fc1.weight", "model.encoder.layer_norm.bias"}) {
    write_model(folder / "damaged");
    poison(folder / "damaged/model.safetensors", tensor);
    EXPECT_EQ(evaluate("damaged"), exit_code(ErrorKind::kNumeric));
    EXPECT_THAT(err, HasSubstr(path("damaged/model.safetensors") + ": " + tensor + ": tensor holds NaN"));
    EXPECT_EQ(out, "");
  }
  const std::string tensor = "base_model.model.model.decoder.layers.1.self_attn.q_proj.lora_B.weight";
  poison(folder / "run/adapter_model.safetensors", tensor);
  EXPECT_EQ(evaluate("model"), exit_code(ErrorKind::kNumeric));
  EXPECT_THAT(err, HasSubstr(path("run/adapter_model.safetensors") + ": " + tensor + ": tensor holds NaN"));
}

}  // namespace
}  // namespace sori::test
