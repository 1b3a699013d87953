// Sound files made by libsndfile, and WAV files made byte by byte, honest or not.
#pragma once

#include <sndfile.h>

#include <cmath>
#include <fstream>
#include <numbers>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace sori {

inline std::vector<float> sine(double hz, double amplitude, double seconds, int rate) {
  std::vector<float> out(static_cast<std::size_t>(std::llround(seconds * rate)));
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<float>(amplitude * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / rate));
  return out;
}

inline void write_sound(const Path& path, int format, int rate, int channels, const std::vector<float>& interleaved) {
  SF_INFO info{};
  info.format = format;
  info.samplerate = rate;
  info.channels = channels;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  if (!file) throw std::runtime_error(std::string("libsndfile cannot write this format: ") + sf_strerror(nullptr));
  sf_write_float(file, interleaved.data(), static_cast<sf_count_t>(interleaved.size()));
  sf_close(file);
}

// Without the fsync of base/file's write_file, which these tests have no use for.
inline Path write_bytes(const Path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

// n as that many bytes, the lowest first.
inline std::string little_endian(std::uint64_t n, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(n >> (8 * i)));
  return out;
}

inline std::string pcm16(const std::vector<int>& samples) {
  std::string out;
  for (const int x : samples) out += little_endian(static_cast<std::uint64_t>(x), 2);
  return out;
}

struct WavHeader {
  std::uint32_t format = 1;  // 1 integers, 3 floats
  std::uint32_t channels = 1, rate = 16000, bits = 16;
  std::int64_t data_bytes = -1;  // what the header claims; -1: the truth
  std::int64_t fmt_bytes = 16;   // claimed size of the fmt chunk
};

inline std::string wav(const WavHeader& h, std::string_view data) {
  const std::uint32_t frame = h.channels * h.bits / 8;
  const auto claimed = static_cast<std::uint64_t>(h.data_bytes < 0 ? std::ssize(data) : h.data_bytes);
  std::string body = "WAVEfmt " + little_endian(static_cast<std::uint64_t>(h.fmt_bytes), 4) +
                     little_endian(h.format, 2) + little_endian(h.channels, 2) + little_endian(h.rate, 4) +
                     little_endian(std::uint64_t{h.rate} * frame, 4) + little_endian(frame, 2) +
                     little_endian(h.bits, 2) + "data" + little_endian(claimed, 4) + std::string(data);
  return "RIFF" + little_endian(body.size(), 4) + body;
}

}  // namespace sori
