// An open sound file: libsndfile's formats and headerless KsponSpeech pcm, decoded block by block from a mapping.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/file.h"

struct sf_private_tag;

namespace sori {

class SoundFile {
 public:
  // Error kInput for what is no wav, flac, ogg or mp3, is empty or cut off, or is outside of the limits below.
  explicit SoundFile(const Path& path);
  ~SoundFile();
  SoundFile(const SoundFile&) = delete;
  SoundFile& operator=(const SoundFile&) = delete;

  int rate() const { return rate_; }                        // Hz, 4,000 - 384,000
  int channels() const { return channels_; }                // 1 - 8
  std::int64_t claimed_frames() const { return claimed_; }  // what the header says, which may be a lie
  bool headerless() const { return headerless_; }
  bool header_missing() const { return header_missing_; }
  bool odd_bytes() const { return bytes_.size() % 2 != 0 && headerless_; }

  // The most seconds that so many bytes can hold in good faith: ten minutes and a second for every 32 bytes (digital
  // silence at 16 kHz takes about 55 bytes a second in flac, and speech more than 500 in any codec).
  double most_seconds() const { return 600 + static_cast<double>(bytes_.size()) / 32; }

  void seek(std::int64_t frame);
  // Decodes up to `frames` frames, channels interleaved, full scale 1; fewer only at the end. Error kInput if it
  // cannot.
  std::int64_t read(float* interleaved, std::int64_t frames);

  [[noreturn]] void fail(const std::string& what, const std::string& remedy) const;  // Error kInput that names the file

 private:
  struct Access;  // libsndfile's view of the mapping
  void open(std::size_t blank_at);
  void check_limits(int format) const;

  MappedFile file_;
  std::span<const std::byte> bytes_;
  bool headerless_ = false, header_missing_ = false;
  std::unique_ptr<Access> access_;
  sf_private_tag* sound_ = nullptr;
  int rate_ = 0, channels_ = 0;
  std::int64_t claimed_ = 0;
};

}  // namespace sori
