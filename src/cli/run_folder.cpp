#include "cli/run_folder.h"

#include <algorithm>
#include <filesystem>

namespace sori {
namespace {

// What a run leaves in its folder, also where it was killed.
bool is_of_run(const std::string& name) {
  return name == FolderLock::kName || name == "run.json" || name == "trainer_state.json" ||
         name == "adapter_config.json" || name.starts_with("checkpoint-") || name.starts_with(".tmp-checkpoint-");
}

std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  std::error_code code;
  for (const auto& e : std::filesystem::directory_iterator(folder, code)) names.push_back(e.path().filename().string());
  return names;
}

bool is_run(const Path& folder) {
  const std::vector<std::string> names = names_in(folder);
  return std::any_of(names.begin(), names.end(), is_of_run);
}

}  // namespace

RunFolder::RunFolder(const TrainOptions& o, const std::vector<Path>& needed)
    : path_(o.output_dir), replace_(o.overwrite_output_dir) {
  std::error_code code;
  if (!std::filesystem::exists(path_, code)) return;
  if (replace_) check_replaceable(path_, "the folder of a run", is_run, needed);
  const bool goes_on = o.resume && is_run(path_);
  lock_.emplace(path_);
  if (std::ssize(names_in(path_)) == 1 || replace_ || goes_on) return;  // 1: the lock's own file
  throw Error{ErrorKind::kUsage, o.resume ? "is not the folder of a run" : "is not empty", path_.string(),
              o.resume ? "name the folder of the run to go on with"
                       : "go on with --resume, begin anew with --overwrite-output-dir, or name another folder"};
}

void RunFolder::open() {
  make_folder(path_);
  if (!lock_) lock_.emplace(path_);
  if (!replace_) return;
  for (const std::string& name : names_in(path_))
    if (name != FolderLock::kName) remove_tree(path_ / name);
}

}  // namespace sori
