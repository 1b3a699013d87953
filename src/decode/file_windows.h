// The windows of a sound file, cut at its quietest places and read block by block, so that memory does not grow with
// the file.
#pragma once

#include "audio/read.h"
#include "audio/windows.h"

namespace sori {

class FileWindows {
 public:
  // [start, end) in seconds, end < 0: to the end of the file. Error kInput as read_audio.
  explicit FileWindows(Path path, const WindowLength& length, double start = 0, double end = -1);

  // Samples of the next window, 16 kHz; false behind the last one. The windows are those of cut_windows on the whole
  // sound.
  bool next(std::vector<float>& samples);
  double begin() const { return begin_; }  // of that window in the file, in seconds
  double end() const { return end_; }
  double seconds() const { return last_ - first_; }  // in all, as the header says

 private:
  void read_block(double from);

  Path path_;
  double first_, last_ = 0;
  Cutting how_;
  double first_sample_ = 0;  // where the first sample of the source lies; up to half a sample from first_
  bool to_the_end_;
  double begin_, end_;
  double block_begin_ = 0;
  bool last_block_ = false;
  std::vector<float> block_;
  std::vector<Window> windows_;  // of the block
  std::size_t next_ = 0;
};

}  // namespace sori
