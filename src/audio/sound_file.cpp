#include "audio/sound_file.h"

#include <sndfile.h>

#include "audio/rate.h"
#include "base/error.h"

namespace sori {
namespace {

constexpr int kLowestRate = 4000, kHighestRate = 384000, kMostChannels = 8;
constexpr const char* kConvert = "convert it to wav or flac and try again";

// KsponSpeech's .pcm has no header, and neither have some copies' .wav: those are sound files only when they say so.
bool lacks_header(const Path& path, std::span<const std::byte> bytes) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (extension != ".pcm" && extension != ".raw" && extension != ".wav") return false;
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 4));
  for (const std::string_view magic : {"RIFF", "RIFX", "RF64", "fLaC", "OggS", "ID3"})
    if (head.starts_with(magic)) return false;
  return true;
}

}  // namespace

struct SoundFile::Access {
  std::span<const std::byte> bytes;
  std::size_t at = 0;

  static Access& of(void* self) { return *static_cast<Access*>(self); }

  static sf_count_t length(void* self) { return std::ssize(of(self).bytes); }
  static sf_count_t tell(void* self) { return static_cast<sf_count_t>(of(self).at); }
  static sf_count_t write(const void*, sf_count_t, void*) { return 0; }

  static sf_count_t seek(sf_count_t offset, int whence, void* self) {
    Access& a = of(self);
    const auto size = std::ssize(a.bytes);
    const sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? static_cast<sf_count_t>(a.at) : size;
    // Offsets come from the file's own headers; one outside of it is as good as its end.
    const sf_count_t to = offset < -from ? 0 : offset > size - from ? size : from + offset;
    a.at = static_cast<std::size_t>(to);
    return to;
  }

  static sf_count_t read(void* to, sf_count_t count, void* self) {
    Access& a = of(self);
    const std::size_t n = count <= 0 ? 0 : std::min(static_cast<std::size_t>(count), a.bytes.size() - a.at);
    if (n > 0) std::memcpy(to, a.bytes.data() + a.at, n);
    a.at += n;
    return static_cast<sf_count_t>(n);
  }
};

SoundFile::SoundFile(const Path& path) : file_(path), bytes_(file_.bytes()), headerless_(lacks_header(path, bytes_)) {
  if (bytes_.size() < 2) fail("holds no sound", "remove it from the list, or copy it again");
  open();
}

SoundFile::~SoundFile() {
  if (sound_) sf_close(sound_);
}

void SoundFile::fail(const std::string& what, const std::string& remedy) const {
  throw Error{ErrorKind::kInput, what, file_.path().string(), remedy};
}

void SoundFile::open() {
  // The odd last byte of a headerless file is no sample: all 6,000 evaluation files of KsponSpeech have one.
  access_ = std::make_unique<Access>(Access{headerless_ ? bytes_.first(bytes_.size() / 2 * 2) : bytes_, 0});
  SF_INFO info{};
  if (headerless_) {
    info.format = SF_FORMAT_RAW | SF_FORMAT_PCM_16 | SF_ENDIAN_LITTLE;
    info.samplerate = kSampleRate;
    info.channels = 1;
  }
  SF_VIRTUAL_IO io{Access::length, Access::seek, Access::read, Access::write, Access::tell};
  sound_ = sf_open_virtual(&io, SFM_READ, &info, access_.get());
  if (!sound_)
    fail("cannot be read as wav, flac, ogg or mp3", "check that it is a sound file, or " + std::string(kConvert));
  rate_ = info.samplerate;
  channels_ = info.channels;
  claimed_ = info.frames;
  try {
    check_limits(info.format);
  } catch (...) {
    sf_close(std::exchange(sound_, nullptr));
    throw;
  }
}

void SoundFile::check_limits(int format) const {
  const int type = format & SF_FORMAT_TYPEMASK;
  const int known[] = {SF_FORMAT_WAV, SF_FORMAT_WAVEX, SF_FORMAT_RF64, SF_FORMAT_FLAC,
                       SF_FORMAT_OGG, SF_FORMAT_MPEG,  SF_FORMAT_RAW};
  if (std::find(std::begin(known), std::end(known), type) == std::end(known))
    fail("is not wav, flac, ogg or mp3", kConvert);
  if (channels_ < 1 || channels_ > kMostChannels)
    fail(fmt::format("has {} channels, more than {}", channels_, kMostChannels), "mix them down to one and try again");
  if (rate_ < kLowestRate || rate_ > kHighestRate)
    fail(fmt::format("has a sample rate of {} Hz, outside of {} - {}", rate_, kLowestRate, kHighestRate), kConvert);
}

void SoundFile::seek(std::int64_t frame) {
  if (sf_seek(sound_, frame, SEEK_SET) != frame)
    fail(fmt::format("cannot be entered at {:.2f} s", static_cast<double>(frame) / rate_), kConvert);
}

std::int64_t SoundFile::read(float* interleaved, std::int64_t frames) {
  const sf_count_t n = sf_readf_float(sound_, interleaved, frames);
  if (n < 0 || sf_error(sound_) != SF_ERR_NO_ERROR)
    fail("is damaged and cannot be decoded", "copy it again from its source");
  return n;
}

}  // namespace sori
