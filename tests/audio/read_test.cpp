#include "audio/read.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audio/sound_files.h"
#include "base/error.h"
#include "base/process_memory.h"
#include "base/rng.h"
#include "support/temp_dir.h"

// libvorbis keeps 6 KB of a damaged Ogg file that libsndfile refuses; a leak of theirs, not ours.
extern "C" const char* __lsan_default_suppressions() { return "leak:vorbis_info_init\n"; }

namespace sori {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kFloatWav = SF_FORMAT_WAV | SF_FORMAT_FLOAT;
constexpr int kPcmWav = SF_FORMAT_WAV | SF_FORMAT_PCM_16;

// The Error that reading throws, or "" and kStopped when it does not.
struct Refusal {
  ErrorKind kind = ErrorKind::kStopped;
  std::string text;
};

Refusal refusal(const Path& path, const AudioLimits& limits = {}) {
  try {
    read_audio(path, limits);
  } catch (const Error& e) {
    return {e.kind(), e.what()};
  }
  return {};
}

// Every refusal is an input error, names the file, says what is wrong, and what to do (after the semicolon).
void expect_refused(const Path& path, const std::string& what, const AudioLimits& limits = {}) {
  const Refusal r = refusal(path, limits);
  EXPECT_EQ(r.kind, ErrorKind::kInput) << path;
  EXPECT_THAT(r.text, HasSubstr(path.string() + ": "));
  EXPECT_THAT(r.text, HasSubstr(what));
  EXPECT_THAT(r.text, HasSubstr("; "));
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b, std::size_t from, std::size_t to) {
  double worst = 0;
  for (std::size_t i = from; i < to; ++i) worst = std::max(worst, std::abs(static_cast<double>(a.at(i)) - b.at(i)));
  return worst;
}

double root_mean_square(const std::vector<float>& x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * v;
  return std::sqrt(sum / static_cast<double>(x.size()));
}

class ReadAudio : public testing::Test {
 protected:
  Path write(const std::string& name, std::string_view bytes) { return write_bytes(dir_ / name, bytes); }
  test::TempDir dir_;
};

TEST_F(ReadAudio, TakesSamplesOfA16kHzFloatWavAsTheyAre) {
  const std::vector<float> samples = {0.0f, 0.25f, -1.0f, 1.0f, 1.5f, -1e-7f};
  write_sound(dir_ / "a.wav", kFloatWav, 16000, 1, samples);
  const Audio audio = read_audio(dir_ / "a.wav");
  EXPECT_EQ(audio.samples, samples);
  EXPECT_EQ(audio.source_rate, 16000);
  EXPECT_EQ(audio.seconds, 6.0 / 16000);
  EXPECT_FALSE(audio.headerless);
  EXPECT_FALSE(audio.odd_bytes);
}

TEST_F(ReadAudio, ScalesIntegersByTheirFullScale) {
  EXPECT_THAT(read_audio(write("a.wav", wav({}, pcm16({0, 1, -32768, 16384})))).samples,
              ElementsAre(0.0f, 1.0f / 32768, -1.0f, 0.5f));
  EXPECT_THAT(read_audio(write("b.wav", wav({.bits = 8}, std::string("\x80\xC0\x00", 3)))).samples,
              ElementsAre(0.0f, 0.5f, -1.0f));
}

TEST_F(ReadAudio, MixesChannelsByTheirMean) {
  write_sound(dir_ / "a.wav", kFloatWav, 16000, 2, {0.5f, 0.25f, -1.0f, 1.0f, 0.0f, 1.0f});
  EXPECT_THAT(read_audio(dir_ / "a.wav").samples, ElementsAre(0.375f, 0.0f, 0.5f));
  write_sound(dir_ / "b.wav", kFloatWav, 16000, 8, {1, 1, 1, 1, 0, 0, 0, 1});
  EXPECT_THAT(read_audio(dir_ / "b.wav").samples, ElementsAre(0.625f));
}

TEST_F(ReadAudio, ReadsHeaderlessPcmAndDropsAnOddLastByte) {
  const Audio even = read_audio(write("a.pcm", pcm16({1, -1, 32767})));
  EXPECT_THAT(even.samples, ElementsAre(1.0f / 32768, -1.0f / 32768, 32767.0f / 32768));
  EXPECT_TRUE(even.headerless);
  EXPECT_FALSE(even.header_missing);
  EXPECT_FALSE(even.odd_bytes);
  const Audio odd = read_audio(write("b.pcm", pcm16({1, -1, 32767}) + "\x7f"));
  EXPECT_EQ(odd.samples, even.samples);
  EXPECT_TRUE(odd.odd_bytes);
  EXPECT_TRUE(audio_info(dir_ / "b.pcm").odd_bytes);
  EXPECT_EQ(audio_seconds(dir_ / "b.pcm"), 3.0 / 16000);
}

TEST_F(ReadAudio, LooksAtTheBytesNotOnlyAtTheName) {
  const Audio wav_named_pcm = read_audio(write("a.pcm", wav({}, pcm16({5, 6}))));
  EXPECT_EQ(wav_named_pcm.samples.size(), 2u);
  EXPECT_FALSE(wav_named_pcm.headerless);
  const Audio pcm_named_wav = read_audio(write("b.WAV", pcm16({5, 6, 7})));
  EXPECT_EQ(pcm_named_wav.samples.size(), 3u);
  EXPECT_TRUE(pcm_named_wav.headerless);
  EXPECT_TRUE(pcm_named_wav.header_missing);
  write_sound(dir_ / "c.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 1, sine(440, 0.5, 0.1, 16000));
  std::filesystem::rename(dir_ / "c.flac", dir_ / "c.wav");
  EXPECT_EQ(read_audio(dir_ / "c.wav").samples.size(), 1600u);
}

TEST_F(ReadAudio, PcmThatLooksLikeMp3StaysPcm) {
  EXPECT_EQ(read_audio(write("a.pcm", pcm16({-1, -1025, -2, -3}))).samples.size(), 4u);
}

struct Coding {
  const char* name;
  int format, rate;
  double error;  // allowed distance to the sine of amplitude 0.5: a step of the integers; for lossy codecs 1 % of full
                 // scale
};

class EveryCoding : public ReadAudio, public testing::WithParamInterface<Coding> {};

TEST_P(EveryCoding, GivesTheSineBack) {
  const Coding& c = GetParam();
  const std::vector<float> mono = sine(440, 0.5, 2.0, c.rate), truth = sine(440, 0.5, 2.0, kSampleRate);
  std::vector<float> stereo;
  for (const float x : mono) stereo.insert(stereo.end(), {x, x});
  write_sound(dir_ / c.name, c.format, c.rate, 2, stereo);
  const Audio audio = read_audio(dir_ / c.name);
  EXPECT_EQ(audio.channels, 2);
  EXPECT_EQ(audio.source_rate, c.rate);
  EXPECT_NEAR(audio.seconds, 2.0, 0.05);  // a lossy codec may add or lose a frame at the ends
  EXPECT_NEAR(audio_seconds(dir_ / c.name), 2.0, 0.05);
  ASSERT_GE(audio.samples.size(), 30000u);
  EXPECT_LT(largest_difference(audio.samples, truth, 4000, 28000), c.error);
}

INSTANTIATE_TEST_SUITE_P(Codings, EveryCoding,
                         testing::Values(Coding{"pcm16.wav", kPcmWav, 16000, 0x1p-15},
                                         Coding{"pcm8.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 16000, 0x1p-7},
                                         Coding{"pcm24.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 16000, 0x1p-22},
                                         Coding{"double.wav", SF_FORMAT_WAV | SF_FORMAT_DOUBLE, 16000, 0x1p-24},
                                         Coding{"extensible.wav", SF_FORMAT_WAVEX | SF_FORMAT_PCM_16, 16000, 0x1p-15},
                                         Coding{"big.wav", SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 16000, 0x1p-15},
                                         Coding{"ulaw.wav", SF_FORMAT_WAV | SF_FORMAT_ULAW, 16000, 0.02},
                                         Coding{"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 0x1p-15},
                                         Coding{"vorbis.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 16000, 0.02},
                                         Coding{"opus.ogg", SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000, 0.02},
                                         Coding{"a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 44100, 0.02}),
                         [](const auto& p) {
                           std::string name = p.param.name;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

class EveryRate : public ReadAudio, public testing::WithParamInterface<int> {};

TEST_P(EveryRate, KeepsFrequencyAmplitudeAndLength) {
  write_sound(dir_ / "a.wav", kFloatWav, GetParam(), 1, sine(440, 0.5, 1.0, GetParam()));
  const Audio audio = read_audio(dir_ / "a.wav");
  EXPECT_EQ(audio.samples.size(), 16000u);
  // soxr's high quality is good for 20 bits; ends ring, because the sine starts there.
  EXPECT_LT(largest_difference(audio.samples, sine(440, 0.5, 1.0, kSampleRate), 2000, 14000), 0x1p-19);
}

INSTANTIATE_TEST_SUITE_P(Rates, EveryRate,
                         testing::Values(4000, 8000, 11025, 12347, 16000, 22050, 44100, 48000, 96000, 192000, 384000));

TEST_F(ReadAudio, RemovesWhat16kHzCannotHold) {
  write_sound(dir_ / "a.wav", kFloatWav, 48000, 1, sine(12000, 0.5, 1.0, 48000));
  const std::vector<float> samples = read_audio(dir_ / "a.wav").samples;
  EXPECT_LT(root_mean_square({samples.begin() + 2000, samples.begin() + 14000}), 0x1p-19);
}

TEST_F(ReadAudio, ThirtySecondsAreOneWindowAtAnyRate) {
  for (const int rate : {11025, 22050, 44100}) {
    write_sound(dir_ / "a.wav", kPcmWav, rate, 1, std::vector<float>(static_cast<std::size_t>(rate) * 30, 0.1f));
    EXPECT_EQ(read_audio(dir_ / "a.wav", {.max_seconds = 30}).samples.size(), 480000u) << rate;
  }
}

TEST_F(ReadAudio, OneSampleIsAudio) {
  EXPECT_EQ(read_audio(write("a.wav", wav({}, pcm16({100})))).samples.size(), 1u);
  EXPECT_EQ(read_audio(write("b.wav", wav({.rate = 8000}, pcm16({100})))).samples.size(), 2u);
  EXPECT_EQ(read_audio(write("c.wav", wav({.rate = 384000}, pcm16({100})))).samples.size(), 1u);
}

class ReadRange : public ReadAudio, public testing::WithParamInterface<const char*> {};

TEST_P(ReadRange, CutsWhatTheTableNames) {
  const Path path = dir_ / GetParam();
  std::vector<float> ramp(48000);
  for (std::size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<float>(i) / 65536;
  if (path.extension() == ".pcm") {
    std::string bytes;
    for (std::size_t i = 0; i < ramp.size(); ++i) bytes += little_endian(i / 2, 2);
    write_bytes(path, bytes);
  } else {
    write_sound(path, path.extension() == ".flac" ? SF_FORMAT_FLAC | SF_FORMAT_PCM_24 : kPcmWav, 16000, 1, ramp);
  }
  const Audio part = read_audio(path, {.start = 1.0, .end = 1.5});
  ASSERT_EQ(part.samples.size(), 8000u);
  EXPECT_EQ(part.seconds, 0.5);
  EXPECT_NEAR(part.samples.front(), ramp[16000], 0x1p-15);
  EXPECT_NEAR(part.samples.back(), ramp[23999], 0x1p-15);
  EXPECT_EQ(read_audio(path, {.start = 2.5}).samples.size(), 8000u);
  EXPECT_EQ(read_audio(path, {.start = 2.5, .end = 3.4}).samples.size(),
            8000u);  // tables round; half a second is forgiven
  expect_refused(path, "ends 0.60 s before the end of the range", {.start = 2.5, .end = 3.6});
  expect_refused(path, "lasts 3.00 s, but the range starts at 3 s", {.start = 3, .end = 4});
  expect_refused(path, "cannot be cut from 2 s to 1 s", {.start = 2, .end = 1});
  expect_refused(path, "cannot be cut from", {.start = -1, .end = 1});
  expect_refused(path, "cannot be cut from", {.start = std::nan(""), .end = 1});
  expect_refused(path, "cannot be cut from", {.start = 1e300});
}

INSTANTIATE_TEST_SUITE_P(Kinds, ReadRange, testing::Values("a.wav", "a.flac", "a.pcm"),
                         [](const auto& p) { return std::string(p.param).substr(2); });

TEST_F(ReadAudio, RefusesWhatHoldsNoSound) {
  expect_refused(write("a.wav", ""), "holds no sound");
  expect_refused(write("a.pcm", ""), "holds no sound");
  expect_refused(write("b.pcm", "x"), "holds no sound");
  expect_refused(write("c.wav", wav({}, "")), "holds no sound");
  EXPECT_THROW(audio_info(dir_ / "c.wav"), Error);
  expect_refused(write("d.mp3", "x"), "holds no sound");
}

TEST_F(ReadAudio, RefusesWhatIsNoSound) {
  expect_refused(write("a.flac", "<html>this is a web page, not a sound</html>"), "cannot be read as wav");
  expect_refused(write("a.mp3", std::string(4096, 'x')), "cannot be read as wav");
  expect_refused(write("a.wav", "RIFFnonsense and more of it, and more"), "cannot be read as wav");
  write_sound(dir_ / "a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 16000, 1, {0.1f, 0.2f});
  expect_refused(dir_ / "a.aiff", "is not wav, flac, ogg or mp3");
  EXPECT_EQ(refusal(dir_.path()).kind, ErrorKind::kInput);
  EXPECT_EQ(refusal(dir_ / "absent.wav").kind, ErrorKind::kIo);
}

TEST_F(ReadAudio, RefusesChannelsAndRatesOutsideOfTheLimits) {
  const std::string data = pcm16(std::vector<int>(4096, 7));
  expect_refused(write("9.wav", wav({.channels = 9}, data)), "has 9 channels, more than 8");
  expect_refused(write("3999.wav", wav({.rate = 3999}, data)), "3999 Hz");
  expect_refused(write("384001.wav", wav({.rate = 384001}, data)), "384001 Hz");
  expect_refused(write("0.wav", wav({.channels = 0}, data)), "");
  expect_refused(write("65535.wav", wav({.channels = 65535}, data)), "");
  expect_refused(write("0hz.wav", wav({.rate = 0}, data)), "");
  expect_refused(write("4ghz.wav", wav({.rate = 0xFFFFFFFF}, data)), "");
  expect_refused(write("0bits.wav", wav({.bits = 0}, data)), "");
}

TEST_F(ReadAudio, RefusesSamplesThatAreNoNumbersOrFarTooLarge) {
  write_sound(dir_ / "nan.wav", kFloatWav, 16000, 1, {0.1f, std::nanf(""), 0.1f});
  expect_refused(dir_ / "nan.wav", "not numbers");
  write_sound(dir_ / "inf.wav", kFloatWav, 16000, 1, {0.1f, -INFINITY});
  expect_refused(dir_ / "inf.wav", "not numbers");
  write_sound(dir_ / "unscaled.wav", kFloatWav, 44100, 1, {12.0f, 20000.0f});
  expect_refused(dir_ / "unscaled.wav", "as large as 20000");
}

// As written into a pipe; and one whose writer counted the header's 44 bytes too.
TEST_F(ReadAudio, AWavOfUnknownLengthIsReadToItsEnd) {
  for (const std::int64_t size :
       {std::int64_t{0xFFFFFFFF}, std::int64_t{0x80000000}, std::int64_t{0x7FFFF000}, std::int64_t{6 + 44}}) {
    const Path path = write("a.wav", wav({.data_bytes = size}, pcm16({1, 2, 3})));
    EXPECT_THAT(read_audio(path).samples, ElementsAre(1.0f / 32768, 2.0f / 32768, 3.0f / 32768)) << size;
    EXPECT_EQ(audio_seconds(path), 3.0 / 16000) << size;
  }
  for (const std::uint64_t riff : {0u, 8u, 36u, 0xFFFFFFFFu}) {  // a recorder that was switched off
    std::string bytes = wav({.data_bytes = 0}, pcm16({1, 2, 3}));
    bytes.replace(4, 4, little_endian(riff, 4));
    EXPECT_THAT(read_audio(write("b.wav", bytes)).samples, ElementsAre(1.0f / 32768, 2.0f / 32768, 3.0f / 32768))
        << riff;
  }
  expect_refused(write("c.wav", wav({.data_bytes = 0}, "LIST" + little_endian(4, 4) + "INFO")), "holds no sound");
}

TEST_F(ReadAudio, RefusesAWavThatIsCutOff) {
  const std::string whole = wav({}, pcm16(std::vector<int>(16000, 7)));
  expect_refused(write("a.wav", std::string_view(whole).substr(0, whole.size() - 100)), "100 bytes of sound");
  EXPECT_THROW(audio_info(dir_ / "a.wav"), Error);
  for (const int format : {kPcmWav, kPcmWav | SF_ENDIAN_BIG, SF_FORMAT_WAVEX | SF_FORMAT_PCM_24,
                           SF_FORMAT_RF64 | SF_FORMAT_PCM_16, kFloatWav}) {
    write_sound(dir_ / "whole.wav", format, 16000, 2, sine(440, 0.5, 2.0, 16000));
    EXPECT_EQ(read_audio(dir_ / "whole.wav").samples.size(), 16000u) << format;
    const std::string bytes = read_file(dir_ / "whole.wav");
    expect_refused(write("half.wav", std::string_view(bytes).substr(0, bytes.size() / 2)), "is cut off");
  }
}

TEST_F(ReadAudio, TakesNoOtherFileForBareSamplesBecauseItIsNamedWav) {
  const std::string rest = pcm16(std::vector<int>(4096, 700));
  for (const std::string_view head :
       {std::string_view("\0\0\0\x20"
                         "ftypM4A ",
                         12),
        std::string_view("\x1A\x45\xDF\xA3"), std::string_view("caff\0\1", 6), std::string_view("#!AMR\n"),
        std::string_view("0&\xB2u"), std::string_view("PK\3\4")})
    for (const char* name : {"a.wav", "a.pcm"})
      expect_refused(write(name, std::string(head) + rest), "cannot be read as wav");
  expect_refused(write("b.wav", "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>"),
                 "cannot be read as wav");
  expect_refused(write("c.wav", "\xEF\xBB\xBF<html></html>"), "cannot be read as wav");
  write_sound(dir_ / "d.wav", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 16000, 1, {0.1f, 0.2f});
  expect_refused(dir_ / "d.wav", "is not wav, flac, ogg or mp3");
  write_sound(dir_ / "e.wav", SF_FORMAT_NIST | SF_FORMAT_PCM_16, 16000, 1, {0.1f, 0.2f});
  expect_refused(dir_ / "e.wav", "is not wav, flac, ogg or mp3");
}

TEST_F(ReadAudio, ReadsAnMp3ThatIsNamedWav) {
  write_sound(dir_ / "a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 44100, 1, sine(440, 0.5, 1.0, 44100));
  const std::string bytes = read_file(dir_ / "a.mp3");
  ASSERT_EQ(bytes[0], '\xFF') << "no ID3 in front of it";
  const Audio audio = read_audio(write("a.wav", bytes));
  EXPECT_FALSE(audio.headerless);
  EXPECT_EQ(audio.samples, read_audio(dir_ / "a.mp3").samples);
}

TEST_F(ReadAudio, EveryTruncationOfAWavIsReadOrRefused) {
  const std::string whole = wav({}, pcm16({1, 2, 3, 4}));
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const Path path = write("a.wav", std::string_view(whole).substr(0, size));
    const Refusal r = refusal(path);
    if (size == whole.size()) {
      EXPECT_EQ(r.kind, ErrorKind::kStopped) << "the whole file is good: " << r.text;
    } else if (size < 46) {
      EXPECT_EQ(r.kind, ErrorKind::kInput) << size;
    }
  }
}

TEST_F(ReadAudio, EveryFmtChunkIsReadOrRefused) {
  const std::string data = pcm16(std::vector<int>(64, 7));
  for (const std::int64_t fmt :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{15}, std::int64_t{17}, std::int64_t{0xFFFFFFFF}})
    for (const std::uint32_t format : {0u, 1u, 2u, 3u, 6u, 0x11u, 0x31u, 0x55u, 0xFFFEu, 0xFFFFu})
      for (const std::uint32_t bits : {1u, 7u, 12u, 16u, 32u, 64u, 65535u}) {
        const Refusal r = refusal(write("a.wav", wav({.format = format, .bits = bits, .fmt_bytes = fmt}, data)));
        EXPECT_TRUE(r.kind == ErrorKind::kStopped || r.kind == ErrorKind::kInput) << r.text;
      }
}

TEST_F(ReadAudio, ATruncatedFlacIsRefused) {
  write_sound(dir_ / "a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 1, sine(440, 0.5, 4.0, 16000));
  const std::string whole = read_file(dir_ / "a.flac");
  EXPECT_EQ(refusal(write("half.flac", std::string_view(whole).substr(0, whole.size() / 2))).kind, ErrorKind::kInput);
  for (std::size_t size = 0; size < 200; ++size)
    EXPECT_EQ(refusal(write("b.flac", std::string_view(whole).substr(0, size))).kind, ErrorKind::kInput) << size;
}

TEST_F(ReadAudio, AFlacThatClaims2To36SamplesCostsNoMemory) {
  write_sound(dir_ / "a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 1, sine(440, 0.5, 1.0, 16000));
  std::string bytes = read_file(dir_ / "a.flac");
  ASSERT_EQ(bytes.substr(0, 4), "fLaC");
  bytes[21] = static_cast<char>(bytes[21] | 0x0F);  // STREAMINFO's 36 bits of sample count
  for (int i = 22; i < 26; ++i) bytes[static_cast<std::size_t>(i)] = '\xFF';
  const std::uint64_t before = peak_resident_bytes();
  expect_refused(write("b.flac", bytes), "");
  EXPECT_LT(peak_resident_bytes() - before, std::uint64_t{64} << 20);
  EXPECT_THROW(audio_info(dir_ / "b.flac"), Error);
}

TEST_F(ReadAudio, HoursOfSilenceInAFewKilobytesAreRefused) {
  write_sound(dir_ / "a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 4000, 1, std::vector<float>(4000 * 3000, 0.0f));
  const double seconds_a_byte = 3000.0 / static_cast<double>(sori::file_size(dir_ / "a.flac"));
  ASSERT_GT(seconds_a_byte, 1.0 / 25) << "the encoder became worse: make the silence longer";
  expect_refused(dir_ / "a.flac", "more seconds than a file of its size");
  EXPECT_THROW(audio_info(dir_ / "a.flac"), Error);
}

TEST_F(ReadAudio, RefusesAudioOverTheLimitInsteadOfCuttingIt) {
  const Path path = write("a.wav", wav({}, pcm16(std::vector<int>(16001, 7))));
  expect_refused(path, "lasts more than 1 s", {.max_seconds = 1});
  EXPECT_EQ(read_audio(path, {.end = 1, .max_seconds = 1}).samples.size(), 16000u);
}

// Damage anywhere ends as sound of sane size and values or as an input error, never in anything else.
TEST_F(ReadAudio, SurvivesDamagedBytes) {
  const Rng rng(5, Draw::kNoise);
  std::uint64_t draw = 0;
  for (const int format : {kPcmWav, SF_FORMAT_FLAC | SF_FORMAT_PCM_16, SF_FORMAT_OGG | SF_FORMAT_VORBIS,
                           SF_FORMAT_OGG | SF_FORMAT_OPUS, SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}) {
    write_sound(dir_ / "whole", format, 16000, 1, sine(440, 0.5, 0.2, 16000));
    const std::string whole = read_file(dir_ / "whole");
    for (int round = 0; round < 60; ++round) {
      std::string bytes = whole;
      const std::uint64_t header = std::min<std::uint64_t>(bytes.size(), round % 2 == 0 ? 64 : bytes.size());
      for (int i = 0; i < 4; ++i) {
        const std::uint64_t at = rng.below(draw++, header);
        bytes[at] = static_cast<char>(rng.bits(draw++));
      }
      try {
        for (const float x : read_audio(write_bytes(dir_ / "damaged", bytes)).samples) ASSERT_LE(std::abs(x), 32);
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::kInput) << e.what();
      }
    }
  }
}

TEST_F(ReadAudio, DecodesTheSameTwice) {
  write_sound(dir_ / "a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 44100, 1, sine(300, 0.4, 3.0, 44100));
  EXPECT_EQ(read_audio(dir_ / "a.ogg").samples, read_audio(dir_ / "a.ogg").samples);
}

}  // namespace
}  // namespace sori
