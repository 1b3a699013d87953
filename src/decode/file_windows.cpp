#include "decode/file_windows.h"

namespace sori {
namespace {

constexpr double kBlockWindows = 16;  // windows read at a time
constexpr double kLookAhead = 1;      // seconds behind a window that decide where it is cut

double seconds_of(std::size_t samples) { return static_cast<double>(samples) / kSampleRate; }

}  // namespace

FileWindows::FileWindows(Path path, const WindowLength& length, double start, double end)
    : path_(std::move(path)), first_(start), to_the_end_(end < 0), begin_(start), end_(start) {
  const AudioInfo info = audio_info(path_);
  last_ = to_the_end_ ? info.seconds : end;
  how_ = length.of(last_ - first_);
  first_sample_ = static_cast<double>(std::llround(start * info.source_rate)) / info.source_rate;
  read_block(start);
}

void FileWindows::read_block(double from) {
  const double to = from + kBlockWindows * how_.longest;
  last_block_ = to + how_.longest >= last_;
  // Resampling needs what lies before, and whole seconds from the first sample are whole samples at any rate: so a
  // block is read from a second or two before it, and that much is dropped.
  const double warm_up = std::max(0.0, std::floor(from - first_) - 1);
  AudioLimits limits;
  limits.start = first_sample_ + warm_up;
  limits.end = !last_block_ ? to : to_the_end_ ? -1 : last_;
  block_ = read_audio(path_, limits).samples;
  const auto before = static_cast<std::size_t>(std::llround((from - first_ - warm_up) * kSampleRate));
  block_.erase(block_.begin(), block_.begin() + static_cast<std::ptrdiff_t>(std::min(before, block_.size())));
  windows_ = cut_windows(block_, how_);
  block_begin_ = from;
  next_ = 0;
}

bool FileWindows::next(std::vector<float>& samples) {
  // Where a window ends depends on what follows, so a window near the end of a block starts the next one.
  if (!last_block_ && seconds_of(block_.size() - windows_[next_].begin) < how_.longest + kLookAhead)
    read_block(block_begin_ + seconds_of(windows_[next_].begin));
  if (next_ == windows_.size()) return false;
  const Window w = windows_[next_++];
  samples.assign(block_.begin() + static_cast<std::ptrdiff_t>(w.begin),
                 block_.begin() + static_cast<std::ptrdiff_t>(w.end));
  begin_ = block_begin_ + seconds_of(w.begin);
  end_ = block_begin_ + seconds_of(w.end);
  return true;
}

}  // namespace sori
