#include "audio/sound_file.h"

#include <sndfile.h>

#include "audio/rate.h"
#include "base/error.h"

namespace sori {
namespace {

constexpr int kLowestRate = 4000, kHighestRate = 384000, kMostChannels = 8;
constexpr const char* kConvert = "convert it to wav or flac and try again";

std::string lower_extension(const Path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

// What files begin with that are no bare samples: sound with a header, and what else is found under the name .wav.
struct Magic {
  std::size_t at;
  std::string_view bytes;
};
constexpr Magic kMagics[] = {{0, "RIFF"},
                             {0, "RIFX"},
                             {0, "RF64"},
                             {0, "fLaC"},
                             {0, "OggS"},
                             {0, "ID3"},
                             {4, "ftyp"},  // mp4, m4a
                             {0, "FORM"},
                             {0, "caff"},
                             {0, ".snd"},  // aiff, caf, au
                             {0, "NIST_1A"},
                             {0, "#!AMR"},
                             {0, "wvpk"},  // sphere, amr, wavpack
                             {0, "MAC "},
                             {0, "0&\xB2u"},           // ape, wma
                             {0, "\x1A\x45\xDF\xA3"},  // webm, mkv
                             {0, "PK\x03\x04"},
                             {0, "\x1F\x8B\x08"}};  // zip, gzip

std::string_view part(std::string_view bytes, std::size_t at, std::size_t count) {
  return at < bytes.size() ? bytes.substr(at, count) : std::string_view();
}

// A web page, an error message or a pointer to the file that should be here.
bool is_ascii_text(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  const std::string_view head = bytes.substr(0, 64);  // no speech has 32 such samples: all are loud and positive
  return std::all_of(head.begin(), head.end(),
                     [](char c) { return (c >= ' ' && c <= '~') || c == '\t' || c == '\r' || c == '\n'; });
}

// Bytes of the MPEG layer III frame that begins at this place (ISO 11172-3, 2.4.2.3; ISO 13818-3); 0 when none does.
std::size_t mp3_frame(std::string_view bytes, std::size_t at) {
  constexpr int kFull[] = {32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320};  // kbit/s of MPEG-1
  constexpr int kHalf[] = {8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160};      // of MPEG-2 and 2.5
  constexpr int kRates[] = {44100, 48000, 32000};
  const std::string_view head = part(bytes, at, 4);
  if (head.size() < 4) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(head[i])); };
  const unsigned version = byte(1) >> 3 & 3, layer = byte(1) >> 1 & 3, bits = byte(2) >> 4, rate = byte(2) >> 2 & 3;
  if (byte(0) != 0xFF || byte(1) < 0xE0 || version == 1 || layer != 1 || bits == 0 || bits == 15 || rate == 3) return 0;
  const int hz = kRates[rate] / (version == 3 ? 1 : version == 2 ? 2 : 4);
  const int length = version == 3 ? 144000 * kFull[bits - 1] / hz : 72000 * kHalf[bits - 1] / hz;
  return static_cast<std::size_t>(length) + (byte(2) >> 1 & 1);
}

// KsponSpeech's .pcm has no header, and neither have some copies' .wav. Two frames in a row are no accident, one is.
bool lacks_header(const Path& path, std::string_view bytes) {
  const std::string extension = lower_extension(path);
  if (extension != ".pcm" && extension != ".raw" && extension != ".wav") return false;
  for (const Magic& m : kMagics)
    if (part(bytes, m.at, m.bytes.size()) == m.bytes) return false;
  const std::size_t frame = mp3_frame(bytes, 0);
  return !is_ascii_text(bytes) && (frame == 0 || mp3_frame(bytes, frame) == 0);
}

std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t count, bool big_endian) {
  std::uint64_t n = 0;
  for (std::size_t i = 0; i < count; ++i)
    n = n << 8 | static_cast<unsigned char>(bytes[at + (big_endian ? i : count - 1 - i)]);
  return n;
}

// What the data chunk of a WAV says about its size.
struct DataSize {
  std::uint64_t missing = 0;  // bytes of sound promised beyond the end of the file, which libsndfile does not mind
  std::size_t blank_at = 0;   // where the size stands when its writer did not know it and left 0; 0: it does not
};

// Who writes into a pipe does not know the size and leaves 0 in a RIFF that ends before its data, or a number from
// 0x7FFFF000 (sox) to 0xFFFFFFFF (ffmpeg).
DataSize data_size(std::string_view bytes) {
  constexpr std::uint64_t kUnknown = 0x7FFFF000;
  const std::string_view magic = part(bytes, 0, 4);
  const bool big_endian = magic == "RIFX", long_sizes = magic == "RF64";
  if ((magic != "RIFF" && !big_endian && !long_sizes) || part(bytes, 8, 4) != "WAVE") return {};
  std::uint64_t long_size = 0;  // of the data chunk, where its own 32 bits do not suffice
  for (std::uint64_t at = 12; at + 8 <= bytes.size();) {
    const std::string_view name = part(bytes, at, 4);
    const std::uint64_t size = number_at(bytes, at + 4, 4, big_endian), riff = number_at(bytes, 4, 4, big_endian);
    if (name == "ds64" && at + 24 <= bytes.size()) long_size = number_at(bytes, at + 16, 8, false);
    if (name == "data") {
      if (size == 0 && (riff <= at || riff >= kUnknown)) return {.blank_at = at + 4};
      const std::uint64_t promised = long_sizes && size == 0xFFFFFFFF ? long_size : size, there = bytes.size() - at - 8;
      return {.missing = promised <= there || (!long_sizes && size >= kUnknown) ? 0 : promised - there};
    }
    at += 8 + size + size % 2;
  }
  return {};
}

}  // namespace

struct SoundFile::Access {
  std::span<const std::byte> bytes;
  std::size_t at = 0, blank_at = 0;

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
    if (a.blank_at != 0)  // a size of 0 means no sound to libsndfile, the largest one "to the end"
      for (std::size_t i = a.blank_at; i < a.blank_at + 4; ++i)
        if (i >= a.at && i < a.at + n) static_cast<unsigned char*>(to)[i - a.at] = 0xFF;
    a.at += n;
    return static_cast<sf_count_t>(n);
  }
};

SoundFile::SoundFile(const Path& path) : file_(path), bytes_(file_.bytes()) {
  constexpr std::uint64_t kHeader = 64;  // bytes: some writers count their header as sound
  if (bytes_.size() < 2) fail("holds no sound", "remove it from the list, or copy it again");
  const std::string_view bytes(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
  const DataSize data = data_size(bytes);
  if (data.missing > kHeader)
    fail(fmt::format("is cut off: {} bytes of sound that its header promises are not there", data.missing),
         "copy it again from its source");
  headerless_ = lacks_header(path, bytes);
  header_missing_ = headerless_ && lower_extension(path) == ".wav";
  open(data.blank_at);
}

SoundFile::~SoundFile() {
  if (sound_) sf_close(sound_);
}

void SoundFile::fail(const std::string& what, const std::string& remedy) const {
  throw Error{ErrorKind::kInput, what, file_.path().string(), remedy};
}

void SoundFile::open(std::size_t blank_at) {
  // The odd last byte of a headerless file is no sample: all 6,000 evaluation files of KsponSpeech have one.
  access_ = std::make_unique<Access>(Access{headerless_ ? bytes_.first(bytes_.size() / 2 * 2) : bytes_, 0, blank_at});
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
