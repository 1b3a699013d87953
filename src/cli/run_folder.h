// The folder that a run writes to.
#pragma once

#include <optional>
#include <vector>

#include "base/file.h"
#include "train/options.h"

namespace sori {

// Locked from the first look on.
class RunFolder {
 public:
  // Before hours of work: Error kUsage for a folder that is in use otherwise, or that holds one of `needed`; kLocked
  // for one that another run writes to.
  RunFolder(const TrainOptions& o, const std::vector<Path>& needed);

  // Once the new run is sure to start: makes the folder, or empties it where it is to be replaced.
  void open();

 private:
  Path path_;
  bool replace_ = false;
  std::optional<FolderLock> lock_;
};

}  // namespace sori
